"""Where the eyes look, from the dark of the iris between the lids."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ..face.model import MorphableModel
from ..photo import Photo
from .pose_fit import PoseFit
from .regions import LEFT_EYE, RIGHT_EYE, Crop, polygon
from .types import Face

SIZE = 96  # side of an eye's crop, pixels
OPEN = 0.14  # lid opening over eye width, below which an eye says nothing
MOST_YAW, MOST_PITCH = 0.6, 0.4  # radians
IRIS = 0.0615  # radius over the distance of the outer eye corners: hardly any two people differ


def iris_centre(
    photo: Photo, face: Face, eye: tuple[int, ...], interocular: float
) -> tuple[NDArray[np.float64], float] | None:
    """interocular: pixels, of the unturned face -> photo pixel of the iris' middle and its clearness 0..1, or None where the eye is shut or hidden."""
    points = np.asarray(face.landmarks468, np.float64)[list(eye), :2]
    width = float(np.linalg.norm(points[0] - points[8]))
    along = (points[8] - points[0]) / max(width, 1e-9)
    across = np.array([-along[1], along[0]])
    heights = (points - points.mean(0)) @ across
    if width < 6.0 or np.ptp(heights) < OPEN * width:
        return None
    crop = Crop.around(points, SIZE, 1.3)
    inside = polygon(crop.inside(points), SIZE)
    grey = crop.read(photo.pixels) @ np.array([0.4, 0.4, 0.2], np.float32)
    bright, dark = np.quantile(grey[inside > 0.9], (0.85, 0.1)) if (inside > 0.9).sum() > 40 else (0.0, 0.0)
    if bright - dark < 0.06:
        return None
    darkness = np.clip((bright - grey) / (bright - dark), 0, 1) * inside
    # The disc that holds most darkness and whose surrounding ring holds least; what lids hide of it does not count.
    radius = IRIS * interocular / crop.step
    y, x = np.mgrid[-SIZE // 2 : SIZE // 2 + 1, -SIZE // 2 : SIZE // 2 + 1]
    distance = np.hypot(x, y)
    disc = (distance <= radius).astype(np.float32)
    ring = ((distance > radius) & (distance <= 1.6 * radius)).astype(np.float32)

    def share(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        area = _correlate(inside, kernel)
        return _correlate(darkness, kernel) / np.maximum(area, 0.15 * kernel.sum())

    score = share(disc) - share(ring)
    score = np.where(inside > 0.5, score, -1)
    best = np.unravel_index(int(score.argmax()), score.shape)
    near = np.clip(score - score[best] + 0.02, 0, None)
    window = ndimage.label(near > 0)[0]
    near = near * (window == window[best])
    centre = np.array([(near.sum(0) * np.arange(SIZE)).sum(), (near.sum(1) * np.arange(SIZE)).sum()]) / near.sum() + 0.5
    return np.asarray(crop.origin) + centre * crop.step, float(np.clip(score[best], 0, 1))


def gaze_of(photo: Photo, face: Face, pose: PoseFit, model: MorphableModel) -> NDArray[np.float64]:
    """(2, 2) radians [left, right] x [yaw, pitch], as `MorphableModel.vertices` takes it; both eyes alike, since the
    photo's noise is larger than how far eyes converge. Zeros for a model without eyes and for eyes that do not show."""
    spheres = getattr(model, "eye_spheres", None)
    if spheres is None:
        return np.zeros((2, 2))
    with torch.no_grad():
        identity = torch.as_tensor(pose.identity).to(model.mean)[None]
        expression = torch.as_tensor(pose.expression).to(model.mean)[None]
        centres = model.eye_centres(model.vertices(identity, expression))[0].double().cpu().numpy()  # type: ignore[operator]
    camera = -(pose.rotation.T @ pose.translation)
    total, weight = np.zeros(2), 0.0
    for centre, radius, eye in zip(centres, spheres[:, 3].tolist(), (LEFT_EYE, RIGHT_EYE), strict=True):
        found = iris_centre(photo, face, eye, pose.interocular)
        if found is None:
            continue
        pixel, clear = found
        direction = _ray(pose, pixel)
        angles = _meeting(camera, direction, centre, radius)
        total, weight = total + clear * angles, weight + clear
    if weight < 1e-6:
        return np.zeros((2, 2))
    yaw, pitch = np.clip(total / weight, (-MOST_YAW, -MOST_PITCH), (MOST_YAW, MOST_PITCH))
    return np.array([[yaw, pitch], [yaw, pitch]])


def _ray(pose: PoseFit, pixel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit world direction from the camera through a pixel."""
    x, y = (pixel - pose.principal) / pose.focal
    ray = pose.rotation.T @ np.array([x, -y, -1.0])
    return ray / np.linalg.norm(ray)


def _meeting(
    camera: NDArray[np.float64], ray: NDArray[np.float64], centre: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Yaw and pitch of the eyeball's point that the ray meets first; of its rim where the ray passes by."""
    towards = centre - camera
    nearest = ray * (towards @ ray) - towards
    miss = float(np.linalg.norm(nearest))
    if miss > 0.95 * radius:
        nearest *= 0.95 * radius / miss
        miss = 0.95 * radius
    point = nearest - ray * np.sqrt(radius**2 - miss**2)
    point /= np.linalg.norm(point)
    return np.array([np.arctan2(point[0], point[2]), np.arcsin(np.clip(point[1], -1, 1))])


def _correlate(values: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(values, kernel[::-1, ::-1], mode="same"), np.float32)
