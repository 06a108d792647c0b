"""The head under the hair, as it lies in the photo: its skin, where hair is rooted, and how far a point is from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ..face.hairline import growth
from ..face.model import MorphableModel
from ..render.atlas import Atlas
from ..render.camera import Camera
from ..render.geometry import vertex_normals
from ..render.mesh import MeshTables
from ..topology import REGIONS, Topology
from .vectors import unit

Array = NDArray[np.float64]

SIZE = 192  # texels a side of the skin's tile at which the head is sampled
SHOULDERS = (0.0, -0.315, -0.035), (0.215, 0.125, 0.095)  # metres: middle and radii of a body that no mesh shows
NEAREST = 4  # samples that say together how far a point is from the skin


@dataclass(frozen=True, eq=False)
class HeadShape:
    """The skin as M samples. Metres, head space: Y up, the face looks along +Z.

    place, normal  (M, 3) as the head lies in the photo
    neutral        (M, 3) the same places at rest
    uv             (M, 2) texture coordinates
    inside         (M,) metres inside the usual hairline, negative outside
    recedes        (M,) 0 to 1: how far a receding hairline concerns a place
    way            (M, 3) unit, the way in which hair usually lies there, along the skin
    camera         the photo's
    """

    place: Array
    normal: Array
    neutral: Array
    uv: Array
    inside: Array
    recedes: Array
    way: Array
    camera: Camera

    @cached_property
    def tree(self) -> cKDTree:
        return cKDTree(self.place)

    def project(self, points: Array) -> tuple[Array, Array]:
        """(..., 3) -> (..., 2) photo pixels, (...) metres from the camera."""
        flat = torch.from_numpy(np.ascontiguousarray(points.reshape(-1, 3))).to(self.camera.rotation)
        found = self.camera.project(flat[None])
        shape = points.shape[:-1]
        return found.screen[0].double().numpy().reshape(*shape, 2), found.depth[0].double().numpy().reshape(shape)

    def away(self, points: Array) -> tuple[Array, Array]:
        """(N, 3) -> metres from skin or shoulders (N,), negative within, and the unit way out (N, 3)."""
        distance, near = self.tree.query(points, k=NEAREST)
        weight = 1 / (distance + 1e-4) ** 2
        weight /= weight.sum(1, keepdims=True)
        normal = unit((self.normal[near] * weight[..., None]).sum(1))
        signed = (((points[:, None] - self.place[near]) * self.normal[near]).sum(-1) * weight).sum(1)
        far = distance[:, 0]
        skin = np.where(np.abs(signed) < 0.5 * far, np.sign(signed) * far, signed)
        middle, radii = np.array(SHOULDERS[0]), np.array(SHOULDERS[1])
        scaled = (points - middle) / radii
        length = np.linalg.norm(scaled, axis=1)
        body = (length - 1) * radii.min()
        nearer = body < skin
        return np.where(nearer, body, skin), np.where(nearer[:, None], unit(scaled / radii), normal)

    @cached_property
    def towards(self) -> Array:
        """(3,) unit, from the head's middle to the camera."""
        position = self.camera.position[0].double().numpy()
        return np.asarray(unit(position - self.place.mean(0)))

    @cached_property
    def axes(self) -> Array:
        """(3, 3) rows: the picture's right, its up, and the way to the camera, in head space."""
        return self.camera.rotation[0].double().numpy()


def head_shape(model: MorphableModel, posed: Tensor, neutral: Tensor, camera: Camera) -> HeadShape:
    """posed, neutral (V, 3) metres: the head as it lies in the photo, and at rest."""
    posed, neutral = posed.detach().cpu(), neutral.detach().cpu()
    triangle, weights = _samples(model.topology)
    corners, uv_corners = model.topology.triangles[triangle], model.topology.uv[model.topology.uv_triangles[triangle]]
    grown = growth(model, SIZE)
    uv = _mixed(uv_corners, weights)
    column, row = (np.stack([uv[:, 0], 1 - uv[:, 1]]) * SIZE).astype(int).clip(0, SIZE - 1)
    normals = vertex_normals(posed[None], MeshTables(model.topology))[0].double().numpy()
    normal = unit(_mixed(normals[corners], weights))
    around = posed.double().numpy()[corners]
    return HeadShape(
        place=_mixed(around, weights),
        normal=normal,
        neutral=_mixed(neutral.double().numpy()[corners], weights),
        uv=uv.clip(0, 1),
        inside=grown.inside[row, column].astype(float),
        recedes=grown.recedes[row, column].astype(float),
        way=_on_surface(around, uv_corners.astype(float), normal, grown.direction[row, column]),
        camera=camera.to("cpu"),
    )


def _samples(topology: Topology) -> tuple[NDArray[np.intp], Array]:
    """(M,) triangles and (M, 3) weights: every texel of the skin's tile, and places along the triangles' edges, which lie
    nearer to the tile's seams than texels do."""
    atlas = Atlas(topology, SIZE)
    skin = np.flatnonzero(topology.triangle_region == REGIONS.index("skin"))
    edges = np.array([[0.49, 0.49, 0.02], [0.49, 0.02, 0.49], [0.02, 0.49, 0.49]])
    triangle = np.concatenate([atlas.triangle.numpy(), np.repeat(skin, len(edges))])
    return triangle, np.concatenate([atlas.weights.double().numpy(), np.tile(edges, (len(skin), 1))])


def _mixed(corners: Array, weights: Array) -> Array:
    """(M, 3, C), (M, 3) -> (M, C)."""
    return np.asarray((corners * weights[..., None]).sum(1), float)


def _on_surface(corners: Array, uv: Array, normal: Array, direction: Array) -> Array:
    """(M, 3, 3) triangles, (M, 3, 2) their texture coordinates, (M, 2) along tangent and bitangent -> (M, 3) unit."""
    a, b, c = corners.transpose(1, 0, 2)
    (u1, v1), (u2, v2) = (uv[:, 1] - uv[:, 0]).T, (uv[:, 2] - uv[:, 0]).T
    facing = np.sign(u1 * v2 - u2 * v1)[:, None]
    tangent = ((b - a) * v2[:, None] - (c - a) * v1[:, None]) * facing
    tangent = unit(tangent - (tangent * normal).sum(1, keepdims=True) * normal)
    return unit(tangent * direction[:, :1] + np.cross(normal, tangent) * facing * direction[:, 1:])
