"""Pictures and networks for these tests: what `build.py assets` fetches, or a reason to skip."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitdiff import weight_files
from fitdiff.evaluation.recognisers import extra_is_there, networks
from fitdiff.perception import IdentityNetwork, Perception, weights

PHOTOS = Path(os.environ.get("FITDIFF_PHOTOS", Path(__file__).parents[3] / ".cache" / "photos"))
NAMES = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png")


@pytest.fixture(scope="session")
def perception() -> Perception:
    missing = [known.name for known in weights.EMBEDDED if weight_files.find(f"{known.name}.safetensors") is None]
    if missing:
        pytest.skip(f"no weights for {', '.join(missing)}: run `python3 build.py assets`")
    return Perception.load()


@pytest.fixture(scope="session")
def mobilefacenet(perception) -> IdentityNetwork:
    """The network that only judges."""
    if not extra_is_there():
        pytest.skip("no weights for mobilefacenet: run `python3 build.py assets --evaluation`")
    return networks(perception)["mobilefacenet"]


@pytest.fixture(scope="session")
def photos() -> dict[str, np.ndarray]:
    """Name -> (H, W, 3) uint8 sRGB."""
    missing = [name for name in NAMES if not (PHOTOS / name).is_file()]
    if missing:
        pytest.skip(f"no photo {', '.join(missing)}: run `python3 build.py assets`")
    return {name: np.array(Image.open(PHOTOS / name).convert("RGB")) for name in NAMES}


@pytest.fixture(scope="session")
def faces(perception, photos):
    """Name -> the one face of each photo."""
    found = {name: perception.detect(photo) for name, photo in photos.items()}
    assert {name: len(some) for name, some in found.items()} == dict.fromkeys(NAMES, 1)
    return {name: some[0] for name, some in found.items()}
