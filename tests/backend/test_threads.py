"""One photo and one seed are one head, however many threads a process is given: in the service, a command and a batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fitdiff.progress import silent
from fitdiff.reconstruction import Order, reconstruct

from .photos import PHOTOS

PHOTO = PHOTOS / "astronaut.png"
CODE = (
    "import sys, msgspec; from fitdiff.reconstruction import Order, reconstruct; from fitdiff.progress import silent; "
)
CODE += "reconstruct(msgspec.json.decode(sys.argv[1], type=Order), silent)"


def written(folder: Path) -> dict[str, bytes | dict]:
    """Every file's bytes; of avatar.json all but the seconds that it took."""
    found: dict[str, bytes | dict] = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")
    }
    about = json.loads(found.pop("avatar.json"))
    return {**found, "avatar.json": {**about, "timings": None}}


@pytest.mark.slow
@pytest.mark.skipif(not PHOTO.is_file(), reason="no photo astronaut.png: run `python3 build.py assets`")
def test_a_fit_is_the_same_bytes_in_one_thread_and_in_two(tmp_path):
    wanted = {"photo": str(PHOTO), "engine": "fit", "steps": 3}
    order = json.dumps({**wanted, "out": str(tmp_path / "one")})
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    other = subprocess.Popen([sys.executable, "-c", CODE, order], env=environment)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        reconstruct(Order(out=str(tmp_path / "two"), **wanted), silent)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        code = other.wait(300)
    assert code == 0
    assert written(tmp_path / "one") == written(tmp_path / "two")
