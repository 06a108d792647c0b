"""Every package of the backend's environment, pinned by hash for every platform and Python."""

from __future__ import annotations

import argparse
import json
import re

from . import places
from .downloads import PIP, fetch
from .environments import BACKEND_PYTHONS, ensure_backend
from .places import ROOT
from .steps import OK, Problem, say, step

LOCK, TORCH_LOCK = ROOT / "backend" / "requirements.lock", ROOT / "backend" / "torch.lock"
# Where artists work, and the wheels that fit there, best first.
LINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
PLATFORMS = {
    "linux-x64": tuple(f"{tag}_x86_64" for tag in LINUX),
    "linux-arm64": tuple(f"{tag}_aarch64" for tag in LINUX),
    "windows-x64": ("win_amd64",),
    "macos-arm64": tuple(f"macosx_{major}_0_arm64" for major in (14, 13, 12, 11)),
}
# PyPI's own torch is the right build for these; elsewhere it comes from PyTorch's index, see docs/install.md.
TORCH_FROM_PYPI = ("windows-x64", "macos-arm64")
# What torch needs on every platform; its CUDA and ROCm packages come beside these from the same index as torch.
TORCH_NEEDS = (
    "filelock",
    "typing-extensions>=4.10.0",
    "setuptools>=77.0.3",
    "sympy>=1.13.3",
    "networkx>=2.5.1",
    "jinja2",
    "fsspec>=0.8.5",
)


def declared() -> list[str]:
    """The backend's own requirements, as pyproject.toml has them."""
    text = (ROOT / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)
    assert listed is not None
    return re.findall(r'"(.+)"', listed[1])


def holds(marker: str, version: tuple[int, int]) -> bool:
    """Whether a marker of the one kind that pyproject.toml uses holds for a Python; pip asks only its own."""
    if not marker:
        return True
    found = re.fullmatch(r"python_version (<|>=) '(\d+)\.(\d+)'", marker.strip())
    assert found is not None, marker
    bound = (int(found[2]), int(found[3]))
    return version < bound if found[1] == "<" else version >= bound


def resolve(pip: list[str], version: tuple[int, int], tags: tuple[str, ...], words: list[str]) -> list[dict]:
    """What pip would install there: one report entry per package, nothing is installed."""
    report = places.CACHE / "lock" / f"{version[0]}.{version[1]}-{tags[0]}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    choices = [
        "--python-version",
        f"{version[0]}.{version[1]}",
        "--only-binary",
        ":all:",
        "--target",
        str(places.CACHE),
    ]
    for tag in tags:
        choices += ["--platform", tag]
    command = [*pip, "install", "--dry-run", "--ignore-installed", "--report", str(report), *choices, *words]
    step(f"resolve for Python {version[0]}.{version[1]} on {tags[0]}", command)
    return json.loads(report.read_text(encoding="utf-8"))["install"]


def lock_lines(found: dict[tuple[str, str], dict[tuple[int, int], set[str]]]) -> list[str]:
    """(name, version) -> Python -> hashes, as lines for pip; a marker where a version is not for every Python."""
    every = {version for pythons in found.values() for version in pythons}
    lines = []
    for (name, version), pythons in sorted(found.items()):
        marker = ""
        if set(pythons) != every:
            wanted = [f"python_version == '{major}.{minor}'" for major, minor in sorted(pythons)]
            marker = " ; " + " or ".join(wanted)
        hashes = sorted({digest for digests in pythons.values() for digest in digests})
        lines.append(f"{name}=={version}{marker}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes))
    return lines


def lock(options: argparse.Namespace) -> int:
    """(maintainers) pin every package of the backend's environment by hash, for every platform and Python"""
    backend = ensure_backend(options)
    pip = [str(backend.python), str(fetch(PIP, backend.python) / "pip")]
    torch, *others = declared()
    found: dict[tuple[str, str], dict[tuple[int, int], set[str]]] = {}
    torches: dict[tuple[str, str], dict[tuple[int, int], set[str]]] = {}

    def keep(entries: list[dict], version: tuple[int, int], into: dict) -> None:
        for entry in entries:
            name = re.sub(r"[-_.]+", "-", entry["metadata"]["name"]).lower()
            pythons = into.setdefault((name, entry["metadata"]["version"].partition("+")[0]), {})
            pythons.setdefault(version, set()).add(entry["download_info"]["archive_info"]["hashes"]["sha256"])

    for version in sorted(BACKEND_PYTHONS):
        chosen = [
            name for name, _, marker in (line.partition(";") for line in others) if holds(marker.strip(), version)
        ]
        for tags in PLATFORMS.values():
            keep(resolve(pip, version, tags, [*chosen, *TORCH_NEEDS]), version, found)
        for platform_name in TORCH_FROM_PYPI:
            (entry,) = resolve(pip, version, PLATFORMS[platform_name], ["--no-deps", torch])
            needs = [line for line in entry["metadata"]["requires_dist"] if ";" not in line]
            if sorted(needs) != sorted(TORCH_NEEDS):
                raise Problem(f"torch now needs {', '.join(needs)}: put that into TORCH_NEEDS and run this again.")
            keep([entry], version, torches)
    head = f"# Made by `build.py lock` for {', '.join(PLATFORMS)}, Python 3.10 to 3.14. Do not edit.\n"
    for path, pinned in ((LOCK, found), (TORCH_LOCK, torches)):
        path.write_text(head + "\n".join(lock_lines(pinned)) + "\n", encoding="utf-8")
        say(f"{path.relative_to(ROOT)}: {len(pinned)} pins")
    return OK
