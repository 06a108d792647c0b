"""The turntable: the same person throughout, the lamps different, the ground that of the sheet."""

from __future__ import annotations

import numpy as np

from fitdiff.face.embedded import load
from fitdiff.pictures.contact_sheet import GROUND
from fitdiff.pictures.turntable import LAMPS, TURNS, rows_of_lamps


def test_a_row_per_lamp_and_a_column_per_turn() -> None:
    rows = rows_of_lamps(load(), seed=1, size=48)
    assert [row.label for row in rows] == list(LAMPS)
    assert all(len(row.pictures) == len(TURNS) for row in rows)
    pictures = np.array([row.pictures for row in rows])
    assert pictures.shape == (3, 5, 48, 48, 3)
    assert (pictures[:, :, 0, 0] == GROUND).all()
    head = (pictures != np.array(GROUND)).any(-1)
    assert (head == head[:1]).mean() > 0.98  # under every lamp at the same place
    redness = [
        float(row[..., 0][mask].mean() / row[..., 2][mask].mean()) for row, mask in zip(pictures, head, strict=True)
    ]
    assert redness[2] > 1.3 * redness[1]
    turned = pictures[0, 1].astype(int) - pictures[0, 3]
    assert np.abs(turned).mean() > 5
