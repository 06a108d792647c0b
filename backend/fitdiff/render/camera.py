"""Batched cameras in pixels of the upright photo: a pinhole, and weak perspective for comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .arithmetic import unit

NEAR = 1e-3
"""Metres from the camera plane; nothing closer is drawn."""


class Projected(NamedTuple):
    """Points as the camera sees them."""

    screen: Tensor  # (B, V, 2) pixels, x right, y down, pixel centres at +0.5
    depth: Tensor  # (B, V) metres along the viewing direction, negative behind the camera
    nearness: Tensor  # (B, V) positive, linear on the screen, larger is nearer; 0 where a point cannot be drawn
    scale: Tensor  # (B, V) what perspective divides by: 1 / depth for a pinhole, 1 for weak perspective


@dataclass(frozen=True)
class Camera:
    """B cameras of one picture size. Camera space has X right, Y up and looks down -Z: X_cam = rotation @ X + translation."""

    rotation: Tensor  # (B, 3, 3) world to camera
    translation: Tensor  # (B, 3) metres
    focal: Tensor  # (B,) pixels; pixels per metre under weak perspective
    principal: Tensor  # (B, 2) pixels, x and y
    size: tuple[int, int]  # height, width of the picture in pixels
    projection: Literal["pinhole", "weak"] = "pinhole"

    @staticmethod
    def facing(
        size: tuple[int, int],
        distance: float = 1.0,
        field_of_view: float = 20.0,
        yaw: float = 0.0,
        pitch: float = 0.0,
        target: Tensor | None = None,
        projection: Literal["pinhole", "weak"] = "pinhole",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Camera:
        """One camera at `distance` metres from `target` (3,), turned round it by yaw (to the head's left) and pitch (up).

        All angles are degrees; the field of view is that of the picture's height.
        """
        height, width = size
        turn, tilt = math.radians(yaw), math.radians(pitch)
        about_y = torch.tensor([[math.cos(turn), 0, -math.sin(turn)], [0, 1, 0], [math.sin(turn), 0, math.cos(turn)]])
        about_x = torch.tensor([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
        rotation = (about_x.double() @ about_y.double()).to(dtype=dtype, device=device)
        at = torch.zeros(3) if target is None else target.detach()
        back = torch.tensor([0.0, 0.0, -distance], dtype=dtype, device=device)
        focal = 0.5 * height / math.tan(math.radians(field_of_view) / 2)
        if projection == "weak":
            focal /= distance
        return Camera(
            rotation[None],
            (back - rotation @ at.to(rotation))[None],
            torch.tensor([focal], dtype=dtype, device=device),
            torch.tensor([[width / 2, height / 2]], dtype=dtype, device=device),
            size,
            projection,
        )

    def __len__(self) -> int:
        return self.rotation.shape[0]

    @property
    def position(self) -> Tensor:
        """(B, 3) metres, world space: where the pinhole stands."""
        return -(self.rotation.transpose(1, 2) @ self.translation[:, :, None])[:, :, 0]

    def towards(self, points: Tensor, spread: Callable[[Tensor], Tensor]) -> Tensor:
        """Points (M, 3), metres -> unit vectors towards their camera (M, 3); spread turns a row per camera to one per
        point."""
        if self.projection == "weak":
            return spread(self.rotation[:, 2]).expand_as(points)
        return unit(spread(self.position) - points)

    def project(self, points: Tensor) -> Projected:
        """World points (B, V, 3) in metres to the screen; B of either side may be 1."""
        seen = points @ self.rotation.transpose(1, 2) + self.translation[:, None]
        depth = -seen[..., 2]
        visible = depth > NEAR
        if self.projection == "weak":
            scale = torch.ones_like(depth)
            far = depth.detach().amax(1, keepdim=True)
            nearness = far - depth.detach() + 1.0
        else:
            scale = 1.0 / depth.clamp(min=NEAR)
            nearness = scale.detach()
        lens = (self.focal[:, None] * scale)[..., None] * torch.stack([seen[..., 0], -seen[..., 1]], -1)
        return Projected(lens + self.principal[:, None], depth, nearness * visible, scale)

    def resized(self, size: tuple[int, int]) -> Camera:
        """The same view in a picture of another size (height, width) and the same aspect."""
        factor = size[0] / self.size[0]
        return replace(self, focal=self.focal * factor, principal=self.principal * factor, size=size)

    def turned(self, angle: float, vertices: Tensor) -> Camera:
        """The cameras' view of the head (V, 3) turned to its own left by `angle` radians about its middle."""
        middle = (vertices.amin(0) + vertices.amax(0)) / 2
        rotation = self.rotation @ rotation_from_axis_angle(self.rotation.new_tensor([[0.0, angle, 0.0]]))
        return replace(self, rotation=rotation, translation=self.translation + (self.rotation - rotation) @ middle)

    def to(self, target: torch.device | torch.dtype | str) -> Camera:
        """Moved or cast like a tensor."""
        return replace(
            self,
            rotation=self.rotation.to(target),
            translation=self.translation.to(target),
            focal=self.focal.to(target),
            principal=self.principal.to(target),
        )


def rotation_from_axis_angle(vector: Tensor) -> Tensor:
    """Axis times angle in radians (B, 3) -> (B, 3, 3); differentiable at zero too."""
    zero = torch.zeros_like(vector[:, 0])
    x, y, z = vector.unbind(-1)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
    return torch.linalg.matrix_exp(cross)
