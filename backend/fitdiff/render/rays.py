"""How far rays get from points of a mesh's surface: outwards before the head is in the way, inwards before they come out."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

START = 2e-5  # metres off the surface, so that a ray does not meet the triangle that it leaves
PART = 2048  # points that a thread takes at a time


class Rays:
    """A mesh that rays are held against; vertices (V, 3) metres, triangles (T, 3)."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        corners = np.asarray(vertices, np.float64)[triangles]
        self.order = np.argsort(_morton(corners.mean(1)), kind="stable")
        corners = corners[self.order]
        self.leaves = 1 << max(1, math.ceil(math.log2(len(corners))))
        self.corners = np.zeros((self.leaves, 9), np.float32)
        self.corners[: len(corners)] = corners.reshape(-1, 9)
        self.boxes = np.full((2 * self.leaves, 6), np.inf, np.float32)
        self.boxes[:, 3:] = -np.inf
        self.boxes[self.leaves : self.leaves + len(corners), :3] = corners.min(1)
        self.boxes[self.leaves : self.leaves + len(corners), 3:] = corners.max(1)
        first = self.leaves // 2
        while first:  # a level's boxes hold those of its children
            left, right = self.boxes[2 * first : 4 * first : 2], self.boxes[2 * first + 1 : 4 * first : 2]
            self.boxes[first : 2 * first, :3] = np.minimum(left[:, :3], right[:, :3])
            self.boxes[first : 2 * first, 3:] = np.maximum(left[:, 3:], right[:, 3:])
            first //= 2

    def cast(
        self, points: np.ndarray, normals: np.ndarray, ways: np.ndarray, far: float, any_hit: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """points, normals (N, 3), ways (D, 3) unit, where +Z is along each point's normal -> the first triangle that each ray
        meets: (N, D) float32 metres, at most `far`, and (N, D) rows of triangles, -1 for none.

        any_hit: of any triangle in the way, not the first, which is faster.
        """
        from .ray_numba import escape

        found, leaf = np.empty((len(points), len(ways)), np.float32), np.empty((len(points), len(ways)), np.int32)
        frames = _frames(np.asarray(normals, np.float64)).astype(np.float32)
        points, ways = np.ascontiguousarray(points, np.float32), np.ascontiguousarray(ways, np.float32)

        def part(rows: slice) -> None:
            tree = self.boxes, self.leaves, self.corners
            escape(*tree, points[rows], frames[rows], ways, START, far, any_hit, found[rows], leaf[rows])

        starts = range(0, len(points), PART)
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # compiled code lets go of Python's lock
            list(threads.map(part, (slice(start, start + PART) for start in starts)))
        return found, np.where(leaf < 0, -1, self.order[leaf])


def hemisphere(count: int) -> np.ndarray:
    """(count, 3) unit vectors round +Z, spread as the cosine to it: each is an equal share of what a matt surface sees."""
    index = np.arange(count) + 0.5
    ring, angle = np.sqrt(index / count), index * (math.pi * (3 - math.sqrt(5)))
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), np.sqrt(1 - ring**2)], 1)


def _frames(normals: np.ndarray) -> np.ndarray:
    """(N, 3) unit -> (N, 3, 3), rows across, up and the normal."""
    helper = np.where(np.abs(normals[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    across = np.cross(helper, normals)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.ascontiguousarray(np.stack([across, np.cross(normals, across), normals], 1))


def _morton(points: np.ndarray) -> np.ndarray:
    """(N, 3) -> (N,) places on a curve that keeps neighbours together."""
    low, high = points.min(0), points.max(0)
    cell = ((points - low) / np.maximum(high - low, 1e-12) * 1023).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code
