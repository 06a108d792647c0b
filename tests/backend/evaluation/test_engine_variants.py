"""Who takes part in an evaluation, and which recognisers may not speak for whom."""

from types import SimpleNamespace

import numpy as np
import pytest

from fitdiff.evaluation import engine_variants
from fitdiff.evaluation.sweep import COLOURS, HEIGHT, WIDTH, _ticks, sweep

ANALYSIS = SimpleNamespace(
    perception=SimpleNamespace(identity=SimpleNamespace(name="fr"), conditioner=SimpleNamespace(name="dlib"))
)


@pytest.mark.parametrize(
    ("engine", "looked"),
    [
        ("fit", ("fr",)),
        ("landmarks", ()),
        ("diffusion", ("fr", "dlib")),
        ("paper@20", ("fr", "dlib")),
        ("label", ("dlib",)),
        ("parted", ("fr", "dlib")),
        ("parted-label", ("dlib",)),
        ("cfg9", ("dlib",)),
    ],
)
def test_whoever_guides_or_conditions_is_no_witness(engine, looked):
    assert engine_variants.guides(engine, ANALYSIS) == looked


def test_scales_are_read_from_names():
    assert engine_variants.scale_of("paper@25") == 25 and engine_variants.scale_of("paper") is None
    for name in ("paper@", "paper@x", "paper@-1", "paper@nan", "label@3", "nobody"):
        assert not engine_variants.known(name), name
    assert all(engine_variants.known(name) for name in (*engine_variants.ENGINES, "paper@0"))


def test_a_sweep_is_drawn_where_scales_ran():
    def figures(value):
        return {"fr.photo.inside": value, "landmarks_percent": value, "photometric": None}

    def spread(value):
        known = {"count": 1, "median": value, "min": value, "max": value}
        return {"fr.photo.inside": known, "landmarks_percent": known, "photometric": {"count": 0}}

    about = {
        "networks": {"fr": {"measure": "cosine"}},
        "medians": {"fit": spread(0.9), "paper@0": spread(0.3), "paper@75": spread(0.5)},
    }
    photos = {"ada.jpg": {"paper@0": figures(0.3), "paper@75": figures(0.5), "fit": figures(0.9)}, "bad.jpg": {}}
    picture = sweep(about, photos)
    assert picture is not None and picture.dtype == np.uint8 and picture.shape == (HEIGHT, 2 * WIDTH, 3)
    shown = (picture[:, :WIDTH] == COLOURS[0]).all(2)
    rows, columns = np.nonzero(shown)
    assert rows[columns < WIDTH / 3].min() > rows[columns > 0.9 * WIDTH].min() + 50  # it rises with the scale
    assert sweep({**about, "medians": {"fit": spread(0.9), "paper@75": spread(0.5)}}, photos) is None


@pytest.mark.parametrize(("low", "high"), [(0, 100), (0.265, 0.605), (5.4, 6.9), (0.5, 0.5), (-0.1, 0.0)])
def test_axes_have_a_few_round_numbers_about_what_is_shown(low, high):
    ticks = _ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and len(ticks) <= 8
    assert len({round(b - a, 9) for a, b in zip(ticks, ticks[1:], strict=False)}) <= 1
