"""A morphable model reduced to its landmarks: a few hundred points instead of thousands of vertices."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from ..face.model import MorphableModel

FACE_OVAL: tuple[int, ...] = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288),  # forehead, left temple and cheek
    *(397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136),  # chin
    *(172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),  # right cheek and temple
)
"""FaceMesh's outline, from the top of the forehead towards the person's left ear and round."""

OUTLINE_WEIGHT = 0.25
"""Weight of points that slide along the outline when the head turns, and of the forehead's, which hair hides."""

EYE_CORNERS = {"ibug68": (36, 45), "facemesh468": (33, 263)}


@dataclass(frozen=True)
class LandmarkBasis:
    """N landmarks of one or more sets after each other, K = identity and expression modes; metres, float64."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    mean: NDArray[np.float64]  # (N, 3)
    modes: NDArray[np.float64]  # (N, 3, K)
    normal: NDArray[np.float64]  # (N, 3) of the mean face, unit, outward
    weight: NDArray[np.float64]  # (N,) how well defined a landmark's place on the skin is
    identity_count: int
    eye_corners: tuple[int, int]  # rows of the outer corners, left and right

    @property
    def interocular(self) -> float:
        """Metres between the outer eye corners of the mean face."""
        left, right = self.eye_corners
        return float(np.linalg.norm(self.mean[left] - self.mean[right]))

    def split(self, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """(N, ...) -> set name -> its rows."""
        return dict(zip(self.names, np.split(values, np.cumsum(self.counts)[:-1]), strict=True))


_cache: WeakKeyDictionary[MorphableModel, dict[tuple[str, ...], LandmarkBasis]] = WeakKeyDictionary()


def landmark_basis(model: MorphableModel, names: tuple[str, ...]) -> LandmarkBasis:
    """Built once per model and choice of sets, kept as long as the model lives."""
    known = _cache.setdefault(model, {})
    if names not in known:
        known[names] = _build(model, names)
    return known[names]


def _build(model: MorphableModel, names: tuple[str, ...]) -> LandmarkBasis:
    if not names:
        raise ValueError(f"{model.name} has none of the landmark sets asked for")
    topology = model.topology
    sets = [topology.landmarks[name] for name in names]
    triangle = np.concatenate([s.triangle for s in sets])
    barycentric = np.concatenate([s.barycentric for s in sets]).astype(np.float64)
    corners = topology.triangles[triangle]
    vertices = model.mean.detach().cpu().double().numpy()

    def at_landmarks(field: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.einsum("...ncx,nc->...nx", field[..., corners, :], barycentric)

    modes = [
        at_landmarks(basis.detach().cpu().double().numpy()) for basis in (model.identity_basis, model.expression_basis)
    ]
    triangles = vertices[corners]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    mean = at_landmarks(vertices)
    return LandmarkBasis(
        names=names,
        counts=tuple(len(s.triangle) for s in sets),
        mean=mean,
        modes=np.ascontiguousarray(np.concatenate(modes).transpose(1, 2, 0)),
        normal=normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15),
        weight=np.concatenate([_weights(name, len(s.triangle)) for name, s in zip(names, sets, strict=True)]),
        identity_count=model.identity_count,
        eye_corners=_eye_corners(names, [len(s.triangle) for s in sets]),
    )


def vertex_basis(model: MorphableModel, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices (N,) of the model -> their mean (N, 3) and modes (N, 3, K), metres."""
    chosen = torch.from_numpy(np.ascontiguousarray(rows))
    mean = model.mean[chosen].detach().cpu().double().numpy()
    modes = torch.cat([model.identity_basis[:, chosen], model.expression_basis[:, chosen]]).detach().cpu().double()
    return mean, np.ascontiguousarray(modes.numpy().transpose(1, 2, 0))


def _weights(name: str, count: int) -> NDArray[np.float64]:
    weight = np.ones(count)
    if name == "facemesh468":
        weight[list(FACE_OVAL)] = OUTLINE_WEIGHT
    elif name == "ibug68":
        weight[:17] = OUTLINE_WEIGHT
    return weight


def _eye_corners(names: tuple[str, ...], counts: list[int]) -> tuple[int, int]:
    start = 0
    for name, count in zip(names, counts, strict=True):
        if name in EYE_CORNERS:
            right, left = EYE_CORNERS[name]
            return start + left, start + right
        start += count
    raise ValueError(f"no eye corners known in {names}")
