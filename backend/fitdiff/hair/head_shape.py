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

Array = NDArray[np.float64]

SIZE = 256  # texels a side of the skin's tile at which the head is sampled
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
        normal = _unit((self.normal[near] * weight[..., None]).sum(1))
        signed = (((points[:, None] - self.place[near]) * self.normal[near]).sum(-1) * weight).sum(1)
        far = distance[:, 0]
        skin = np.where(np.abs(signed) < 0.5 * far, np.sign(signed) * far, signed)
        middle, radii = np.array(SHOULDERS[0]), np.array(SHOULDERS[1])
        scaled = (points - middle) / radii
        length = np.linalg.norm(scaled, axis=1)
        body = (length - 1) * radii.min()
        nearer = body < skin
        return np.where(nearer, body, skin), np.where(nearer[:, None], _unit(scaled / radii), normal)

    @cached_property
    def towards(self) -> Array:
        """(3,) unit, from the head's middle to the camera."""
        position = self.camera.position[0].double().numpy()
        return np.asarray(_unit(position - self.place.mean(0)))

    @cached_property
    def axes(self) -> Array:
        """(3, 3) rows: the picture's right, its up, and the way to the camera, in head space."""
        return self.camera.rotation[0].double().numpy()


def head_shape(model: MorphableModel, posed: Tensor, neutral: Tensor, camera: Camera) -> HeadShape:
    """posed, neutral (V, 3) metres: the head as it lies in the photo, and at rest."""
    atlas, grown = Atlas(model.topology, SIZE), growth(model, SIZE)
    posed, neutral = posed.detach().cpu(), neutral.detach().cpu()
    normals = vertex_normals(posed[None], MeshTables(model.topology))[0]
    rows, columns = (index.numpy() for index in torch.nonzero(atlas.covered, as_tuple=True))
    uv = np.stack([(columns + 0.5) / SIZE, 1 - (rows + 0.5) / SIZE], 1)
    corners = model.topology.triangles[atlas.triangle.numpy()]
    uv_corners = model.topology.uv[model.topology.uv_triangles[atlas.triangle.numpy()]].astype(float)
    normal = _unit(atlas.gather(normals).double().numpy())
    way = _on_surface(posed.double().numpy()[corners], uv_corners, normal, grown.direction[rows, columns])
    return HeadShape(
        place=atlas.gather(posed).double().numpy(),
        normal=normal,
        neutral=atlas.gather(neutral).double().numpy(),
        uv=uv,
        inside=grown.inside[rows, columns].astype(float),
        recedes=grown.recedes[rows, columns].astype(float),
        way=way,
        camera=camera.to("cpu"),
    )


def _on_surface(corners: Array, uv: Array, normal: Array, direction: Array) -> Array:
    """(M, 3, 3) triangles, (M, 3, 2) their texture coordinates, (M, 2) along tangent and bitangent -> (M, 3) unit."""
    a, b, c = corners.transpose(1, 0, 2)
    (u1, v1), (u2, v2) = (uv[:, 1] - uv[:, 0]).T, (uv[:, 2] - uv[:, 0]).T
    facing = np.sign(u1 * v2 - u2 * v1)[:, None]
    tangent = ((b - a) * v2[:, None] - (c - a) * v1[:, None]) * facing
    tangent = _unit(tangent - (tangent * normal).sum(1, keepdims=True) * normal)
    return _unit(tangent * direction[:, :1] + np.cross(normal, tangent) * facing * direction[:, 1:])


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12))
