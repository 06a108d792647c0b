"""Names of the files and folders of an installation, and the choice of its folder."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

STAMP = "environment.json"  # written last: without it the environment counts as unfinished
FAILURE = "failure.json"
LOG = "install.log"
LOCK = "install.lock"
DOWNLOADS = "downloads"
TEMPORARY = "temporary"
ENVIRONMENT = "env-"  # env-1, env-2: a new one is made beside the old one, which is used until the new one works

# The longest path of a package below its environment (torch's licence texts, 171, below Lib/site-packages).
LONGEST_INSIDE = 195
WINDOWS_LIMIT = 259


def environments(folder: Path) -> list[Path]:
    """The environments in a folder, finished or not."""
    found = [path for path in folder.glob(f"{ENVIRONMENT}*") if path.name[len(ENVIRONMENT) :].isdigit()]
    return sorted(found, key=lambda path: int(path.name[len(ENVIRONMENT) :]))


def new_environment(folder: Path) -> Path:
    """The path of an environment that does not exist yet."""
    taken = environments(folder)
    number = int(taken[-1].name[len(ENVIRONMENT) :]) + 1 if taken else 1
    return folder / f"{ENVIRONMENT}{number}"


def python_of(environment: Path, windows: bool = os.name == "nt") -> Path:
    return environment / ("Scripts/python.exe" if windows else "bin/python")


def packages_of(environment: Path) -> Path | None:
    """site-packages of an environment."""
    if os.name == "nt":
        return environment / "Lib" / "site-packages"
    return next(iter(sorted((environment / "lib").glob("python3.*/site-packages"))), None)


def home(user_folder: Path, long_paths: bool | None = None, windows: bool = os.name == "nt") -> Path:
    """The folder to install into: the extension's own, or a shorter one where Windows' limit on paths would be exceeded."""
    if not windows:
        return user_folder
    long_paths = allows_long_paths() if long_paths is None else long_paths
    room = WINDOWS_LIMIT - len(f"\\{ENVIRONMENT}10\\") - LONGEST_INSIDE
    if long_paths or len(str(user_folder)) <= room:
        return user_folder
    base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    return Path(base) / "FitDiff"


def allows_long_paths() -> bool:
    """Whether this Windows has long paths switched on."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False


def write_whole(path: Path, value: object) -> None:
    """Write JSON so that a reader sees all of it or none."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(part, path)


def read_json(path: Path) -> dict | None:
    """The object in a JSON file; None where there is no file, or it cannot be read as an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def delete(path: Path) -> None:
    """A file, a link or a whole folder, read-only files included; what a link points to stays."""

    def again(function: object, name: str, _: object) -> None:
        os.chmod(name, stat.S_IRWXU)
        os.chmod(os.path.dirname(name), stat.S_IRWXU)
        if os.path.isdir(name) and not os.path.islink(name):
            shutil.rmtree(name)
        else:
            os.unlink(name)

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        if sys.version_info >= (3, 12):
            shutil.rmtree(path, onexc=again)
        else:
            shutil.rmtree(path, onerror=again)


def leavings(folder: Path) -> Iterator[Path]:
    """Everything that an installation may have put into a folder, except the lock; nothing else."""
    for name in (STAMP, f"{STAMP}.part", FAILURE, f"{FAILURE}.part", LOG, DOWNLOADS, TEMPORARY):
        if os.path.lexists(folder / name):
            yield folder / name
    yield from environments(folder)
