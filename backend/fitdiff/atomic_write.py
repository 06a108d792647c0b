"""Write folders and files atomically, as temporary siblings that are then renamed; remove killed writers' leftovers."""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"
YOUNG = 60.0  # seconds for which a folder without a lock is taken as still being created


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; publish it as `target` when the block ends, remove it when it raises.

    Readers see the old folder or the new one. A process that is killed leaves only the temporary folder, which the next
    write to the same target removes. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.fitdiff-tmp")
    lock = None
    try:
        temporary.mkdir()
        lock = _lock(temporary / LOCK)
        yield temporary
        sync(temporary)
        os.close(lock)  # Windows neither removes an open file nor renames a folder around it
        lock = None
        (temporary / LOCK).unlink()
        _publish(temporary, target)
        sync(target.parent)
    except BaseException:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(temporary, ignore_errors=True)  # after an exchange, the old folder


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling's path; it becomes `target` when the block ends, and is removed if it raises."""
    half_done = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield half_done
        os.replace(half_done, target)
    finally:
        half_done.unlink(missing_ok=True)


def sweep(target: Path) -> None:
    """Remove killed writers' leftovers beside `target`; restore the old folder if one died between two renames."""
    pattern = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{8}\.fitdiff-(tmp|old)")
    for path in sorted(target.parent.iterdir()):
        match = pattern.fullmatch(path.name)
        if not match or path.is_symlink() or not path.is_dir():
            continue
        if match[1] == "old" and not target.exists():
            path.rename(target)
        elif match[1] == "old" or _abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def sync(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
    elif not any(target.iterdir()):  # an empty folder, as file dialogs create
        target.rmdir()
        temporary.rename(target)
    elif not _exchange(temporary, target):
        old = temporary.with_suffix(".fitdiff-old")
        target.rename(old)
        try:
            temporary.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically; False where the system or the file system cannot."""
    first, second = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "linux":
            at_cwd, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
            return ctypes.CDLL(None).renameat2(at_cwd, first, at_cwd, second, exchange) == 0
        if sys.platform == "darwin":
            return ctypes.CDLL(None).renamex_np(first, second, 2) == 0  # RENAME_SWAP
    except (AttributeError, OSError):  # a C library without the call
        pass
    return False


def _lock(path: Path) -> int:
    """Create and hold a lock that the system drops when this process dies."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    if os.name != "nt":
        import fcntl

        # A network share without locks: _abandoned cannot tell whether the writer lives, and leaves it alone.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _abandoned(temporary: Path) -> bool:
    """Whether the process that wrote into this temporary folder has ended."""
    try:
        if os.name == "nt":
            (temporary / LOCK).unlink()  # fails while its writer holds it open
            return True
        import fcntl

        descriptor = os.open(temporary / LOCK, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        return True
    except FileNotFoundError:
        try:
            return time.time() - temporary.stat().st_mtime > YOUNG
        except OSError:
            return False
    except OSError:
        return False
