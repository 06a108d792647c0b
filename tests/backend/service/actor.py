"""A worker that plays: the service's own loop around jobs that last as long, and go as wrong, as a test wants.

What it plays is the name of the photo. Run as a module it is the worker; `serve` is a service that employs it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from fitdiff.atomic_write import atomic_folder
from fitdiff.engines.registry import ENGINES
from fitdiff.errors import FitDiffError
from fitdiff.progress import Progress, Report
from fitdiff.reconstruction import Order
from fitdiff.service import worker
from fitdiff.service.jobs import Times
from fitdiff.service.server import serve

STEP = 0.01  # seconds
FILES = ("avatar.json", "mesh.npz", "preview.png")
CONTENT = b"x" * 100_000


def play(raw: msgspec.Raw, report: Report) -> dict[str, Any]:
    order = msgspec.json.decode(raw, type=Order)
    part = Path(order.photo).name
    if part in PARTS:
        PARTS[part](order)
    steps = order.steps or ENGINES[order.engine or next(iter(ENGINES))].steps
    for step in range(1, steps + 1):
        time.sleep(20 * STEP if part == "slow" else STEP)
        report(Progress("fitting", step, steps, noise() if part == "pictures" else None))
    with atomic_folder(Path(order.out)) as folder:
        for name in FILES:
            (folder / name).write_bytes(CONTENT)
            time.sleep(STEP)
    return {"avatar": order.out, "verdict": "good", "timings": {"total": 1.5}, "pid": os.getpid()}


def noise() -> Any:
    """What compresses worst."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (1500, 1000, 3), dtype=np.uint8)


def chatter(order: Order) -> None:
    """Everything that a library may do to stdout."""
    print("Content-Length: 5\r\n\r\nhello", flush=True)
    os.write(1, b"written past Python\n")
    ctypes.CDLL(None).puts(b"printed by C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run([sys.executable, "-c", "print('from a child'); input()"], check=False)
    assert sys.stdin.read() == ""


def hold(order: Order) -> None:
    """Deaf to a cancel."""
    time.sleep(600)


def crash(order: Order) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def garble(order: Order) -> None:
    """A worker that breaks the framing itself."""
    for number in range(3, 20):
        try:
            os.write(number, b"garbage\r\n")
        except OSError:
            continue


def refuse(order: Order) -> None:
    raise FitDiffError("several-faces", "Two faces.", details="here", data={"faces": [[1, 2, 3, 4]]})


def fail(order: Order) -> None:
    raise RuntimeError("a fault")


def swell(order: Order) -> None:
    raise FitDiffError("swollen", "x" * (1 << 24))


def spam(order: Order) -> None:
    for _ in range(2000):
        sys.stderr.write("y" * 1000 + "\n")
    sys.stderr.write("z" * 100_000)


PARTS = {
    "chatter": chatter,
    "hold": hold,
    "crash": crash,
    "garble": garble,
    "refuse": refuse,
    "fail": fail,
    "swell": swell,
    "spam": spam,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker.main({"reconstruct": play, "inspect": play})
    else:
        idle, grace = (float(word) for word in sys.argv[1:3] or ("600", "5"))
        serve(Times(idle, grace), [sys.executable, "-m", __spec__.name, "worker"])
