"""The shipped face's teeth: a row without slits, in a colour that teeth have."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.face.embedded import EmbeddedFace, load
from fitdiff.render.camera import Projected
from fitdiff.render.visibility import visible_faces
from fitdiff.topology import REGIONS

SIDE = 400  # pixels of a picture of 4 cm
TEETH = REGIONS.index("teeth")


@pytest.fixture(scope="module")
def face() -> EmbeddedFace:
    return load()


@pytest.fixture(scope="module")
def front(face: EmbeddedFace) -> np.ndarray:
    """(SIDE, SIDE) what is seen of the jaws alone from the front: a region's number, -1 for nothing."""
    inside = face.topology.triangle_region == TEETH
    first = int(face.topology.triangles[inside].min())
    jaws = (face.topology.triangles.min(1) >= first) & (face.topology.triangle_region >= TEETH)
    tips = face.mean[upper(face)]
    low = tips[tips[:, 2] > tips[:, 2].max() - 0.004, 1].min()
    screen = (face.mean[:, :2] - torch.tensor([0.0, float(low)])) * (SIDE / 0.04) * torch.tensor([1.0, -1.0]) + SIDE / 2
    nearness = face.mean[:, 2] + 1
    one = torch.ones_like(nearness)[None]
    triangles = torch.from_numpy(face.topology.triangles[jaws].astype(np.int64))
    shown = visible_faces(Projected(screen[None], one, nearness[None], one), triangles, (SIDE, SIDE))[0].numpy()
    return np.where(shown >= 0, face.topology.triangle_region[jaws][shown], -1)


def upper(face: EmbeddedFace) -> np.ndarray:
    teeth = np.unique(face.topology.triangles[face.topology.triangle_region == TEETH])
    jaw = face.shapes_on(torch.zeros(face.identity_count))[face.arkit_names.index("jawOpen")]
    return teeth[jaw[teeth].norm(dim=1).numpy() < 0.002]


def test_no_slit_shows_between_the_upper_front_teeth(front: np.ndarray) -> None:
    per_mm = SIDE // 40
    middle = SIDE // 2
    row = front[middle - 6 * per_mm : middle - 2 * per_mm, middle - 16 * per_mm : middle + 16 * per_mm]
    assert (row == TEETH).mean() > 0.995


def test_gums_reach_down_between_them(front: np.ndarray) -> None:
    per_mm = SIDE // 40
    middle = SIDE // 2
    necks = front[middle - 11 * per_mm : middle - 6 * per_mm, middle - 16 * per_mm : middle + 16 * per_mm]
    assert (necks == -1).mean() < 0.001
    assert 0.02 < (necks == REGIONS.index("mouth")).mean() < 0.29


def test_their_map_holds_colours_of_healthy_teeth(face: EmbeddedFace) -> None:
    texels = face.extras["map.teeth"].reshape(-1, 3).astype(float)
    brightest = texels[texels.sum(1) >= np.quantile(texels.sum(1), 0.9)].mean(0)
    assert np.all(brightest >= [220, 210, 190]) and np.all(brightest <= [236, 227, 212])
    yellow = texels[:, 2] / texels[:, 0]
    assert yellow.min() > 0.8 and yellow.max() < 0.95
    assert 0.3 < texels.mean(1).min() / texels.mean(1).max() < 0.6  # molars lie deep in the mouth, and are teeth
