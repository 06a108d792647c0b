"""Rays against a mesh, compiled: a tree of boxes over triangles in Morton order, walked by every ray on its own."""

from __future__ import annotations

import numpy as np
from numba import njit

STACK = 64  # boxes a ray may keep waiting; a tree of 2^31 leaves needs 32


def _walk(
    boxes: np.ndarray,
    leaves: int,
    corners: np.ndarray,
    ox: float,
    oy: float,
    oz: float,
    wx: float,
    wy: float,
    wz: float,
    far: float,
    any_hit: bool,
    waiting: np.ndarray,
) -> tuple[float, int]:
    """Distance and leaf of the first triangle that the ray from o along w meets within `far`, with any_hit of any such
    triangle; `far` and -1 where there is none.

    boxes (2 leaves, 6) float32: least and most x, y, z of a complete binary tree's nodes, the root at 1, a node's children
    at 2 n and 2 n + 1. corners (leaves, 9) float32: one triangle a leaf. waiting (STACK,) int32: scratch.
    """
    ix = 1.0 / wx if abs(wx) > 1e-12 else 1e12
    iy = 1.0 / wy if abs(wy) > 1e-12 else 1e12
    iz = 1.0 / wz if abs(wz) > 1e-12 else 1e12
    waiting[0], count, met = 1, 1, -1
    while count:
        count -= 1
        node = waiting[count]
        ax, bx = (boxes[node, 0] - ox) * ix, (boxes[node, 3] - ox) * ix
        ay, by = (boxes[node, 1] - oy) * iy, (boxes[node, 4] - oy) * iy
        az, bz = (boxes[node, 2] - oz) * iz, (boxes[node, 5] - oz) * iz
        near = max(max(min(ax, bx), min(ay, by)), max(min(az, bz), 0.0))
        if near > min(min(max(ax, bx), max(ay, by)), min(max(az, bz), far)):
            continue
        if node < leaves:
            waiting[count], waiting[count + 1] = 2 * node, 2 * node + 1
            count += 2
            continue
        leaf = corners[node - leaves]
        ux, uy, uz = leaf[3] - leaf[0], leaf[4] - leaf[1], leaf[5] - leaf[2]
        vx, vy, vz = leaf[6] - leaf[0], leaf[7] - leaf[1], leaf[8] - leaf[2]
        hx, hy, hz = wy * vz - wz * vy, wz * vx - wx * vz, wx * vy - wy * vx
        area = ux * hx + uy * hy + uz * hz
        if abs(area) < 1e-18:
            continue
        sx, sy, sz = ox - leaf[0], oy - leaf[1], oz - leaf[2]
        u = (sx * hx + sy * hy + sz * hz) / area
        if u < 0.0 or u > 1.0:
            continue
        tx, ty, tz = sy * uz - sz * uy, sz * ux - sx * uz, sx * uy - sy * ux
        v = (wx * tx + wy * ty + wz * tz) / area
        distance = (vx * tx + vy * ty + vz * tz) / area
        if v >= 0.0 and u + v <= 1.0 and 0.0 < distance < far:
            far, met = distance, node - leaves
            if any_hit:
                break
    return far, met


def _escape(
    boxes: np.ndarray,
    leaves: int,
    corners: np.ndarray,
    points: np.ndarray,
    frames: np.ndarray,
    ways: np.ndarray,
    start: float,
    far: float,
    any_hit: bool,
    found: np.ndarray,
    leaf: np.ndarray,
) -> None:
    """Fills found (N, D) float32 and leaf (N, D) int32 with what `_walk` finds along ways (D, 3), given in each point's frame
    (N, 3, 3: rows across, up, out), from `start` metres along the frame's last row."""
    for n in range(points.shape[0]):
        waiting = np.empty(STACK, np.int32)
        f = frames[n]
        ox, oy, oz = (
            points[n, 0] + start * f[2, 0],
            points[n, 1] + start * f[2, 1],
            points[n, 2] + start * f[2, 2],
        )
        for d in range(ways.shape[0]):
            a, b, c = ways[d, 0], ways[d, 1], ways[d, 2]
            wx = a * f[0, 0] + b * f[1, 0] + c * f[2, 0]
            wy = a * f[0, 1] + b * f[1, 1] + c * f[2, 1]
            wz = a * f[0, 2] + b * f[1, 2] + c * f[2, 2]
            found[n, d], leaf[n, d] = walk(boxes, leaves, corners, ox, oy, oz, wx, wy, wz, far, any_hit, waiting)


try:
    walk = njit(cache=True, nogil=True)(_walk)
    escape = njit(cache=True, nogil=True)(_escape)
except RuntimeError:  # the cache cannot be written (a read-only installation): compile once per process
    walk = njit(_walk, nogil=True)
    escape = njit(_escape, nogil=True)
