"""Who takes part in an evaluation, and which recognisers may not speak for whom."""

from types import SimpleNamespace

import numpy as np
import pytest

from fitdiff.evaluation import contenders
from fitdiff.evaluation.report import sweep

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
        ("cfg9", ("dlib",)),
    ],
)
def test_whoever_guides_or_conditions_is_no_witness(engine, looked):
    assert contenders.guides(engine, ANALYSIS) == looked


def test_scales_are_read_from_names():
    assert contenders.scale_of("paper@25") == 25 and contenders.scale_of("paper") is None
    for name in ("paper@", "paper@x", "paper@-1", "paper@nan", "label@3", "nobody"):
        assert not contenders.known(name), name
    assert all(contenders.known(name) for name in (*contenders.ENGINES, "paper@0"))


def test_a_sweep_is_drawn_where_scales_ran():
    found = {"count": 1, "median": 0.5, "min": 0.5, "max": 0.5}
    figures = {"fr.photo.inside": found, "landmarks_percent": found, "photometric": {"count": 0}}
    about = {"networks": {"fr": {}}, "medians": {"fit": figures, "paper@0": figures, "paper@75": figures}}
    picture = sweep(about)
    assert picture is not None and picture.dtype == np.uint8 and picture.std() > 1
    assert sweep({**about, "medians": {"fit": figures, "paper@75": figures}}) is None
