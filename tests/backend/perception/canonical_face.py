"""FaceMesh's 468 points of an average face seen straight from the front, from the embedded face model."""

from __future__ import annotations

import math

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


def turned(angle: float, size: float = 130.0, middle: tuple[float, float] = (160.0, 150.0)) -> np.ndarray:
    """The points in a photo, turned by radians, their larger side `size` pixels."""
    spin = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return POINTS @ spin.T * size + middle
