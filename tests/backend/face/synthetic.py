"""A small made-up face with everything that a MorphableModel can carry: a bulging grid with quads and triangles."""

from __future__ import annotations

import numpy as np
import torch

from fitdiff.face.arkit import ARKIT_NAMES
from fitdiff.face.model import MorphableModel
from fitdiff.topology import LandmarkSet, Topology


def synthetic_model(
    side: int = 14, identity: int = 6, expression: int = 25, seed: int = 0, dtype: torch.dtype = torch.float32
) -> MorphableModel:
    """A side x side patch, 0.2 m wide. Its 52 units are local bumps; its expressions are a PCA of their mixtures."""
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-0.1, 0.1, side), np.linspace(-0.12, 0.12, side), indexing="xy")
    mean = np.stack([x, y, 0.05 - 3.0 * (x**2 + y**2)], axis=-1).reshape(-1, 3)
    count = len(mean)

    corner = np.arange(count).reshape(side, side)
    quads = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], axis=-1).reshape(-1, 4)
    split = quads[-1]
    quads = np.concatenate([quads[:-1], [[*split[:3], -1], [split[0], split[2], split[3], -1]]]).astype(np.int32)
    uv = (mean[:, :2] / 0.3 + 0.5).astype(np.float32)
    marks = LandmarkSet(random.integers(0, len(quads), 68), random.dirichlet(np.ones(3), 68).astype(np.float32))
    topology = Topology(
        quads,
        uv,
        quads.copy(),
        np.zeros(len(quads), np.uint8),
        {"ibug68": marks},
        corner[:, ::-1].reshape(-1).astype(np.int32),
        {"skin": np.ones(count, np.float32), "brow": (mean[:, 1] > 0.06).astype(np.float32)},
    )

    centres = mean[random.integers(0, count, len(ARKIT_NAMES))]
    near = np.exp(-((mean[None] - centres[:, None]) ** 2).sum(-1) / (2 * 0.02**2))
    near[near < 0.05] = 0.0
    arkit = near[:, :, None] * random.normal(0.0, 0.006, (len(ARKIT_NAMES), 1, 3))
    basis = np.linalg.svd(arkit.reshape(len(arkit), -1), full_matrices=False)
    expressions = (0.3 * basis[1][:expression, None] * basis[2][:expression]).reshape(expression, count, 3)
    modes = random.normal(0.0, 0.002, (identity, count, 3))

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(dtype)

    return MorphableModel(
        "synthetic", "CC0-1.0", topology, tensor(mean), tensor(modes), tensor(expressions), ARKIT_NAMES, tensor(arkit)
    )
