"""Differentiable values per pixel from a picture of triangle numbers.

Internally components are the first axis, and results (M, C) keep that memory layout: on a CPU, sums over a last axis of
three and products with one number per row are several times slower than over long rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .camera import Projected


class Fragments(NamedTuple):
    """The M pixels that show the head, as flat rows; every later stage works on these rows only."""

    pixel: Tensor  # (M,) int64 into B * H * W
    image: Tensor  # (M,) int64 which picture of the batch
    face: Tensor  # (M,) int64 triangle
    weights: Tensor  # (M, 3) perspective-correct barycentrics, differentiable
    nearness: Tensor  # (M,) as in Projected, without gradient
    area: Tensor  # (M,) square pixels that the triangle covers, negative where its front is seen; without gradient


def covered(face: Tensor, group: Tensor | None = None) -> Tensor:
    """face (B, H, W), -1 for nothing -> (M,) flat pixels, sorted by the group (T,) of their triangle where given."""
    pixel = (face.flatten() >= 0).nonzero()[:, 0]
    if group is None:
        return pixel
    groups = group.index_select(0, face.flatten().index_select(0, pixel))
    return pixel.index_select(0, groups.to(torch.uint8).argsort(stable=True))  # bytes are sorted in one pass


def fragments(face: Tensor, projected: Projected, triangles: Tensor, pixel: Tensor | None = None) -> Fragments:
    """face (B, H, W) from visible_faces, triangles (T, 3) vertices of projected; pixel: which pixels and in what order.

    Barycentrics are recomputed from the differentiable screen positions, at the pixel centre.
    """
    _, height, width = face.shape
    pixel = covered(face) if pixel is None else pixel
    image = pixel // (height * width)
    seen = face.flatten().index_select(0, pixel)
    rows = _rows(triangles, seen, image, projected.depth.shape[1])
    table = torch.cat([projected.screen, projected.scale[..., None]], -1).flatten(0, 1).T.contiguous()
    x, y, scale = table.index_select(1, rows).view(3, 3, -1).unbind(0)  # (3 corners, M) each
    inside = pixel - image * (height * width)
    x = x - (inside % width + 0.5).to(x.dtype)
    y = y - (inside // width + 0.5).to(y.dtype)
    (xi, xj, xk), (yi, yj, yk) = x.unbind(0), y.unbind(0)
    area = torch.stack([xj * yk - yj * xk, xk * yi - yk * xi, xi * yj - yi * xj])
    whole = area.sum(0)
    flat = area / whole
    near = projected.nearness.flatten().index_select(0, rows).view(3, -1)
    scaled = flat * scale
    weights = scaled / scaled.sum(0)
    return Fragments(pixel, image, seen, weights.T, (flat.detach() * near).sum(0), whole.detach() / 2)


def interpolate(fragment: Fragments, values: Tensor, triangles: Tensor) -> Tensor:
    """values (B, R, C) on rows, triangles (T, 3) of those rows -> (M, C)."""
    rows = _rows(triangles, fragment.face, fragment.image, values.shape[1])
    table = values.flatten(0, 1).T.contiguous()
    first, second, third = (
        weight * table.index_select(1, row) for weight, row in zip(fragment.weights.T, rows.view(3, -1), strict=True)
    )
    return (first + second + third).T


def in_tile(fragment: Fragments, uv: Tensor) -> Tensor:
    """uv (T, 3, 2) of the triangles' corners -> (M, 2)."""
    corner = uv.permute(2, 1, 0).reshape(6, -1).index_select(1, fragment.face).view(2, 3, -1)
    return (fragment.weights.T * corner).sum(1).T


def _rows(triangles: Tensor, face: Tensor, image: Tensor, count: int) -> Tensor:
    """(3 M,) rows of a (B count) table: all first corners, then all second ones, then all third ones."""
    return (triangles.index_select(0, face).T + image * count).flatten()


def picture(rows: Tensor, pixel: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Per-pixel rows (M, C) laid out as (B, C, H, W), zero elsewhere; shape is (B, H, W)."""
    batch, height, width = shape
    flat = rows.new_zeros(batch * height * width, rows.shape[1]).index_copy(0, pixel, rows)
    return flat.view(batch, height, width, -1).permute(0, 3, 1, 2)
