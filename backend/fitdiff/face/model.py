"""The interface of every face model: coefficients in, vertices in metres out, differentiable and batched."""

from __future__ import annotations

from copy import deepcopy
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ..topology import LandmarkSet, Topology


class MorphableModel(torch.nn.Module):
    """vertices = mean + identity @ identity_basis + expression @ expression_basis, in metres, Y up, looking along +Z.

    Both bases are scaled by their standard deviations: a unit normal sample is a plausible person.
    A model without eyes ignores gaze.
    """

    name: str
    licence: str
    topology: Topology
    mean: Tensor  # (V, 3)
    identity_basis: Tensor  # (I, V, 3)
    expression_basis: Tensor  # (E, V, 3)
    arkit_names: tuple[str, ...]  # () where the model has none
    arkit_shapes: Tensor | None  # (52, V, 3) deltas at weight 1

    def __init__(
        self,
        name: str,
        licence: str,
        topology: Topology,
        mean: Tensor,
        identity_basis: Tensor,
        expression_basis: Tensor,
        arkit_names: tuple[str, ...] = (),
        arkit_shapes: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.name, self.licence, self.topology = name, licence, topology
        self.register_buffer("mean", mean)
        self.register_buffer("identity_basis", identity_basis)
        self.register_buffer("expression_basis", expression_basis)
        self.arkit_names = arkit_names
        self.register_buffer("arkit_shapes", arkit_shapes)
        self.header: dict[str, str] = {}  # origins, licences, sha256 from the file (face/storage.py)
        self.extras: dict[str, np.ndarray] = {}  # arrays that only a particular face has (eyeball centres, teeth, ...)

    @property
    def identity_count(self) -> int:
        return self.identity_basis.shape[0]

    @property
    def expression_count(self) -> int:
        return self.expression_basis.shape[0]

    def vertices(self, identity: Tensor, expression: Tensor | None = None, gaze: Tensor | None = None) -> Tensor:
        """identity (B, I), expression (B, E), gaze (B, 2, 2) radians [left, right] x [yaw, pitch] -> (B, V, 3) m."""
        # addmm writes each sum once: a third of the time of `mean + a @ b + c @ d` for a batch of 16.
        flat = torch.addmm(self.mean.reshape(1, -1), identity, self.identity_basis.flatten(1))
        if expression is not None:
            flat = torch.addmm(flat, expression, self.expression_basis.flatten(1))
        return flat.view(identity.shape[0], -1, 3)

    def shapes_on(self, identity: Tensor) -> Tensor | None:
        """identity (I,) -> (52, V, 3): the ARKit shapes fitted to this person, for sliders."""
        return self.arkit_shapes

    def landmarks(self, vertices: Tensor, which: str = "ibug68") -> Tensor:
        """(B, V, 3) -> (B, N, 3): the named landmark set on these vertices."""
        marks = self.topology.landmarks[which]
        corners = torch.as_tensor(self.topology.triangles[marks.triangle].astype(np.int64), device=vertices.device)
        weights = torch.as_tensor(marks.barycentric, dtype=vertices.dtype, device=vertices.device)
        return (vertices[:, corners] * weights[None, :, :, None]).sum(2)


__all__ = ["LandmarkSet", "MorphableModel", "Topology"]


_COPIES: WeakKeyDictionary[MorphableModel, dict[torch.device, MorphableModel]] = WeakKeyDictionary()


def model_on(model: MorphableModel, device: torch.device) -> MorphableModel:
    """The model itself if it is on this device, else a copy, made once; the original is left as it is."""
    if model.mean.device == device:
        return model
    copies = _COPIES.setdefault(model, {})
    if device not in copies:
        copies[device] = deepcopy(model).to(device)
    return copies[device]
