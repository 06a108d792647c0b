"""How the backend's property tests run, Blender's side of what both sides promise, and what `build.py assets` fetches:
networks and photos, loaded once for all rooms. What is missing skips the tests that need it."""

from __future__ import annotations

import importlib
import random
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from .photos import NAMES, PHOTOS

if TYPE_CHECKING:
    from fitdiff.perception import IdentityNetwork, Perception
    from fitdiff.perception.analyse import Analysis

# The same examples in every run and no stopwatch: a shared machine may be slow at any moment.
settings.register_profile(
    "fitdiff",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fitdiff")

LARGEST = 1000  # pixels of a photo that tests look at


def _seed() -> None:
    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _seeded_module() -> None:
    """Whatever ran before: what a module's fixtures draw is the same, and so is what each of its tests draws."""
    _seed()


@pytest.fixture(autouse=True)
def _seeded_test(_seeded_module) -> None:
    _seed()


@pytest.fixture(scope="session")
def extension() -> Callable[[str], types.ModuleType]:
    """extension("scene.reader"): a module of blender_fitdiff that needs no bpy."""
    return lambda name: importlib.import_module(f"blender_fitdiff.{name}")


@pytest.fixture(scope="session")
def perception() -> Perception:
    from fitdiff import weight_files
    from fitdiff.perception import Perception, weights

    missing = [known.name for known in weights.EMBEDDED if weight_files.find(f"{known.name}.safetensors") is None]
    if missing:
        pytest.skip(f"no weights for {', '.join(missing)}: run `python3 build.py assets`")
    return Perception.load()


@pytest.fixture(scope="session")
def mobilefacenet(perception) -> IdentityNetwork:
    """The network that only judges."""
    from fitdiff.evaluation.recognisers import extra_is_there, networks

    if not extra_is_there():
        pytest.skip("no weights for mobilefacenet: run `python3 build.py assets --evaluation`")
    return networks(perception)["mobilefacenet"]


@pytest.fixture(scope="session")
def photos() -> dict[str, np.ndarray]:
    """Name -> (H, W, 3) uint8 sRGB, the large ones made smaller."""
    from PIL import Image

    missing = [name for name in NAMES if not (PHOTOS / name).is_file()]
    if missing:
        pytest.skip(f"no photo {', '.join(missing)}: run `python3 build.py assets`")
    opened = {name: Image.open(PHOTOS / name).convert("RGB") for name in NAMES}
    for photo in opened.values():
        photo.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return {name: np.array(photo) for name, photo in opened.items()}


@pytest.fixture(scope="session")
def faces(perception, photos):
    """Name -> the one face of each photo."""
    found = {name: perception.detect(photo) for name, photo in photos.items()}
    assert {name: len(some) for name, some in found.items()} == dict.fromkeys(NAMES, 1)
    return {name: some[0] for name, some in found.items()}


@pytest.fixture(scope="session")
def demo_photo() -> Path:
    path = PHOTOS / "astronaut.png"
    if not path.is_file():
        pytest.skip("no photo astronaut.png: run `python3 build.py assets`")
    return path


@pytest.fixture(scope="session")
def photo_analysis(perception, demo_photo) -> Analysis:
    """The demo photo, looked at once."""
    from fitdiff.perception.analyse import analyse
    from fitdiff.photo import open_photo

    return analyse(open_photo(demo_photo), perception=perception)
