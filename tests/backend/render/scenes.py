"""Small heads to render: a bumpy half ellipsoid with a nose that occludes, one eyeball behind a second UV tile."""

from __future__ import annotations

import math

import numpy as np
import torch

from fitdiff.render import Camera, Maps
from fitdiff.topology import Topology


def grid_quads(rows: int, columns: int) -> np.ndarray:
    index = np.arange(rows * columns).reshape(rows, columns)
    return np.stack([index[1:, :-1], index[1:, 1:], index[:-1, 1:], index[:-1, :-1]], -1).reshape(-1, 4)


def mask(rows: int = 41, columns: int = 41, seam: bool = True, eye: bool = True) -> tuple[np.ndarray, Topology]:
    """Vertices (V, 3) metres, some 0.2 m tall, and the topology: skin cut by a UV seam down the middle, an eyeball."""
    v, u = np.meshgrid(np.linspace(1, 0, rows), np.linspace(0, 1, columns), indexing="ij")
    turn, lift = (u - 0.5) * math.pi * 1.1, (v - 0.5) * math.pi * 0.9
    x, y, z = 0.75 * np.sin(turn) * np.cos(lift), np.sin(lift), 0.8 * np.cos(turn) * np.cos(lift)
    z = z + 0.28 * np.exp(-((x / 0.12) ** 2 + ((y + 0.05) / 0.25) ** 2))
    z = z - 0.08 * np.exp(-(((np.abs(x) - 0.28) / 0.1) ** 2 + ((y - 0.25) / 0.08) ** 2))
    skin = np.stack([x, y, z], -1).reshape(-1, 3) * 0.1
    quads = grid_quads(rows, columns)
    uv = np.stack([u, v], -1).reshape(-1, 2)
    uv_quads = quads.copy()
    if seam:  # the right half gets rows of its own, mirrored: u runs the other way there
        right = (quads % columns).min(1) >= columns // 2
        uv = np.concatenate([uv, np.stack([1 - uv[:, 0], uv[:, 1]], -1)])
        uv_quads[right] += rows * columns
    if not eye:
        return skin, Topology(
            quads.astype(np.int32), uv.astype(np.float32), uv_quads.astype(np.int32), np.zeros(len(quads), np.uint8)
        )
    steps = 16
    up, around = np.meshgrid(np.linspace(0.47, -0.47, steps), np.linspace(0, 2, steps), indexing="ij")
    ball = np.stack(
        [
            np.cos(up * math.pi) * np.sin(around * math.pi),
            np.sin(up * math.pi),
            np.cos(up * math.pi) * np.cos(around * math.pi),
        ],
        -1,
    ).reshape(-1, 3)
    ball = ball * 0.014 + np.array([0.028, 0.025, 0.064])
    ball_uv_quads = grid_quads(steps, steps)
    ball_quads = np.where(ball_uv_quads % steps == steps - 1, ball_uv_quads - steps + 1, ball_uv_quads)  # closed
    ball_uv = np.stack([around / 2 + 1, up + 0.5], -1).reshape(-1, 2)
    topology = Topology(
        quads=np.concatenate([quads, ball_quads + len(skin)]).astype(np.int32),
        uv=np.concatenate([uv, ball_uv]).astype(np.float32),
        uv_quads=np.concatenate([uv_quads, ball_uv_quads + len(uv)]).astype(np.int32),
        quad_region=np.repeat([0, 1], [len(quads), len(ball_quads)]).astype(np.uint8),
    )
    return np.concatenate([skin, ball]), topology


def painted(size: int = 64, dtype: torch.dtype = torch.float32) -> Maps:
    """Smooth patterns, none of them flat."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    diffuse = torch.stack(
        [0.6 + 0.2 * (20 * x).sin() * (15 * y).cos(), 0.45 + 0.1 * (12 * x + 9 * y).cos(), 0.4 + 0.1 * (16 * y).sin()]
    )
    specular = 0.5 + 0.3 * (10 * x + 7 * y).sin()[None]
    normal = torch.stack([0.15 * (20 * x).sin(), 0.15 * (20 * y).cos(), torch.ones_like(x)])
    return Maps(diffuse[None].to(dtype), specular[None].to(dtype), normal[None].to(dtype))


def camera(size: int = 96, yaw: float = 20.0, dtype: torch.dtype = torch.float32, **options) -> Camera:
    return Camera.facing((size, size), 0.6, 25.0, yaw, 5.0, dtype=dtype, **options)


LIGHT = (0.3, 0.8, 0.8, 1.0, 0.95, 0.9, 0.4, 0.5, 1.0)


def light(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([LIGHT], dtype=dtype)
