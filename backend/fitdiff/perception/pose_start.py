"""Where a pose solver starts: a camera in closed form, and common views to try where that fails."""

from __future__ import annotations

import math

import numpy as np

from .pose_fit import Array, euler_degrees


def affine_start(points: Array, seen: Array, weight: Array, rounds: int = 12) -> tuple[Array, float, Array]:
    """Scaled orthographic camera in closed form: (N, 3) metres, (N, 2) pixels, (N,) -> rotation, pixels a metre, (2,)
    pixel of the world's origin. Least absolute deviations by reweighting: a fifth of wrong points is harmless."""
    system = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    upright = seen * (1, -1)
    trust = weight.copy()
    ridge = 1e-9 * np.eye(4)
    for _ in range(rounds):
        weighted = system * trust[:, None]
        affine = np.linalg.solve(weighted.T @ system + ridge, weighted.T @ upright).T  # (2, 4)
        error = np.linalg.norm(upright - system @ affine.T, axis=1)
        floor = 0.05 * np.median(error[weight > 0]) + 1e-9
        trust = weight / np.maximum(error, floor)
    u, stretch, vt = np.linalg.svd(affine[:, :3], full_matrices=False)
    top = u @ vt
    rotation = np.concatenate([top, np.cross(top[0], top[1])[None]])
    return rotation, float(stretch.mean()), affine[:, 3] * (1, -1)


def rotation_of(vector: Array) -> Array:
    """Axis times angle, radians (3,) -> (3, 3), by Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def seen_from(yaw: float, like: Array) -> Array:
    """The rotation of a head seen from this yaw, degrees, with the roll of another rotation: the line between the eyes is
    usually right."""
    _, _, roll = euler_degrees(like)
    turn, tilt = math.radians(yaw), math.radians(roll)
    about_y = np.array([[math.cos(turn), 0, -math.sin(turn)], [0, 1, 0], [math.sin(turn), 0, math.cos(turn)]])
    about_z = np.array([[math.cos(tilt), -math.sin(tilt), 0], [math.sin(tilt), math.cos(tilt), 0], [0, 0, 1]])
    return about_z @ about_y
