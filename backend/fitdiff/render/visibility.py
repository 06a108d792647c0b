"""Which triangle each pixel centre sees. Without gradients, which interpolate.py adds.

Three rasterisers give the same answer: `numba` (on the CPU; other devices' data goes there and back), `torch` (CPU and
CUDA; it needs float64), `pytorch3d` (when installed and asked for).
All draw both sides of a triangle, give a pixel to the nearest one and, at equal nearness, to the lowest number.
A triangle with a corner behind the camera is left out: a head never reaches the camera plane.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import FitDiffError
from .camera import Projected

ENVIRONMENT = "FITDIFF_RASTERIZER"
CANDIDATES_AT_ONCE = 1 << 23
"""Pixel-triangle pairs that the torch rasteriser holds at a time: some 700 MB."""


def visible_faces(
    projected: Projected, triangles: Tensor, size: tuple[int, int], rasterizer: str | None = None
) -> Tensor:
    """(B, H, W) int64 rows of triangles (T, 3), -1 where nothing is.

    rasterizer: "numba", "torch", "pytorch3d", or None: the environment's FITDIFF_RASTERIZER, else the fastest here.
    """
    return RASTERIZERS[choose(rasterizer, projected.screen.device)](projected, triangles, size)


def choose(rasterizer: str | None, device: torch.device) -> str:
    """The rasteriser to use on this device. Raises unknown-rasterizer or rasterizer-missing."""
    name = rasterizer or os.environ.get(ENVIRONMENT) or "auto"
    if name == "auto":
        return "torch" if device.type == "cuda" or not importlib.util.find_spec("numba") else "numba"
    if name not in RASTERIZERS:
        known = ", ".join(RASTERIZERS)
        raise FitDiffError(
            "unknown-rasterizer",
            f"There is no rasteriser called '{name}': set {ENVIRONMENT} to one of {known}, or leave it empty.",
        )
    if name != "torch" and importlib.util.find_spec(name) is None:
        raise FitDiffError(
            "rasterizer-missing",
            f"The rasteriser '{name}' was asked for but is not installed: install it, or leave {ENVIRONMENT} empty.",
        )
    if name == "pytorch3d" and device.type == "cpu":
        warnings.warn(
            "pytorch3d's rasteriser takes many seconds per picture on a processor; 'numba' takes milliseconds.",
            RuntimeWarning,
            stacklevel=3,
        )
    return name


@torch.no_grad()
def _numba(projected: Projected, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    from .raster_numba import draw

    batch = projected.screen.shape[0]
    face = torch.full((batch, *size), -1, dtype=torch.int32)
    draw(
        projected.screen.detach().cpu().double().contiguous().numpy(),
        projected.nearness.detach().cpu().double().contiguous().numpy(),
        triangles.cpu().int().contiguous().numpy(),
        torch.zeros(batch, *size).numpy(),
        face.numpy(),
    )
    return face.to(triangles.device).long()


@torch.no_grad()
def _torch(projected: Projected, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """Every pixel of every triangle's bounding box is a candidate; the nearest wins by one scatter of packed keys.

    A key holds the bits of the nearness (positive floats order as integers do) above the inverted face number.
    """
    height, width = size
    batch, faces = projected.screen.shape[0], triangles.shape[0]
    device = projected.screen.device
    corner = projected.screen.detach().double()[:, triangles].flatten(0, 1)  # (B T, 3, 2)
    near = projected.nearness.detach().double()[:, triangles].flatten(0, 1)  # (B T, 3)
    limit = torch.tensor([width, height], dtype=corner.dtype, device=device)
    low, high = corner.amin(1), corner.amax(1)
    drawable = (near > 0).all(1) & (low < limit).all(1) & (high > 0).all(1)
    kept = drawable.nonzero()[:, 0]
    corner, near = corner[kept], near[kept]
    first = (low[kept].clamp(min=0) - 0.5).ceil().long()
    last = torch.minimum((torch.minimum(high[kept], limit) - 0.5).floor(), limit - 1).long()
    extent = (last - first + 1).clamp(min=0)
    count = extent[:, 0] * extent[:, 1]

    keys = torch.zeros(batch * height * width, dtype=torch.long, device=device)
    for part in _parts(count):
        which = torch.repeat_interleave(torch.arange(part.start, part.stop, device=device), count[part])
        start = count[part].cumsum(0) - count[part]
        offset = torch.arange(len(which), device=device) - start[which - part.start]
        row = offset // extent[which, 0]
        column = first[which, 0] + offset - row * extent[which, 0]
        row = first[which, 1] + row
        (xi, yi), (xj, yj), (xk, yk) = (corner[which, c].unbind(-1) for c in range(3))
        x, y = column + 0.5, row + 0.5
        di = (xj - x) * (yk - y) - (xk - x) * (yj - y)
        dj = (xk - x) * (yi - y) - (xi - x) * (yk - y)
        dk = (xi - x) * (yj - y) - (xj - x) * (yi - y)
        area = di + dj + dk
        positive = (area > 0) & (di >= 0) & (dj >= 0) & (dk >= 0)
        inside = (positive | ((area < 0) & (di <= 0) & (dj <= 0) & (dk <= 0))).nonzero()[:, 0]
        di, dj, dk, area, which = di[inside], dj[inside], dk[inside], area[inside], which[inside]
        depth = (di * near[which, 0] + dj * near[which, 1] + dk * near[which, 2]) / area
        image, face = kept[which] // faces, kept[which] % faces
        key = (depth.float().view(torch.int32).long() << 32) | (0x7FFFFFFF - face)
        pixel = (image * height + row[inside]) * width + column[inside]
        keys.scatter_reduce_(0, pixel, key, "amax")
    face = torch.where(keys > 0, 0x7FFFFFFF - (keys & 0x7FFFFFFF), -1)
    return face.view(batch, height, width)


def _parts(count: Tensor) -> list[slice]:
    """Cut the triangles into runs of about CANDIDATES_AT_ONCE candidates."""
    total = count.cumsum(0)
    if not len(total) or int(total[-1]) <= CANDIDATES_AT_ONCE:
        return [slice(0, len(count))]
    run = (total // CANDIDATES_AT_ONCE).cpu()
    starts = [0, *((run[1:] != run[:-1]).nonzero()[:, 0] + 1).tolist(), len(count)]
    return [slice(a, b) for a, b in pairwise(starts)]


@torch.no_grad()
def _pytorch3d(projected: Projected, triangles: Tensor, size: tuple[int, int]) -> Tensor:
    """pytorch3d wants normalised coordinates: +X left, +Y up, the shorter side from -1 to 1."""
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes

    height, width = size
    near = projected.nearness.detach()
    middle = projected.screen.new_tensor([width / 2, height / 2])
    flat = (middle - projected.screen.detach()) * (2.0 / min(size))
    points = torch.cat([flat, 1.0 / near.clamp(min=1e-12)[..., None]], -1).float()
    drawable = (near[:, triangles] > 0).all(-1)  # pytorch3d would draw triangles that reach behind the camera
    meshes = Meshes(list(points), [triangles[row] for row in drawable])
    # "perspective correct" makes it interpolate depth as 1 / nearness, which orders the pixels
    packed = rasterize_meshes(meshes, image_size=size, faces_per_pixel=1, perspective_correct=True)[0][..., 0]
    number = torch.nn.functional.pad(drawable.nonzero()[:, 1], (0, 1), value=-1)  # packed -1 reads the last
    return number[packed]


RASTERIZERS: dict[str, Callable[[Projected, Tensor, tuple[int, int]], Tensor]] = {
    "numba": _numba,
    "torch": _torch,
    "pytorch3d": _pytorch3d,
}
