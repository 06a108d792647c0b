"""For every test in Blender: an empty scene, and avatar folders to fill it from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests import synthetic_groom, synthetic_head
from tests.avatar_folders import ABOUT, BROWS, HAIR, write_folder

_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


def pytest_unconfigure() -> None:
    """The bpy module of 4.2 crashes when Python takes itself down after a glTF export; everything is reported by now."""
    if not bpy.app.binary_path:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """make_folder(name, about=..., maps=..., **arrays): a valid folder with whatever is given put in place."""

    def make(
        name: str = "Ada",
        *,
        about: dict | None = None,
        maps: dict | None = None,
        groom: dict | None = None,
        **arrays: np.ndarray,
    ) -> Path:
        photo = np.zeros((400, 300, 3), np.uint8) + 90
        return write_folder(
            tmp_path / name,
            {**synthetic_head.arrays(), **arrays},
            synthetic_head.maps() if maps is None else maps,
            {**ABOUT, **(about or {})},
            photo,
            groom,
        )

    return make


@pytest.fixture
def hairy(make_folder: Callable[..., Path]) -> Path:
    """A folder with short hair on the upper third of the skin."""
    return make_folder(about={"hair": HAIR}, maps={**synthetic_head.maps(), "hair": synthetic_head.hair_map()})


@pytest.fixture
def groomed(make_folder: Callable[..., Path]) -> Path:
    """A folder with long hair and a beard in strands, and short hair for readers that know no strands."""
    maps = {**synthetic_head.maps(), "hair": synthetic_head.hair_map()}
    groom = synthetic_groom.arrays()
    groom["melanin"][:], groom["redness"][:] = 0.4, 0.3  # one colour: exports have fewer bundles to draw
    return make_folder(about={"hair": HAIR}, maps=maps, groom=groom)


@pytest.fixture
def browed(make_folder: Callable[..., Path]) -> Path:
    """A folder with brows, and neither hair nor lids."""
    return make_folder(about={"brows": BROWS}, maps={**synthetic_head.maps(), "brows": synthetic_head.brows_map()})


@pytest.fixture
def lidded(make_folder: Callable[..., Path]) -> Path:
    """A folder with two eyes behind lids that blink, and no hair."""
    return make_folder(**synthetic_head.lidded())


@pytest.fixture(autouse=True)
def empty_scene() -> bpy.types.Scene:
    bpy.ops.wm.read_homefile(use_empty=True)
    return bpy.context.scene
