"""The lock against pyproject.toml, wheels that are made once and alike, the extension's folder."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from building import assets, environments, extension, files, lock, places, steps, wheels

from .stand_ins import build

ROOT = Path(__file__).resolve().parents[2]


def pins(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Name -> (version, marker) of each line; the hashes must be there."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in re.split(r"\n(?=\S)", path.read_text().split("\n", 1)[1].strip()):
        head, *hashes = [line.rstrip(" \\") for line in entry.splitlines()]
        assert hashes
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes)
        told = re.fullmatch(r"([a-z0-9-]+)==(\S+?)(?: ; (.+))?", head)
        assert told, head
        found.setdefault(told[1], []).append((told[2], told[3] or ""))
    return found


@pytest.mark.parametrize("version", [(3, minor) for minor in range(10, 15)])
def test_the_lock_holds_what_pyproject_declares(version):
    locked = pins(lock.LOCK)
    name = f"{version[0]}.{version[1]}"

    def wanted_by(marker: str) -> bool:
        return not marker or f"python_version == '{name}'" in marker

    torch, *others = lock.declared()
    assert pins(lock.TORCH_LOCK) == {"torch": [(torch.removeprefix("torch=="), "")]}
    for line in others:
        requirement, _, marker = line.partition(";")
        if lock.holds(marker.strip(), version):
            package, pinned = requirement.strip().split("==")
            assert [one for one, when in locked[package] if wanted_by(when)] == [pinned]
    for entries in locked.values():
        assert len([one for one, when in entries if wanted_by(when)]) == 1  # pip takes no second pin
    for line in lock.TORCH_NEEDS:
        assert re.split(r"[><=]", line)[0] in locked


def test_lines_of_the_lock():
    both, old, new = (3, 10), {(3, 10): {"b"}}, {(3, 11): {"a", "c"}}
    assert lock.lock_lines({("x", "1"): {both: {"a"}, (3, 11): {"b"}}, ("y", "1"): old, ("y", "2"): new}) == [
        "x==1 \\\n    --hash=sha256:a \\\n    --hash=sha256:b",
        "y==1 ; python_version == '3.10' \\\n    --hash=sha256:b",
        "y==2 ; python_version == '3.11' \\\n    --hash=sha256:a \\\n    --hash=sha256:c",
    ]


def test_markers():
    assert lock.holds("", (3, 10))
    assert lock.holds("python_version < '3.11'", (3, 10))
    assert not lock.holds("python_version < '3.11'", (3, 11))
    assert lock.holds("python_version >= '3.11'", (3, 14))
    with pytest.raises(AssertionError):
        lock.holds("sys_platform == 'win32'", (3, 11))


@pytest.fixture
def wheel_steps(monkeypatch, tmp_path):
    """make_wheels with everything there but pip; the stages that were built, by what they held."""
    built = []
    monkeypatch.setattr(wheels, "ensure_backend", lambda options: environments.Environment("backend", (), ()))
    monkeypatch.setattr(wheels, "ensure_assets", lambda backend: None)
    (tmp_path / "pip-26.3-py3-none-any.whl").write_bytes(b"pip")
    monkeypatch.setattr(wheels, "PIP", {**wheels.PIP, "sha256": files.sha256(tmp_path / "pip-26.3-py3-none-any.whl")})
    monkeypatch.setattr(wheels, "fetch", lambda package, python: tmp_path / package["file"])

    def step(title, command, environment=None, **_):
        stage = Path(command[-1])
        built.append(sorted(files.files_of(stage)))
        assert environment["SOURCE_DATE_EPOCH"] == str(wheels.EPOCH)
        (Path(command[-2]) / "fitdiff-0.1.0-py3-none-any.whl").write_text(f"wheel {len(built)}")

    monkeypatch.setattr(wheels, "step", step)
    return built


def test_wheels_are_made_once_and_again_when_something_changed(wheel_steps, monkeypatch):
    (places.WHEELS / "README.md").write_text("stays")
    (places.WHEELS / "fitdiff-0.0.9-py3-none-any.whl").write_text("old")
    for _ in range(2):
        wheels.make_wheels(None)
    assert len(wheel_steps) == 1
    names = {path.name for path in places.WHEELS.iterdir()}
    pip, fitdiff = "pip-26.3-py3-none-any.whl", "fitdiff-0.1.0-py3-none-any.whl"
    assert names == {"README.md", "bundle.json", "requirements.txt", "torch.txt", fitdiff, pip}
    bundle = wheels.installing("bundle").read(places.WHEELS)
    bundle.verify()
    assert (bundle.version, bundle.torch) == (wheels.project_version(), "2.13.0")
    (places.WHEELS / fitdiff).write_text("damaged")
    wheels.make_wheels(None)
    assert len(wheel_steps) == 2
    monkeypatch.setattr(wheels, "EPOCH", wheels.EPOCH + 1)
    wheels.make_wheels(None)
    assert len(wheel_steps) == 3


def test_the_wheel_takes_assets_and_licences_along(wheel_steps):
    wheels.make_wheels(None)
    (held,) = wheel_steps
    for name in ("LICENSE", "pyproject.toml", "fitdiff/assets/licenses.md", "fitdiff/assets/face.safetensors"):
        assert name in held
    assert "fitdiff/assets/skin.safetensors" in held
    assert not [name for name in held if "__pycache__" in name or name.endswith(".pyc")]


def test_the_made_wheel_holds_every_network_and_every_licence():
    found = sorted((ROOT / "wheels").glob("fitdiff-*.whl"))
    if not found:
        pytest.skip("no wheel: run `python3 build.py wheels`")
    with zipfile.ZipFile(found[0]) as archive:
        held = archive.namelist()
        times = {info.date_time for info in archive.infolist()}
    packages = [one for one in json.loads(assets.PACKAGES.read_text())["packages"] if one["use"] == "weights"]
    for package in packages:
        assert f"fitdiff/assets/weights/licences/{package['name']}.txt" in held
        assert all(f"fitdiff/assets/weights/{name}.safetensors" in held for name in package["gives"])
    assert "fitdiff/assets/licenses.md" in held
    assert [name for name in held if name.endswith(".dist-info/licenses/LICENSE")]
    assert len(times) == 1  # none of them tells when it was made


def test_a_staged_extension(tmp_path):
    (places.WHEELS / "README.md").write_text("for developers")
    (places.WHEELS / "fitdiff.whl").write_text("wheel")
    extension.stage_extension(tmp_path / "stage", places.WHEELS)
    extension.stage_extension(tmp_path / "stage", places.WHEELS)  # what was there before goes
    names = set(files.files_of(tmp_path / "stage"))
    assert {"blender_manifest.toml", "LICENSE", "__init__.py", "wheels/fitdiff.whl", "backend/install.py"} <= names
    assert "wheels/README.md" not in names


@pytest.mark.parametrize(
    ("platform_name", "blenders", "torch"),
    [
        ("linux-x86_64", "linux-x64", "cpu"),
        ("win-amd64", "windows-x64", "cpu"),
        ("macosx-11.0-arm64", "macos-arm64", "metal"),
        ("linux-aarch64", "linux-arm64", "cpu"),
    ],
)
def test_an_offline_extension_says_for_whom_it_is(tmp_path, platform_name, blenders, torch):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "bundle.json").write_text(json.dumps({"version": "0.1.0", "offline": None}))
    shutil.copy(ROOT / "blender_manifest.toml", tmp_path)
    extension.add_offline(tmp_path, (3, 11), platform_name, {"a.whl": "0"})
    manifest = (tmp_path / "blender_manifest.toml").read_text()
    assert f'\nblender_version_min = "4.2.0"\nplatforms = ["{blenders}"]\n' in manifest
    told = json.loads((tmp_path / "wheels" / "bundle.json").read_text())
    assert told["offline"] == {"platform": platform_name, "python": "3.11", "build": torch, "wheels": {"a.whl": "0"}}
    with pytest.raises(steps.Problem):
        extension.blenders_platform("linux-riscv64")


def test_the_manifest_keeps_to_blenders_terms():
    text = (ROOT / "blender_manifest.toml").read_text()
    told = dict(re.findall(r'^(\w+) = "(.*)"$', text, re.M))
    assert "blender" not in told["name"].lower()
    for sentence in (told["tagline"], told["network"], told["files"], told["clipboard"]):
        assert len(sentence) <= 64
        assert sentence[-1].isalnum()


@pytest.mark.parametrize("words", [["more"], ["3.13"], ["--offline", "3.13", "3.11"], ["--offline", "thirteen"]])
def test_extension_refuses_what_it_does_not_understand(words, capsys, monkeypatch):
    monkeypatch.setattr(extension, "one_blender", lambda options: None)
    assert build.main(["extension", *words]) == steps.USAGE
    assert "does not understand" in capsys.readouterr().err


def test_the_installer_is_packaged_with_the_same_code():
    assert wheels.installing("pip").__file__ == str(ROOT / "blender_fitdiff" / "backend" / "installing" / "pip.py")
