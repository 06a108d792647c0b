"""Which directions of sky and lamp the head itself hides from each vertex. Without gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .camera import Projected
from .visibility import visible_faces

SIDE = 192  # pixels of the pictures taken from each direction
BIAS = 0.004  # metres a vertex may lie behind the depth picture: its own neighbourhood does not hide it


@torch.no_grad()
def visibility(vertices: Tensor, triangles: Tensor, directions: Tensor, normals: Tensor | None = None) -> Tensor:
    """vertices (V, 3) metres, triangles (T, 3), directions (D, 3) unit, outwards -> (V, D) bool: open to the sky there.

    One orthographic depth picture per direction; a vertex is hidden where the picture is nearer. With normals (V, 3),
    surfaces seen at a grazing angle get more slack, as much as a pixel's width is in depth.
    """
    low, high = vertices.amin(0), vertices.amax(0)
    middle, radius = (low + high) / 2, (high - low).norm() / 2
    helper = torch.where(
        directions[:, 1:2].abs() < 0.9, directions.new_tensor([0.0, 1, 0]), directions.new_tensor([1.0, 0, 0])
    )
    across = normalize(torch.linalg.cross(helper, directions, dim=1), dim=1)
    up = torch.linalg.cross(directions, across, dim=1)
    frame = torch.stack([across, up, directions], 1)  # (D, 3, 3)
    local = (vertices - middle) @ frame.transpose(1, 2)  # (D, V, 3)
    screen = (local[..., :2] / radius + 1) * (SIDE / 2)
    nearness = local[..., 2] + 2 * radius
    one = torch.ones_like(nearness)
    face = visible_faces(Projected(screen, one, nearness, one), triangles, (SIDE, SIDE))
    cell = screen.long().clamp(0, SIDE - 1)
    top = torch.gather(face.flatten(1), 1, cell[..., 1] * SIDE + cell[..., 0])  # (D, V)
    corner = triangles[top.clamp(min=0)]  # (D, V, 3)
    rows = torch.arange(len(directions), device=vertices.device)[:, None, None]
    points, heights = screen[rows, corner], nearness[rows, corner]
    covering = _height(points, heights, screen)
    slack = torch.full_like(nearness, BIAS)
    if normals is not None:
        cosine = (normals @ directions.T).T.clamp(min=0.05)
        slack = slack + (1 - cosine**2).clamp(min=0).sqrt() / cosine * (2 * radius / SIDE)
    return ((top < 0) | (covering < nearness + slack)).T


def _height(corners: Tensor, heights: Tensor, point: Tensor) -> Tensor:
    """Height of the triangle's plane at a point: corners (..., 3, 2), heights (..., 3), point (..., 2)."""
    a, b, c = (corners[..., k, :] - point for k in range(3))

    def cross(u: Tensor, w: Tensor) -> Tensor:
        return u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0]

    weights = torch.stack([cross(b, c), cross(c, a), cross(a, b)], -1)
    total = weights.sum(-1, keepdim=True)
    weights = weights / torch.where(total.abs() < 1e-9, torch.full_like(total, 1e-9), total)
    # The vertex lies beside a steep face and not under it: limit the plane to the face's own heights.
    return (weights.clamp(-0.2, 1.2) * heights).sum(-1)


def ambient_occlusion(vertices: Tensor, normals: Tensor, triangles: Tensor, count: int = 64) -> Tensor:
    """(V,) in [0, 1]: cosine-weighted share of the sky that each vertex sees."""
    directions = sphere(count).to(vertices)
    facing = (normals @ directions.T).clamp(min=0)
    open_ = visibility(vertices, triangles, directions, normals).to(vertices)
    return (facing * open_).sum(1) / facing.sum(1).clamp(min=1e-6)


def cast_shadow(
    vertices: Tensor, triangles: Tensor, direction: Tensor, softness: float = 0.12, count: int = 12
) -> Tensor:
    """(V,) in [0, 1]: share of a lamp of angular radius `softness` (radians) that each vertex sees; 1 is unshadowed."""
    return visibility(vertices, triangles, round_about(direction, softness, count)).to(vertices).mean(1)


def round_about(direction: Tensor, softness: float, count: int) -> Tensor:
    """(3,) -> (count, 3) unit, up to `softness` radians from it."""
    jitter = sphere(64).to(direction)[:count] * softness
    return normalize(normalize(direction, dim=-1) + jitter, dim=1)


def sphere(count: int) -> Tensor:
    """(count, 3) unit vectors spread evenly (a Fibonacci spiral), shuffled by the golden ratio along its length."""
    index = torch.arange(count, dtype=torch.float64)
    y = 1 - 2 * ((index * 0.7548776662466927 + 0.5) % 1.0)
    angle = index * (math.pi * (3 - math.sqrt(5)))
    ring = torch.sqrt(1 - y**2)
    return torch.stack([ring * torch.cos(angle), y, ring * torch.sin(angle)], 1)
