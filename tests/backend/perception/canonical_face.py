"""FaceMesh's 468 points of an average face seen straight from the front, from the embedded face model."""

from __future__ import annotations

import numpy as np
import torch

from fitdiff.face import embedded


def _points() -> np.ndarray:
    """(468, 2): x right, y down, about the middle of the face; the larger side is 1."""
    model = embedded.load()
    with torch.no_grad():
        points = model.landmarks(model.mean[None], "facemesh468")[0].double().numpy()[:, :2] * (1, -1)
    points = points - (points.min(0) + points.max(0)) / 2
    return points / np.ptp(points, axis=0).max()


POINTS = _points()
