"""Places where nothing can be written, in earnest: small and read-only file systems, where root lets us mount them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def full_disk(place: Path, room: int) -> Iterator[Path]:
    with _mounted(place, f"size={room}"):
        yield place


@contextmanager
def read_only(place: Path) -> Iterator[Path]:
    if os.name != "nt" and os.geteuid() != 0:
        place.mkdir()
        place.chmod(0o555)
        yield place
        place.chmod(0o755)
    else:
        with _mounted(place, "ro"):
            yield place


@contextmanager
def _mounted(place: Path, options: str) -> Iterator[None]:
    place.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("needs root on Linux, to mount a small disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
