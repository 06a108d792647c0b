"""One photo and one seed are one head, however many threads a process is given: in the service, a command and a batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch

from fitdiff.progress import silent
from fitdiff.reconstruction import Order, reconstruct

from .photos import PHOTOS

PHOTO = PHOTOS / "astronaut.png"
CODE = """
import sys, msgspec
from fitdiff.progress import silent
from fitdiff.reconstruction import Order, reconstruct
for order in sys.argv[1:]:
    reconstruct(msgspec.json.decode(order, type=Order), silent)
"""


def written(folder: Path) -> dict[str, bytes | dict]:
    """Every file's bytes; of avatar.json all but the seconds that it took."""
    found: dict[str, bytes | dict] = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")
    }
    about = json.loads(found.pop("avatar.json"))
    return {**found, "avatar.json": {**about, "timings": None}}


@pytest.mark.slow
@pytest.mark.skipif(not PHOTO.is_file(), reason="no photo astronaut.png: run `python3 build.py assets`")
def test_an_avatar_is_the_same_bytes_in_one_thread_and_in_two(tmp_path):
    """And whatever numpy's linear algebra was told: the landmark engine's figures are doubles of its."""
    orders = [
        Order(photo=str(PHOTO), out=str(tmp_path / engine), engine=engine, steps=3) for engine in ("fit", "landmarks")
    ]
    others = [msgspec.structs.replace(order, out=f"{order.out}-alone") for order in orders]
    told = [msgspec.json.encode(order).decode() for order in others]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "7"}
    alone = subprocess.Popen([sys.executable, "-c", CODE, *told], env=environment)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for order in orders:
            reconstruct(order, silent)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        code = alone.wait(300)
    assert code == 0
    for one, other in zip(orders, others, strict=True):
        assert written(Path(one.out)) == written(Path(other.out))
