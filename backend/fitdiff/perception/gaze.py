"""Gaze from the irises in the picture, cast through the posed camera onto the face's eyeballs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..face.model import MorphableModel
from .pose_fit import PoseFit
from .regions import LEFT_EYE, RIGHT_EYE
from .types import Face

Array = NDArray[np.float64]

OPEN = 0.12  # lid opening over eye width, below which an iris is a guess
MOST_YAW, MOST_PITCH = 0.6, 0.4  # radians


def gaze_of(face: Face, pose: PoseFit, model: MorphableModel) -> Array:
    """(2, 2) radians [left, right] x [yaw, pitch], as `MorphableModel.vertices` takes it; both eyes alike, since the
    photo's noise is larger than how far eyes converge. Zeros for a model without eyes and where no eye is open."""
    spheres = getattr(model, "eye_spheres", None)
    if spheres is None or face.irises is None:
        return np.zeros((2, 2))
    with torch.no_grad():
        identity = torch.as_tensor(pose.identity).to(model.mean)[None]
        expression = torch.as_tensor(pose.expression).to(model.mean)[None]
        vertices = model.vertices(identity, expression)
        centres = model.eye_centres(vertices)[0].double().cpu().numpy()  # type: ignore[operator]
    camera = -(pose.rotation.T @ pose.translation)
    irises = np.asarray(face.irises, np.float64).mean(1)
    total, weight = np.zeros(2), 0.0
    eyes = zip(centres, spheres[:, 3].tolist(), (LEFT_EYE, RIGHT_EYE), irises[::-1], strict=True)
    for centre, radius, outline, iris in eyes:
        open_ = openness(face, outline)
        if open_ > OPEN:
            total = total + open_ * _first_hit(camera, _ray(pose, iris), centre, radius)
            weight += open_
    if weight == 0.0:
        return np.zeros((2, 2))
    yaw, pitch = np.clip(total / weight, (-MOST_YAW, -MOST_PITCH), (MOST_YAW, MOST_PITCH))
    return np.array([[yaw, pitch], [yaw, pitch]])


def openness(face: Face, eye: tuple[int, ...]) -> float:
    """Height of the lids' opening over the eye's width, both in the picture; about a third for an open eye."""
    points = np.asarray(face.landmarks468, np.float64)[list(eye), :2]
    along = points[8] - points[0]
    width = max(float(np.linalg.norm(along)), 1e-9)
    across = np.array([-along[1], along[0]]) / width
    return float(np.ptp((points - points.mean(0)) @ across)) / width


def _ray(pose: PoseFit, pixel: Array) -> Array:
    """Unit world direction from the camera through a pixel."""
    x, y = (pixel - pose.principal) / pose.focal
    ray = pose.rotation.T @ np.array([x, -y, -1.0])
    return ray / np.linalg.norm(ray)


def _first_hit(camera: Array, ray: Array, centre: Array, radius: float) -> Array:
    """Yaw and pitch of the eyeball's point that the ray hits first, or of the rim's nearest point where it misses."""
    towards = centre - camera
    nearest = ray * (towards @ ray) - towards
    miss = float(np.linalg.norm(nearest))
    if miss > 0.95 * radius:
        nearest *= 0.95 * radius / miss
        miss = 0.95 * radius
    point = nearest - ray * np.sqrt(radius**2 - miss**2)
    point /= np.linalg.norm(point)
    return np.array([np.arctan2(point[0], point[2]), np.arcsin(np.clip(point[1], -1, 1))])
