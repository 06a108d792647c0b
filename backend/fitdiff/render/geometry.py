"""Smooth normals and tangents from vertex positions, differentiable.

Internally x, y, z are the first axis: sums over a last axis of three are several times slower on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .arithmetic import unit
from .mesh import MeshTables


def vertex_normals(vertices: Tensor, mesh: MeshTables) -> Tensor:
    """(B, V, 3) -> (B, V, 3) unit normals: the triangles around a vertex weighted by their areas, as in pytorch3d."""
    first, second, third = _corners(vertices, mesh).unbind(-1)  # (3, B, T) each
    across = torch.linalg.cross(second - first, third - first, dim=0)
    return normalize(mesh.corners.scatter(_rows(across[..., None].expand(-1, -1, -1, 3))), dim=-1)


def point_tangents(vertices: Tensor, normals: Tensor, mesh: MeshTables) -> Tensor:
    """vertices and their normals (B, V, 3) -> (B, K, 3): unit tangents along growing u, one per point of the mesh.

    As MikkTSpace does it: a triangle's tangent is laid into the plane of the vertex normal, made unit, weighted by the
    corner's angle in that plane, and summed over the triangles that share vertex, UV and orientation. The bitangent is
    handedness * cross(normal, tangent), and neither is made unit again after interpolation.
    """
    corners, normal = _corners(vertices, mesh), _corners(normals, mesh)
    ahead, behind = corners.roll(-1, -1) - corners, corners.roll(1, -1) - corners
    along, across = mesh.tangent_weights.unbind(1)
    flat = along * ahead[..., 0] + across * behind[..., 0]
    tangent = unit(_laid(flat[..., None], normal), 0)
    ahead, behind = unit(_laid(ahead, normal), 0), unit(_laid(behind, normal), 0)
    sine = (torch.linalg.cross(ahead, behind, dim=0) * normal).sum(0).abs()
    angle = torch.atan2(sine, (ahead * behind).sum(0) + 1e-12)
    return normalize(mesh.point_corners.scatter(_rows(tangent * angle)), dim=-1)


def _corners(vertices: Tensor, mesh: MeshTables) -> Tensor:
    """(B, V, 3) -> (3, B, T, 3 corners)."""
    return mesh.corners.gather(vertices).view(len(vertices), -1, 3, 3).permute(3, 0, 1, 2).contiguous()


def _rows(corners: Tensor) -> Tensor:
    """(3, B, T, 3 corners) -> (B, 3 T, 3)."""
    return corners.permute(1, 2, 3, 0).flatten(1, 2)


def _laid(vector: Tensor, normal: Tensor) -> Tensor:
    """vector (3, ...) projected into the plane of the normal."""
    return vector - normal * (vector * normal).sum(0)
