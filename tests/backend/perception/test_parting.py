"""A photo in parts: where they lie in other windows."""

from __future__ import annotations

import numpy as np
import pytest

from fitdiff.perception.parting import PARTS, Parting
from fitdiff.perception.regions import Crop
from fitdiff.perception.window import Window

from .canonical_face import turned

SIDE = 96
CHEEK = 280


def with_spot(points: np.ndarray, margin: float, part: str = "glasses", close: Parting | None = None) -> Parting:
    """Skin all over, and a disc of a part at the cheek: a tenth of the landmarks' box wide."""
    window = Window.around(points, SIDE, margin)
    places = window.places()
    radius = 0.1 * np.ptp(points, axis=0).max()
    spot = (np.linalg.norm(places - points[CHEEK], axis=-1) < radius).astype(np.float32)
    shares = np.zeros((len(PARTS), SIDE, SIDE), np.float32)
    shares[PARTS.index(part)] = spot
    shares[PARTS.index("skin")] = 1 - spot
    return Parting(window, shares, close)


@pytest.mark.parametrize("angle, size", [(0.0, 130.0), (0.6, 130.0), (0.0, 1000.0)])
@pytest.mark.parametrize("pixels", [288, 40])
def test_a_part_lies_in_another_window_where_it_lies_in_the_photo(angle, size, pixels):
    """Finer than the parting and coarser."""
    points = turned(angle, size)
    crop = Crop.around(points, pixels, 1.2)
    shares = with_spot(points, 2.4).inside(crop)
    assert shares.shape == (len(PARTS), pixels, pixels)
    assert shares.sum(0) == pytest.approx(np.ones((pixels, pixels)), abs=1e-5) and shares.min() > -1e-6
    spot = shares[PARTS.index("glasses")]
    y, x = np.mgrid[0:pixels, 0:pixels] + 0.5
    middle = np.array([(x * spot).sum(), (y * spot).sum()]) / spot.sum()
    assert middle == pytest.approx(crop.inside(points[CHEEK][None])[0], abs=0.01 * pixels)
    assert spot.sum() * crop.step**2 == pytest.approx(np.pi * (0.1 * np.ptp(points, axis=0).max()) ** 2, rel=0.1)


def test_what_lies_beside_the_window_is_background():
    points = turned(0.0)
    parting = with_spot(points, 1.3)
    shares = parting.inside(Crop.around(points, 100, 2.6))
    assert shares[0, :20].min() == 1 and shares[0, 40:60, 40:60].max() < 1e-6
    assert parting.person.min() == 1 and parting.share("skin").shape == (SIDE, SIDE)


def test_the_close_window_decides_what_it_shows():
    points = turned(0.3)
    wide = with_spot(points, 2.6, "hair", close=with_spot(points, 1.3, "glasses"))
    shares = wide.inside(Crop.around(points, 120, 2.0))
    assert shares[PARTS.index("glasses")].max() > 0.99 and shares[PARTS.index("hair")].max() < 0.01
    assert shares[PARTS.index("skin")][2].min() > 0.99  # beyond the close one
