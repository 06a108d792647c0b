"""The labels drawn by eye on the portraits: what is read, what is refused, what is drawn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fitdiff.errors import FitDiffError
from fitdiff.training.build.portrait_labels import (
    COVERS,
    LAYERS,
    Bar,
    Beard,
    Cover,
    Glasses,
    Lens,
    Portrait,
    draw,
    read,
)


def box(left, top, right, bottom):
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def ring(x, y, radius):
    angles = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    return tuple((x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles)


@pytest.fixture
def write(tmp_path):
    def written(portrait, **head):
        file = tmp_path / "labels.json"
        head = {"about": "", "made_by": "", "licence": "CC0-1.0"} | head
        file.write_text(json.dumps({**head, "portraits": {"someone": portrait}}))
        return file

    return written


def test_all_portraits_have_labels_within_their_photos():
    portraits = read()
    assert len(portraits) == 350
    pairs = [pair for portrait in portraits.values() for pair in portrait.glasses]
    assert len(pairs) >= 46
    assert all(len(pair.lenses) == 2 for pair in pairs)


def test_thick_beards_and_no_others_have_an_outline():
    for name, portrait in read().items():
        assert bool(portrait.beards) == (portrait.beard in ("full", "moustache")), name


def test_a_rim_lies_round_its_glass():
    for name, portrait in read().items():
        for pair in portrait.glasses:
            for lens in pair.lenses:
                layer = draw(
                    Portrait(portrait.width, portrait.height, glasses=(Glasses(pair.glass, (lens,)),)), (96, 96)
                )
                whole = draw(Portrait(portrait.width, portrait.height, covers=(Cover("thing", lens.rim),)), (96, 96))[
                    "thing"
                ]
                assert np.abs(layer["lens"] + layer["frame"] - whole).max() < 0.3, name


@pytest.mark.parametrize(
    ("portrait", "head"),
    [
        ({"width": 10, "height": 10, "hat": True}, {}),
        ({"width": 10}, {}),
        ({"width": 0, "height": 10}, {}),
        ({"width": 10, "height": 10, "beard": "long"}, {}),
        ({"width": 10, "height": 10, "covers": [{"kind": "hat", "outline": [[0, 0], [1, 1]]}]}, {}),
        ({"width": 10, "height": 10, "covers": [{"kind": "ghost", "outline": box(0, 0, 1, 1)}]}, {}),
        ({"width": 10, "height": 10, "covers": [{"kind": "hat", "outline": box(0, 0, 10.5, 1)}]}, {}),
        ({"width": 10, "height": 10, "covers": [{"kind": "hat", "outline": box(-1, 0, 1, 1)}]}, {}),
        ({"width": 10, "height": 10, "glasses": [{"glass": "clear", "lenses": [{"glass": box(0, 0, 1, 1)}]}]}, {}),
        ({"width": 10, "height": 10}, {"licence": "unknown"}),
        ({"width": 10, "height": 10}, {"extra": 1}),
    ],
)
def test_rubbish_is_refused(write, portrait, head):
    with pytest.raises(FitDiffError) as refused:
        read(write(portrait, **head))
    assert refused.value.code == "portrait-labels"


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(FitDiffError, match=r"labels\.json"):
        read(tmp_path / "labels.json")


@pytest.mark.parametrize("size", [(200, 100), (100, 50), (50, 100)])
def test_shapes_have_their_area_at_any_size(size):
    glasses = Glasses("clear", (Lens(ring(50, 100, 20), ring(50, 100, 25)),), (Bar(((80, 60), (80, 140)), 6),))
    layers = draw(Portrait(100, 200, glasses=(glasses,)), size)
    assert set(layers) == set(LAYERS)
    pixel = 100 * 200 / (size[0] * size[1])
    assert layers["lens"].sum() * pixel == pytest.approx(math.pi * 400, rel=0.05)
    if size != (50, 100):  # a bar has one width: only where both sides shrink alike
        assert layers["frame"].sum() * pixel == pytest.approx(math.pi * 225 + 480, rel=0.08)
    assert max(layer.max() for layer in layers.values()) <= 1


def test_a_thin_bar_is_faint_but_drawn():
    glasses = Glasses("clear", (), (Bar(((10, 50), (90, 50)), 1),))
    frame = draw(Portrait(100, 100, glasses=(glasses,)), (25, 25))["frame"]
    assert frame.sum() * 16 == pytest.approx(80, rel=0.3)


def test_plates_end_at_the_glass():
    glasses = Glasses("clear", (Lens(box(20, 20, 60, 60), box(18, 18, 62, 62)),), plates=(box(50, 30, 90, 50),))
    layers = draw(Portrait(100, 100, glasses=(glasses,)), (100, 100))
    assert layers["lens"][40, 55] == 1
    assert layers["frame"][40, 55] == 0
    assert layers["frame"][40, 80] == 1


def test_covers_end_at_matte_hair_holes_and_glasses():
    hat = Cover("hat", box(10, 10, 90, 90), holes=(box(40, 40, 60, 60),), cut=("matte", "hair"))
    glasses = Glasses("dark", (Lens(box(20, 20, 30, 30), box(20, 20, 30, 30)),))
    matte, hair = np.ones((100, 100)), np.zeros((100, 100))
    matte[:, 80:] = 0
    hair[70:] = 1
    layers = draw(Portrait(100, 100, glasses=(glasses,), covers=(hat,)), (100, 100), matte, hair)
    row = layers["hat"][50]
    assert [row[x] for x in (5, 15, 50, 70, 85)] == [0, 1, 0, 1, 0]
    assert layers["hat"][75].max() == 0
    assert layers["hat"][25, 25] == 0
    assert layers["lens"][25, 25] == 1
    assert all(layers[name].max() == 0 for name in COVERS if name != "hat")


def test_a_beard_leaves_out_lips_and_what_covers_it():
    beard = Beard(box(10, 10, 90, 90), (box(40, 40, 60, 50),))
    hand = Cover("hand", box(0, 70, 100, 100))
    layers = draw(Portrait(100, 100, beards=(beard,), covers=(hand,)), (100, 100))
    assert [layers["beard"][y, 50] for y in (5, 20, 45, 60, 80)] == [0, 1, 0, 1, 0]
    assert layers["hand"][80, 50] == 1
