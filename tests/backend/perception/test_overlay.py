"""The photo with its numbered faces, as the panel shows it: 160 pixels long."""

from __future__ import annotations

import numpy as np

from fitdiff.perception.overlay import INK, numbered_boxes
from fitdiff.perception.types import Face
from fitdiff.photo import photo_from_pixels

PHOTO = photo_from_pixels(np.full((1137, 1410, 3), 120, np.uint8))


def face(x0: float, y0: float, x1: float, y1: float) -> Face:
    points = np.zeros((468, 3), np.float32)
    return Face((x0, y0, x1, y1), 0.9, np.zeros((6, 2), np.float32), points, points[:68, :2], 1.0)


def inked_rows(picture: np.ndarray, x0: int, x1: int) -> np.ndarray:
    ink = (np.abs(picture[:, x0:x1].astype(int) - INK) < 8).all(-1)
    return np.flatnonzero(ink.any(1))


def test_numbers_can_be_read_on_a_thumbnail() -> None:
    picture = numbered_boxes(PHOTO, [face(300, 400, 500, 650), face(900, 400, 1000, 530)])
    for x0, x1, least in ((300, 500, 10), (900, 1000, 6)):
        rows = inked_rows(picture, x0, x1)
        above = rows[rows < 390]
        assert len(above) * 160 / max(picture.shape[:2]) >= least


def test_a_number_stands_on_no_face_while_there_is_room() -> None:
    rows = inked_rows(numbered_boxes(PHOTO, [face(300, 20, 500, 250)]), 320, 480)
    inside = (rows > 40) & (rows < 230)
    assert not inside.any()
    assert (rows > 260).sum() > 80


def test_a_number_stays_inside_the_picture() -> None:
    rows = inked_rows(numbered_boxes(PHOTO, [face(300, 5, 500, 1130)]), 320, 480)
    assert ((rows > 20) & (rows < 200)).sum() > 80
