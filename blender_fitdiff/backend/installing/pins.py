"""Decides which files may be installed: those whose sha256 is in the lock, and torch with what it needs from its own index."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from . import layout
from .bundle import sha256
from .problem import Problem, other_package

Pins = dict[str, frozenset[str]]  # a package's name -> sha256 of each of its files, for every platform and Python
TORCH = "torch"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def plain(name: str) -> str:
    """The normalised name of a package: Nvidia_cuDNN.cu13 becomes nvidia-cudnn-cu13."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(wheel: Path) -> str:
    return plain(wheel.name.partition("-")[0])


def read(*locks: str) -> Pins:
    """Texts of locks as `build.py lock` writes them -> the pins of all their packages."""
    pins: Pins = {}
    for line in "\n".join(locks).replace("\\\n", " ").splitlines():
        found = _NAME.match(line.strip())
        if found:
            name = plain(found[0])
            pins[name] = pins.get(name, frozenset()) | frozenset(_HASH.findall(line))
    return pins


def is_pinned(wheel: Path, pins: Pins) -> bool:
    wanted = pins.get(name_of(wheel))
    return wanted is not None and sha256(wheel) in wanted


def clear(folder: Path, pins: Pins) -> list[str]:
    """Delete everything in a folder of downloads that is not a file of the lock; gives the names."""
    gone = []
    for path in sorted(folder.iterdir()):
        if path.suffix != ".whl" or path.is_symlink() or not path.is_file() or not is_pinned(path, pins):
            gone.append(path.name)
            layout.delete(path)
    return gone


def check(found: Iterable[Path], pins: Pins) -> dict[str, str]:
    """Check the files to be installed against the lock. Raises Problem. Gives name -> sha256 of the files that are not in it:
    torch, where its build is not pinned, and packages that only torch needs."""
    wheels = list(found)
    names = [name_of(wheel) for wheel in wheels]
    loose = [wheel for wheel in wheels if not is_pinned(wheel, pins)]
    needed = _needed_by_torch(loose)
    for wheel in loose:
        if name_of(wheel) in pins or name_of(wheel) not in needed:
            raise _refused(wheel)
    for wheel in wheels:
        if names.count(name_of(wheel)) > 1:
            raise _refused(wheel)
    return {wheel.name: sha256(wheel) for wheel in loose}


def _needed_by_torch(wheels: list[Path]) -> set[str]:
    """Names of torch and of all that it needs, as far as these wheels tell."""
    needs = {name_of(wheel): _needs(wheel) for wheel in wheels}
    found, waiting = set(), [TORCH]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, ())
    return found


def _needs(wheel: Path) -> list[str]:
    """Names of the packages that a wheel says it requires, extras included."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            (about,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            lines = archive.read(about).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _refused(wheel) from error
    wanted = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("requires-dist:"))
    return [plain(found[0]) for text in wanted if (found := _NAME.match(text))]


def _refused(wheel: Path) -> Problem:
    return other_package(f"{wheel.name}: sha256 {sha256(wheel)} is in no lock")
