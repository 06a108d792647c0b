"""Which face is meant, and the sentence when that cannot be told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fitdiff.errors import FitDiffError
from fitdiff.perception.select import SMALLEST, choose_face
from fitdiff.perception.types import Face
from fitdiff.photo import photo_from_pixels

PHOTO = photo_from_pixels(np.zeros((600, 900, 3), np.uint8))


def face(x: float, size: float) -> Face:
    points = np.zeros((468, 3), np.float32)
    return Face((x, 10.0, x + size, 10.0 + size), 0.9, np.zeros((6, 2), np.float32), points, points[:68, :2], 1.0)


def refusal(faces: list[Face], number: int | None = None) -> FitDiffError:
    with pytest.raises(FitDiffError) as caught:
        choose_face(faces, PHOTO, number)
    json.dumps(caught.value.to_json())
    return caught.value


def test_one_face_needs_no_number() -> None:
    assert choose_face([face(5, 200)], PHOTO).box[0] == 5
    assert choose_face([face(5, 200)], PHOTO, 1).box[0] == 5


def test_no_face() -> None:
    assert refusal([]).code == "no-face"
    assert refusal([], 2).code == "no-face"


def test_several_faces_come_with_their_boxes() -> None:
    problem = refusal([face(5, 200), face(300, 180), face(600, 120)])
    assert problem.code == "several-faces" and "3 faces" in problem.sentence
    assert [entry["number"] for entry in problem.data["faces"]] == [1, 2, 3]
    assert problem.data["faces"][1]["box"] == [300.0, 10.0, 480.0, 190.0]
    assert (problem.data["width"], problem.data["height"]) == (900, 600)


def test_a_number_chooses() -> None:
    assert choose_face([face(5, 200), face(300, 180)], PHOTO, 2).box[0] == 300


def test_a_bystander_does_not_ask_a_question() -> None:
    assert choose_face([face(5, 90), face(300, 200)], PHOTO).box[0] == 300
    assert choose_face([face(5, 90), face(300, 200)], PHOTO, 1).box[0] == 5


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_number_that_is_nobody(number: int) -> None:
    assert refusal([face(5, 200), face(300, 180)], number).code == "no-such-face"


def test_too_small_says_what_it_has_and_needs() -> None:
    problem = refusal([face(5, 20)])
    assert problem.code == "face-too-small"
    assert problem.data["has"] == 20.0 and problem.data["needs"] == SMALLEST
    assert "20" in problem.sentence and f"{SMALLEST:.0f}" in problem.sentence
