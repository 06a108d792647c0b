"""Grows short hair from its map: strands with roots and bends. Needs no bpy. The random numbers are seeded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mesh_arrays import REGIONS, MeshArrays

PER_AREA = 1.3e6  # strands per square metre where the map's density is 1
MOST = 120_000  # strands of a head
POINTS = 4  # of a strand
LIFT = 0.55  # how far a strand stands up at its root: 0 lies on the skin, 1 stands upright
STRAY = 0.28  # radians: standard deviation of single hairs' directions
TUFT, TUFTED = 0.006, 0.22  # tufts that turn together: their size in metres, and by how many radians at most
SHORTEST = 0.45  # share of the length at the edge of the hairline
SEED = 20


@dataclass(frozen=True, eq=False)
class Strands:
    """N strands in head space: metres, Y up."""

    points: np.ndarray  # (N, POINTS, 3) float32, the root first
    uv: np.ndarray  # (N, 2) float32 texture coordinates of the roots


@dataclass(frozen=True, eq=False)
class Roots:
    """The roots of N strands, and the M vertices of the skin near them."""

    place: np.ndarray  # (N, 3) metres
    normal: np.ndarray  # (N, 3) unit, of the skin
    way: np.ndarray  # (N, 3) unit, the direction in which the hair lies, along the skin
    density: np.ndarray  # (N,) 0 to 1
    uv: np.ndarray  # (N, 2)
    around: np.ndarray  # (M,) vertices of the skin
    normals: np.ndarray  # (M, 3) their unit normals


def grow(mesh: MeshArrays, hair: np.ndarray, length: float) -> Strands:
    """hair (H, W, 3), row 0 at v = 0: direction and density, see docs/avatar-format.md. length: metres. Equal heads get equal
    hair."""
    random = np.random.default_rng(SEED)
    roots = rooted(mesh, hair, PER_AREA, random)
    if roots is None:
        return nothing(POINTS)
    way = turned(roots, TUFT, TUFTED, STRAY, random)
    reach = length * (SHORTEST + (1 - SHORTEST) * roots.density) * random.uniform(0.7, 1.1, len(way))
    points = _bent(roots.place, roots.normal, way, reach, random)
    return Strands(points.astype(np.float32), roots.uv.astype(np.float32))


def nothing(points: int) -> Strands:
    return Strands(np.zeros((0, points, 3), np.float32), np.zeros((0, 2), np.float32))


def rooted(mesh: MeshArrays, hair: np.ndarray, per_area: float, random: np.random.Generator) -> Roots | None:
    """Roots at random places, as dense as the map says; None where it has no hair. per_area: strands per square metre."""
    corners, uv_corners = _skin_triangles(mesh)
    size = np.array(hair.shape[1::-1])
    position = mesh.vertices.astype(np.float64)
    a, b, c = (position[corners[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    area = 0.5 * np.linalg.norm(across, axis=1)
    # Triangles near hair: hair may grow inside of one that has no corner in it.
    thick = _read(hair[..., 2], mesh.uv[uv_corners].astype(np.float64).reshape(-1, 2), size).reshape(-1, 3).max(1)
    near = _near_hair(hair[..., 2], mesh.uv[uv_corners], size) | (thick > 0)
    weight = area * near
    if not weight.sum() > 0:
        return None
    count = min(int(per_area * weight.sum()), 4 * MOST)
    rows = np.searchsorted(np.cumsum(weight) / weight.sum(), random.random(count)).clip(max=len(weight) - 1)
    one, other = np.sqrt(random.random(count)), random.random(count)
    share = np.stack([1 - one, one * (1 - other), one * other], 1)
    uv = np.einsum("nk,nkc->nc", share, mesh.uv[uv_corners[rows]].astype(np.float64))
    values = np.stack([_read(hair[..., channel], uv, size) for channel in range(3)], 1)
    stays = values[:, 2] > random.random(count)
    rows, share, uv, values = (array[stays][:MOST] for array in (rows, share, uv, values))
    root = np.einsum("nk,nkc->nc", share, position[corners[rows]])
    tangent, bitangent = _tangents(mesh, corners, uv_corners, across)
    normals = _normals(position, corners, across)
    normal = unit(np.einsum("nk,nkc->nc", share, normals[corners[rows]]))
    way = unit(tangent[rows] * (2 * values[:, :1] - 1) + bitangent[rows] * (2 * values[:, 1:2] - 1))
    around = np.unique(corners[near])
    return Roots(root, normal, way, values[:, 2], uv, around, normals[around])


def _bent(
    root: np.ndarray, normal: np.ndarray, way: np.ndarray, reach: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """reach (N,) lengths in metres -> (N, POINTS, 3): strands rise from the skin, then bend down in the direction `way`."""
    lift = LIFT * random.uniform(0.6, 1.3, (len(root), 1))
    points, place = [root], root
    for step in range(POINTS - 1):
        up = lift * (1 - 0.75 * step / (POINTS - 2))
        place = place + unit(way + up * normal) * (reach / (POINTS - 1))[:, None]
        points.append(place)
    return np.stack(points, 1)


def turned(roots: Roots, tuft: float, tufted: float, stray: float, random: np.random.Generator) -> np.ndarray:
    """(N, 3) unit directions: the roots' own, turned at random by tuft and by single strand."""
    root, normal, way = roots.place, roots.normal, roots.way
    cell = np.floor(root / tuft + random.normal(0, 0.25, root.shape)).astype(np.int64)
    together = _noise(cell @ np.array([73856093, 19349663, 83492791]))
    angle = (tufted * together + stray * random.normal(0, 1, len(root)))[:, None]
    flat = unit(way - (way * normal).sum(1, keepdims=True) * normal)
    return flat * np.cos(angle) + np.cross(normal, flat) * np.sin(angle)


def _noise(keys: np.ndarray) -> np.ndarray:
    """(N,) integers -> (N,) pseudo-random numbers from -1 to 1, the same for the same key."""
    mixed = (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    return mixed.astype(np.float64) / (1 << 23) - 1


def _skin_triangles(mesh: MeshArrays) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) vertices, (T, 3) texture coordinates."""
    skin = mesh.quad_region == REGIONS.index("skin")
    quads, uv_quads = mesh.quads[skin], mesh.uv_quads[skin]
    four = quads[:, 3] >= 0
    return tuple(  # type: ignore[return-value]
        np.concatenate([faces[:, [0, 1, 2]], faces[four][:, [0, 2, 3]]]) for faces in (quads, uv_quads)
    )


def _near_hair(density: np.ndarray, uv: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(T,) whether hair grows within a triangle's bounding box. uv (T, 3, 2)."""
    grows = np.zeros((density.shape[0] + 1, density.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(density > 0, 0, np.int32), 1, out=grows[1:, 1:])
    low = np.floor(uv.min(1) * size - 1).astype(int).clip(0, size)
    high = np.ceil(uv.max(1) * size + 1).astype(int).clip(0, size)
    return (
        grows[high[:, 1], high[:, 0]] - grows[low[:, 1], high[:, 0]]
        - grows[high[:, 1], low[:, 0]] + grows[low[:, 1], low[:, 0]]
    ) > 0  # fmt: skip


def _read(picture: np.ndarray, uv: np.ndarray, size: np.ndarray) -> np.ndarray:
    """picture (H, W) at uv (N, 2) -> (N,), bilinear; outside, the value at the border."""
    place = (uv * size - 0.5).clip(0, size - 1)
    low = np.minimum(place.astype(int), size - 2).clip(0)
    high = np.minimum(low + 1, size - 1)
    right, up = (place - low).T
    (x0, y0), (x1, y1) = low.T, high.T
    below = picture[y0, x0] * (1 - right) + picture[y0, x1] * right
    above = picture[y1, x0] * (1 - right) + picture[y1, x1] * right
    return below * (1 - up) + above * up


def _tangents(
    mesh: MeshArrays, corners: np.ndarray, uv_corners: np.ndarray, across: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) unit vectors along +u and +v in each triangle's plane, at right angles."""
    a, b, c = (mesh.vertices[corners[:, k]].astype(np.float64) for k in range(3))
    p, q, r = (mesh.uv[uv_corners[:, k]].astype(np.float64) for k in range(3))
    (u1, v1), (u2, v2) = (q - p).T, (r - p).T
    sign = np.sign(u1 * v2 - u2 * v1)[:, None]
    tangent = unit(((b - a) * v2[:, None] - (c - a) * v1[:, None]) * sign)
    return tangent, np.cross(unit(across), tangent) * sign


def _normals(position: np.ndarray, corners: np.ndarray, across: np.ndarray) -> np.ndarray:
    total = np.zeros_like(position)
    for k in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(corners[:, k], across[:, axis], len(position))
    return unit(total)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)
