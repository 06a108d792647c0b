"""Smooth normals and tangents from vertex positions, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .mesh import MeshTables


def vertex_normals(vertices: Tensor, mesh: MeshTables) -> Tensor:
    """(B, V, 3) -> (B, V, 3) unit normals: the triangles around a vertex weighted by their areas, as in pytorch3d."""
    first, second, third = _corners(vertices, mesh).unbind(2)
    across = torch.linalg.cross(second - first, third - first, dim=-1)
    return normalize(mesh.corners.scatter(across[:, :, None].expand(-1, -1, 3, -1).flatten(1, 2)), dim=-1)


def point_tangents(vertices: Tensor, normals: Tensor, mesh: MeshTables) -> Tensor:
    """vertices and their normals (B, V, 3) -> (B, K, 3): unit tangents along growing u, one per point of the mesh.

    As MikkTSpace does it: a triangle's tangent is laid into the plane of the vertex normal, made unit, weighted by the
    corner's angle in that plane, and summed over the triangles that share vertex, UV and orientation. The bitangent is
    handedness * cross(normal, tangent), and neither is made unit again after interpolation.
    """
    corners = _corners(vertices, mesh)
    normal = mesh.corners.gather(normals).view_as(corners)
    ahead = corners.roll(-1, 2) - corners
    behind = corners.roll(1, 2) - corners
    flat = mesh.tangent_weights[:, :1] * ahead[:, :, 0] + mesh.tangent_weights[:, 1:] * behind[:, :, 0]
    tangent = normalize(_flatten(flat[:, :, None].expand_as(corners), normal), dim=-1, eps=1e-20)
    ahead, behind = (normalize(_flatten(edge, normal), dim=-1, eps=1e-20) for edge in (ahead, behind))
    sine = torch.linalg.vector_norm(torch.linalg.cross(ahead, behind, dim=-1), dim=-1, keepdim=True)
    cosine = (ahead * behind).sum(-1, keepdim=True)
    angle = torch.atan2(sine, cosine + 1e-12)
    return normalize(mesh.point_corners.scatter((tangent * angle).flatten(1, 2)), dim=-1)


def _corners(vertices: Tensor, mesh: MeshTables) -> Tensor:
    """(B, V, 3) -> (B, T, 3 corners, 3)."""
    return mesh.corners.gather(vertices).view(len(vertices), -1, 3, 3)


def _flatten(vector: Tensor, normal: Tensor) -> Tensor:
    """The part of vector that lies in the plane of the normal."""
    return vector - normal * (vector * normal).sum(-1, keepdim=True)
