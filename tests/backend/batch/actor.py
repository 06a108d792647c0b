"""A worker that plays: the service's own loop around small avatars. What it plays is the first word of the photo's name."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fitdiff.atomic_write import atomic_folder
from fitdiff.batch import remote_task
from fitdiff.errors import FitDiffError
from fitdiff.progress import Progress, Report
from fitdiff.reconstruction import Order
from fitdiff.service import worker
from tests import avatar_folders, synthetic_head

COMMAND = [sys.executable, "-m", __spec__.name if __name__ == "__main__" else __name__]
FACES = [
    {"number": 1, "box": [0, 0, 90, 100]},
    {"number": 2, "box": [100, 0, 220, 130]},
    {"number": 3, "box": [300, 0, 320, 30]},
    {"number": 4, "box": [400, 0, 430, 82]},
]


def play(raw: msgspec.Raw, report: Report) -> dict[str, Any]:
    order = msgspec.json.decode(raw, type=Order)
    part = Path(order.photo).stem.split("-")[0]
    if part in PARTS:
        PARTS[part](order)
    slow = part == "slow" and not Path(order.photo).with_name("hurry").exists()
    for step in range(50 if slow else 1):
        time.sleep(0.02)
        report(Progress("fitting", step, 50))
    with atomic_folder(Path(order.out)) as folder:
        write(folder)
        (folder / "preview.png").write_bytes(avatar_folders.png(np.full((8, 8, 3), 99, np.uint8)))
        if part == "half":
            once(order, lambda: os.kill(os.getpid(), signal.SIGKILL))
    notes = [f"pid {os.getpid()}", f"threads {os.environ['OMP_NUM_THREADS']}"]
    return {"verdict": "good", "notes": notes, "metrics": {"photometric": 0.5}, "timings": {"total": 0.1}}


def write(folder: Path) -> None:
    about = {**avatar_folders.ABOUT, "photo": None}
    avatar_folders.write_folder(folder, synthetic_head.arrays(8, 10), synthetic_head.maps(8), about, None)


def play_far_away(photo: bytes, name: str, order: bytes) -> bytes:
    """The same for a worker that gets and gives bytes; names that play nothing go to the real engine."""
    part = Path(name).stem.split("-")[0]
    if part == "stumble":
        mark = Path(os.environ["FITDIFF_TEST_MARK"])
        if not mark.exists():
            mark.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
    if part not in ("stumble", "tampered", "escaping", "loud"):
        return remote_task.work(photo, name, order)
    if part == "loud":
        raise RuntimeError("a worker of another version")
    with tempfile.TemporaryDirectory() as place:
        write(Path(place, "a"))
        files = {
            path.relative_to(Path(place, "a")).as_posix(): path.read_bytes() for path in Path(place, "a").rglob("*.*")
        }
    if part == "tampered":
        files["maps/diffuse.png"] = files["maps/diffuse.png"][:-1] + b"x"
    if part == "escaping":
        files["../../outside.png"] = b"x"
    return msgspec.msgpack.encode(remote_task.RemoteResult(files, {"verdict": "good", "notes": [f"pid {os.getpid()}"]}))


def once(order: Order, act: Any) -> None:
    """The first time that this photo is seen."""
    mark = Path(f"{order.photo}.seen")
    if not mark.exists():
        mark.write_text("")
        act()


def crash(order: Order) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stumble(order: Order) -> None:
    once(order, lambda: os.kill(os.getpid(), signal.SIGKILL))


def hold(order: Order) -> None:
    time.sleep(600)


def group(order: Order) -> None:
    if order.face is None:
        raise FitDiffError(
            "several-faces", "This photo shows 4 faces.", data={"faces": FACES, "width": 640, "height": 480}
        )


def full(order: Order) -> None:
    raise FitDiffError("disk-full", "The disk is full.")


def refuse(order: Order) -> None:
    raise FitDiffError("no-face", "No face <b>here</b>.", data={"faces": []})


PARTS = {
    "crash": crash,
    "stumble": stumble,
    "hold": hold,
    "group": group,
    "full": full,
    "refuse": refuse,
}

if __name__ == "__main__":
    worker.main({"reconstruct": play})
