"""A made-up head with made-up people: exact truth for whatever is solved from landmarks."""

from __future__ import annotations

import numpy as np
import torch

from fitdiff.face.model import MorphableModel
from fitdiff.perception.landmark_basis import FACE_OVAL
from fitdiff.topology import LandmarkSet, Topology

ROWS, COLUMNS = 33, 65


def head(identities: int = 40, expressions: int = 10) -> MorphableModel:
    """An ellipsoid with a nose, brows and a chin: a grid from the person's right ear to the left, crown to throat."""
    latitude = np.linspace(-1.2, 1.2, ROWS)[:, None]
    longitude = np.linspace(-2.2, 2.2, COLUMNS)[None]
    out = np.stack(
        [
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude) + 0 * longitude,
            np.cos(latitude) * np.cos(longitude),
        ],
        -1,
    ).reshape(-1, 3)
    points = out * (0.075, 0.115, 0.095)
    points[:, 2] += 0.025 * np.exp(-((out[:, 0] / 0.16) ** 2) - (out[:, 1] / 0.25) ** 2)
    points[:, 2] += 0.008 * np.exp(-((out[:, 0] / 0.5) ** 2) - ((out[:, 1] - 0.35) / 0.1) ** 2)
    points[:, 2] += 0.012 * np.exp(-((out[:, 0] / 0.3) ** 2) - ((out[:, 1] + 0.75) / 0.15) ** 2)
    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)
    uv = np.stack(np.broadcast_arrays((longitude + 2.2) / 4.5, (latitude + 1.2) / 2.5), -1).reshape(-1, 2)
    rng = np.random.default_rng(3)
    topology = Topology(
        quads=quads.astype(np.int32),
        uv=uv.astype(np.float32),
        uv_quads=quads.astype(np.int32),
        quad_region=np.zeros(len(quads), np.uint8),
        landmarks={
            "facemesh468": _landmarks(_places468(rng), quads),
            "ibug68": _landmarks(_places68(rng), quads),
        },
    )
    modes = _modes(out, points, identities + expressions, rng)
    return MorphableModel(
        "synthetic head",
        "CC0",
        topology,
        torch.tensor(points, dtype=torch.float32),
        torch.tensor(modes[:identities], dtype=torch.float32),
        torch.tensor(modes[identities:], dtype=torch.float32),
    )


def _modes(out: np.ndarray, points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, V, 3): smooth waves of falling size, the first about 3 mm; none of them moves or turns the whole head."""
    modes = np.zeros((count, len(out), 3))
    for i in range(count):
        wave = np.sin(out @ rng.normal(0, 1.5 + 0.08 * i, 3) + rng.uniform(0, 6.28))
        modes[i] = wave[:, None] * rng.normal(0, 1, 3) * 0.0022 / (1 + 0.15 * i)
    axes = np.eye(3)
    rigid = [np.broadcast_to(axis, points.shape).ravel() for axis in axes]
    rigid += [np.cross(axis, points).ravel() for axis in axes]
    plane, _ = np.linalg.qr(np.stack(rigid, -1))
    flat = modes.reshape(count, -1)
    return (flat - flat @ plane @ plane.T).reshape(modes.shape)


def _places468(rng: np.random.Generator) -> np.ndarray:
    """(468, 2) longitude and latitude."""
    places = np.stack([rng.uniform(-1.15, 1.15, 468), rng.uniform(-0.85, 0.75, 468)], -1)
    turn = np.linspace(0, 2 * np.pi, len(FACE_OVAL), endpoint=False)
    places[list(FACE_OVAL)] = np.stack([1.35 * np.sin(turn), -0.05 + 0.9 * np.cos(turn)], -1)
    places[33], places[263] = (-0.75, 0.25), (0.75, 0.25)
    return places


def _places68(rng: np.random.Generator) -> np.ndarray:
    places = np.stack([rng.uniform(-0.8, 0.8, 68), rng.uniform(-0.7, 0.5, 68)], -1)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 17)
    places[:17] = np.stack([1.35 * np.sin(turn), -0.05 - 0.9 * np.cos(turn)], -1)
    places[36], places[45] = (-0.75, 0.25), (0.75, 0.25)
    return places


def _landmarks(places: np.ndarray, quads: np.ndarray) -> LandmarkSet:
    """Points inside the first triangle of a grid cell."""
    column = (places[:, 0] + 2.2) / 4.4 * (COLUMNS - 1)
    row = (places[:, 1] + 1.2) / 2.4 * (ROWS - 1)
    cell = row.astype(int) * (COLUMNS - 1) + column.astype(int)
    along, up = column % 1, row % 1
    upper = up > along
    # Triangles: every quad's (0, 1, 2) first, then every quad's (0, 2, 3).
    triangle = cell + np.where(upper, len(quads), 0)
    lower_weights = np.stack([1 - along, along - up, up], -1)
    upper_weights = np.stack([1 - up, along, up - along], -1)
    return LandmarkSet(triangle, np.where(upper[:, None], upper_weights, lower_weights))
