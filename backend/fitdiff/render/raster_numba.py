"""The CPU rasteriser: one serial pass over the triangles, compiled. Threads would make it slower."""

from __future__ import annotations

import numpy as np
from numba import njit


def _draw(
    screen: np.ndarray, nearness: np.ndarray, triangles: np.ndarray, buffer: np.ndarray, face: np.ndarray
) -> None:
    """screen (B, V, 2) float64 pixels, nearness (B, V) float64, triangles (T, 3) int32; fills buffer (B, H, W) float32
    with the largest nearness and face (B, H, W) int32 with its triangle. Both sides of a triangle are drawn."""
    height, width = face.shape[1], face.shape[2]
    for b in range(face.shape[0]):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ni, nj, nk = nearness[b, i], nearness[b, j], nearness[b, k]
            if not (ni > 0.0 and nj > 0.0 and nk > 0.0):
                continue
            xi, yi = screen[b, i, 0], screen[b, i, 1]
            xj, yj = screen[b, j, 0], screen[b, j, 1]
            xk, yk = screen[b, k, 0], screen[b, k, 1]
            left, right = min(xi, xj, xk), max(xi, xj, xk)
            top, bottom = min(yi, yj, yk), max(yi, yj, yk)
            if not (left < width and right > 0.0 and top < height and bottom > 0.0):
                continue
            first_x, last_x = int(np.ceil(max(left, 0.0) - 0.5)), int(np.floor(min(right, width) - 0.5))
            first_y, last_y = int(np.ceil(max(top, 0.0) - 0.5)), int(np.floor(min(bottom, height) - 0.5))
            for row in range(first_y, min(last_y, height - 1) + 1):
                y = row + 0.5
                for column in range(first_x, min(last_x, width - 1) + 1):
                    x = column + 0.5
                    di = (xj - x) * (yk - y) - (xk - x) * (yj - y)
                    dj = (xk - x) * (yi - y) - (xi - x) * (yk - y)
                    dk = (xi - x) * (yj - y) - (xj - x) * (yi - y)
                    area = di + dj + dk
                    if area > 0.0:
                        inside = di >= 0.0 and dj >= 0.0 and dk >= 0.0
                    else:
                        inside = area < 0.0 and di <= 0.0 and dj <= 0.0 and dk <= 0.0
                    if inside:
                        near = np.float32((di * ni + dj * nj + dk * nk) / area)
                        if near > buffer[b, row, column]:
                            buffer[b, row, column] = near
                            face[b, row, column] = t


try:
    draw = njit(cache=True, nogil=True)(_draw)
except RuntimeError:  # the cache cannot be written (a read-only installation): compile once per process
    draw = njit(_draw, nogil=True)
