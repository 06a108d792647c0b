"""A pose solver's result: a camera, a first shape, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import FitDiffError
from ..render.camera import Camera

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PoseFit:
    """A camera, a first shape, and how far to trust them.

    rotation, translation   (3, 3), (3,): world (head) to camera, X right, Y up, looking down -Z; metres
    focal, principal, size  pixels; size is (height, width)
    focal_source            "exif", or "assumed" from a typical lens and distance
    identity, expression    (I,), (E,) coefficients
    projected, residuals    landmark set -> (N, 2) where the fitted face has them, (N,) distance to the photo's, pixels
    interocular             pixels between the outer eye corners of this face if it looked straight at the camera
    yaw, pitch, roll        degrees: camera to the head's left, camera above the head, head tilted counter-clockwise in
                            the picture
    distance                metres from the camera to the head's origin
    verdict, reasons        "good", "fair", or "bad" (not to be used); the reasons are for the log and for inspect
    """

    rotation: Array
    translation: Array
    focal: float
    principal: tuple[float, float]
    size: tuple[int, int]
    focal_source: Literal["exif", "assumed"]
    identity: Array
    expression: Array
    projected: dict[str, Array]
    residuals: dict[str, Array]
    interocular: float
    inlier_fraction: float
    verdict: Literal["good", "fair", "bad"]
    reasons: tuple[str, ...]

    @property
    def median_px(self) -> float:
        """Median distance between fitted and seen landmarks, pixels."""
        return float(np.median(np.concatenate(list(self.residuals.values()))))

    @property
    def median_percent(self) -> float:
        """The same in percent of the unturned inter-ocular distance."""
        return 100.0 * self.median_px / self.interocular

    @property
    def mean_percent(self) -> float:
        return 100.0 * float(np.mean(np.concatenate(list(self.residuals.values())))) / self.interocular

    @property
    def angles(self) -> tuple[float, float, float]:
        """(yaw, pitch, roll), degrees."""
        return euler_degrees(self.rotation)

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.translation))

    def camera(self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Camera:
        """The renderer's camera for the whole photo, batch of one."""
        return camera_of(self.rotation, self.translation, self.focal, self.principal, self.size, dtype, device)

    def to_json(self) -> dict[str, object]:
        yaw, pitch, roll = self.angles
        return {
            "yaw": round(yaw, 2),
            "pitch": round(pitch, 2),
            "roll": round(roll, 2),
            "distance": round(self.distance, 4),
            "focal_px": round(self.focal, 2),
            "focal_source": self.focal_source,
            "rotation": self.rotation.round(8).tolist(),
            "translation": self.translation.round(6).tolist(),
            "principal": list(self.principal),
            "residual": {
                "median_px": round(self.median_px, 3),
                "median_percent": round(self.median_percent, 3),
                "mean_percent": round(self.mean_percent, 3),
                "inliers": round(self.inlier_fraction, 4),
            },
            "verdict": self.verdict,
            "reasons": list(self.reasons),
        }


def camera_of(
    rotation: Array,
    translation: Array,
    focal: float,
    principal: Sequence[float] | Array,
    size: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Camera:
    """(3, 3), (3,), pixels, (2,) pixels, (height, width) -> the renderer's camera, batch of one."""

    def tensor(value: object) -> torch.Tensor:
        return torch.as_tensor(np.asarray(value, np.float64)[None], dtype=dtype, device=device)

    return Camera(tensor(rotation), tensor(translation), tensor(focal), tensor(principal), size)


def euler_degrees(rotation: Array) -> tuple[float, float, float]:
    """World-to-camera rotation -> (yaw, pitch, roll) of `Camera.facing`, then roll about the viewing axis."""
    pitch = math.asin(float(np.clip(rotation[2, 1], -1.0, 1.0)))
    yaw = math.atan2(rotation[2, 0], rotation[2, 2])
    roll = math.atan2(
        *(rotation[:2] @ np.array([math.cos(yaw), 0.0, -math.sin(yaw)]))[::-1],
    )
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def refuse_unclear(pose: PoseFit) -> None:
    """Raise face-unclear where the landmarks fit no face."""
    if pose.verdict == "bad":
        raise FitDiffError(
            "face-unclear",
            "The face cannot be made out well enough to build on: use a sharper photo with the whole face in view.",
            details="; ".join(pose.reasons),
            data={"reasons": list(pose.reasons)},
        )
