"""Normals and tangents against plain loops, and the index tables that make them fast."""

from __future__ import annotations

import numpy as np
import torch

from fitdiff.render import Camera
from fitdiff.render.geometry import point_tangents, vertex_normals
from fitdiff.render.mesh import IncidenceTable, MeshTables

from . import scenes


def test_gather_and_scatter_are_index_select_and_index_add() -> None:
    generator = torch.Generator().manual_seed(0)
    reads = torch.randint(0, 40, (200,), generator=generator)
    reads[reads == 7] = 8  # a row that nobody reads, and one that many do
    reads[:30] = 8
    table = IncidenceTable(reads.numpy(), 40)
    assert table.crowded.tolist() == [8]
    rows = torch.randn(2, 40, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    corners = torch.randn(2, 200, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.equal(table.gather(rows), rows.index_select(1, reads))
    added = torch.zeros(2, 40, 3, dtype=torch.float64).index_add(1, reads, corners)
    assert torch.allclose(table.scatter(corners), added, atol=1e-14)
    assert torch.autograd.gradcheck(table.gather, rows)
    assert torch.autograd.gradcheck(table.scatter, corners)


def test_vertex_normals_are_area_weighted() -> None:
    vertices, topology = scenes.mask(13, 17)
    expected = np.zeros_like(vertices)
    for a, b, c in topology.triangles:
        across = np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])
        for corner in (a, b, c):
            expected[corner] += across
    length = np.linalg.norm(expected, axis=1, keepdims=True)
    expected = np.divide(expected, length, out=np.zeros_like(expected), where=length > 0)
    mesh = MeshTables(topology, len(vertices))
    assert np.allclose(vertex_normals(torch.from_numpy(vertices)[None], mesh)[0].numpy(), expected, atol=1e-12)
    towards_viewer = expected[: 13 * 17].reshape(13, 17, 3)[6, 8]
    assert towards_viewer[2] > 0.9  # triangles run counter-clockwise seen from outside


def test_tangents_follow_mikktspace() -> None:
    """MikkTSpace's rules one corner at a time: laid into the normal's plane, made unit, weighted by angle, grouped by
    vertex, texture coordinate and orientation."""
    vertices, topology = scenes.mask(9, 11)
    mesh = MeshTables(topology, len(vertices)).double()
    points = torch.from_numpy(vertices)[None]
    normals = vertex_normals(points, mesh)
    ours = point_tangents(points, normals, mesh)[0].numpy()
    normal = normals[0].numpy()

    def unit(x: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(x)
        return x / length if length else x

    total: dict[tuple[int, int, bool], np.ndarray] = {}
    for triangle, corner_uv in zip(topology.triangles, topology.uv_triangles, strict=True):
        place, uv = vertices[triangle], topology.uv[corner_uv].astype(np.float64)
        (u1, v1), (u2, v2) = uv[1] - uv[0], uv[2] - uv[0]
        area = u1 * v2 - u2 * v1
        along = np.sign(area) * (v2 * (place[1] - place[0]) - v1 * (place[2] - place[0]))
        for c in range(3):
            n = normal[triangle[c]]
            sides = [unit(s - n * (s @ n)) for s in (place[(c + 1) % 3] - place[c], place[(c + 2) % 3] - place[c])]
            angle = np.arccos(np.clip(sides[0] @ sides[1], -1, 1))
            key = (int(triangle[c]), int(corner_uv[c]), bool(area < 0))
            total[key] = total.get(key, 0) + angle * unit(along - n * (along @ n))
    assert len(total) == len(ours)
    assert len(total) > len(vertices)  # the seam made some vertices two points
    for triangle, corner_uv, point in zip(topology.triangles, topology.uv_triangles, mesh.points.tolist(), strict=True):
        uv = topology.uv[corner_uv].astype(np.float64)
        mirrored = bool(np.linalg.det(np.stack([uv[1] - uv[0], uv[2] - uv[0]])) < 0)
        for c in range(3):
            key = (int(triangle[c]), int(corner_uv[c]), mirrored)
            assert np.allclose(ours[point[c]], unit(total[key]), atol=1e-7)


def test_tangents_run_along_growing_u_on_both_sides_of_a_mirror_seam() -> None:
    vertices, topology = scenes.mask(9, 11, eye=False)
    mesh = MeshTables(topology)
    points = torch.from_numpy(vertices).float()[None]
    tangents = point_tangents(points, vertex_normals(points, mesh), mesh)[0][mesh.points]  # (T, 3, 3)
    middle = points[0, mesh.triangles].mean(1)
    right = middle[:, 0] > 0.01
    left = middle[:, 0] < -0.01
    assert (tangents[left][..., 0] > 0).all()
    assert (tangents[right][..., 0] < 0).all()
    assert (mesh.handedness[right] == -1).all() and (mesh.handedness[left] == 1).all()


def test_edges_know_the_faces_on_both_sides() -> None:
    _, topology = scenes.mask(5, 6, eye=False)
    mesh = MeshTables(topology)
    border = mesh.edge_apexes[:, 0] == mesh.edge_apexes[:, 1]
    assert int(border.sum()) == 2 * (4 + 5)
    assert len(mesh.edges) == 4 * 6 + 5 * 5 + 4 * 5  # across, along, diagonal
    faces = {frozenset(face) for face in mesh.triangles.tolist()}
    for (start, end), apexes in zip(mesh.edges.tolist(), mesh.edge_apexes.tolist(), strict=True):
        assert all({start, end, apex} in faces for apex in apexes)


def test_camera_follows_the_projects_convention() -> None:
    camera = Camera.facing((100, 200), 2.0, 30.0, dtype=torch.float64)
    assert torch.allclose(camera.position, torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64))
    screen, depth, _, _ = camera.project(torch.tensor([[[0.1, 0.2, 0.0], [0.0, 0.0, 1.0]]], dtype=torch.float64))
    focal = 50 / np.tan(np.radians(15))
    assert torch.allclose(screen[0, 0], torch.tensor([100 + focal * 0.05, 50 - focal * 0.1], dtype=torch.float64))
    assert depth[0].tolist() == [2.0, 1.0]
    turned = Camera.facing((100, 200), 2.0, 30.0, yaw=90.0, dtype=torch.float64)
    assert torch.allclose(turned.position, torch.tensor([[2.0, 0.0, 0.0]], dtype=torch.float64), atol=1e-7)
    raised = Camera.facing((100, 200), 2.0, 30.0, pitch=90.0, dtype=torch.float64)
    assert torch.allclose(raised.position, torch.tensor([[0.0, 2.0, 0.0]], dtype=torch.float64), atol=1e-7)


def test_weak_perspective_is_the_pinholes_limit() -> None:
    points = torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    near = [
        Camera.facing((100, 100), 1000.0, 0.02, 30.0, 10.0, projection=kind, dtype=torch.float64).project(points).screen
        for kind in ("pinhole", "weak")
    ]
    assert float((near[0] - near[1]).abs().max()) < 0.05
    assert float((near[0] - 50).abs().max()) > 20
