"""Which face each pixel sees: the fast rasterisers against a naive one, and the cases that break rasterisers."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest
import torch

from fitdiff.errors import FitDiffError
from fitdiff.render import Camera, Renderer
from fitdiff.render import visibility as module
from fitdiff.render.camera import Projected
from fitdiff.render.mesh import MeshTables
from fitdiff.render.visibility import choose, visible_faces

from . import scenes

BOTH = pytest.mark.parametrize("rasterizer", ["numba", "torch"])


def flat(corners: list[list[float]], nearness: list[float]) -> Projected:
    """Points given by pixel and nearness, as a projection of one picture."""
    near = torch.tensor([nearness])
    return Projected(torch.tensor([corners]), 1 / near, near, near)


def naive(projected: Projected, triangles: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Every pixel against every face, in plain Python."""
    face = np.full(size, -1)
    best = np.zeros(size, dtype=np.float32)
    screen, near = projected.screen[0].double().numpy(), projected.nearness[0].double().numpy()
    for number, (i, j, k) in enumerate(triangles.tolist()):
        (xi, yi), (xj, yj), (xk, yk) = screen[i], screen[j], screen[k]
        if min(near[i], near[j], near[k]) <= 0:
            continue
        for row in range(size[0]):
            for column in range(size[1]):
                x, y = column + 0.5, row + 0.5
                di = (xj - x) * (yk - y) - (xk - x) * (yj - y)
                dj = (xk - x) * (yi - y) - (xi - x) * (yk - y)
                dk = (xi - x) * (yj - y) - (xj - x) * (yi - y)
                area = di + dj + dk
                if area == 0 or min(di / area, dj / area, dk / area) < 0:
                    continue
                depth = np.float32((di * near[i] + dj * near[j] + dk * near[k]) / area)
                if depth > best[row, column]:
                    best[row, column], face[row, column] = depth, number
    return face


@BOTH
def test_against_the_naive_rasteriser(rasterizer: str) -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(60, 3, generator=generator) * torch.tensor([1.4, 1.4, 0.9]) - torch.tensor([0.7, 0.7, 0.0])
    triangles = torch.randint(0, 60, (50, 3), generator=generator)
    projected = Camera.facing((24, 32), 1.4, 40.0).project(points[None])
    expected = naive(projected, triangles, (24, 32))
    assert len(np.unique(expected)) > 10
    assert (visible_faces(projected, triangles, (24, 32), rasterizer)[0].numpy() == expected).all()


def test_both_rasterisers_agree_on_a_batch_to_the_last_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, topology = scenes.mask()
    triangles = MeshTables(topology).triangles
    points = torch.from_numpy(vertices).float()[None] * torch.tensor([1.0, 1.3, 0.7]).view(3, 1, 1)
    projected = scenes.camera(128).project(points)
    compiled = visible_faces(projected, triangles, (128, 128), "numba")
    assert (compiled >= 0).any(2).any(1).all()
    assert (compiled[0] != compiled[1]).any()
    assert torch.equal(compiled, visible_faces(projected, triangles, (128, 128), "torch"))
    monkeypatch.setattr(module, "CANDIDATES_AT_ONCE", 5000)  # the same in many small parts
    assert torch.equal(compiled, visible_faces(projected, triangles, (128, 128), "torch"))


@BOTH
def test_equal_nearness_goes_to_the_lowest_number_and_shared_edges_leave_no_gap(rasterizer: str) -> None:
    corners = [[0.0, 0.0], [16.0, 0.0], [16.0, 16.0], [0.0, 16.0]]
    projected = flat(corners, [1.0] * 4)
    twice = torch.tensor([[0, 1, 2], [0, 2, 3], [2, 1, 0], [0, 1, 2]])
    face = visible_faces(projected, twice, (16, 16), rasterizer)[0]
    assert set(face.unique().tolist()) == {0, 1}
    assert (face.diagonal() == 0).all()  # exactly on the edge that both have


@BOTH
def test_a_face_reaching_behind_the_camera_is_left_out_and_spoils_nothing(rasterizer: str) -> None:
    vertices, topology = scenes.mask(15, 15)
    lost = np.array([[0.05, 0.0, 5.0], [-0.05, 0.02, 5.0], [0.0, 0.05, 0.1]])  # two corners behind, one before
    count = len(vertices)
    extra = np.array([[count, count + 1, count + 2, -1]])
    widened = type(topology)(
        np.concatenate([topology.quads, extra]).astype(np.int32),
        topology.uv,
        np.concatenate([topology.uv_quads, [[0, 1, 2, -1]]]).astype(np.int32),
        np.append(topology.quad_region, 0).astype(np.uint8),
    )
    points = torch.from_numpy(np.concatenate([vertices, lost])).float()[None].requires_grad_()
    maps, camera, light = scenes.painted(16), scenes.camera(48), scenes.light()
    rendering = Renderer(widened, rasterizer)(points, maps, camera, light)
    alone = Renderer(topology, rasterizer)(points[:, :count], maps, camera, light)
    assert torch.equal(rendering.image, alone.image)
    rendering.image.sum().backward()
    assert points.grad is not None and bool(points.grad.isfinite().all())


@BOTH
def test_nothing_in_view_is_a_black_picture(rasterizer: str) -> None:
    vertices, topology = scenes.mask(9, 9)
    points = torch.from_numpy(vertices).float()[None] + torch.tensor([50.0, 0.0, 0.0])
    points.requires_grad_()
    rendering = Renderer(topology, rasterizer)(points, scenes.painted(8), scenes.camera(32), scenes.light())
    assert rendering.image.abs().max().item() == 0 == rendering.alpha.max().item()
    rendering.image.sum().backward()
    assert points.grad is not None and float(points.grad.abs().max()) == 0


@BOTH
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_broken_corners_are_left_out(rasterizer: str, bad: float) -> None:
    projected = flat([[2.0, 2.0], [12.0, 2.0], [2.0, 12.0], [bad, 5.0]], [1.0, 1.0, 1.0, bad])
    face = visible_faces(projected, torch.tensor([[0, 1, 3], [0, 1, 2]]), (16, 16), rasterizer)[0]
    assert set(face.unique().tolist()) == {-1, 1}


def test_the_choice_of_rasteriser(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.delenv(module.ENVIRONMENT, raising=False)
    assert choose(None, cpu) == "numba"
    assert choose(None, torch.device("cuda")) == "torch"
    assert choose(None, torch.device("mps")) == "numba"
    monkeypatch.setenv(module.ENVIRONMENT, "torch")
    assert choose(None, cpu) == "torch"
    assert choose("numba", cpu) == "numba"  # an argument outranks the environment
    for name, code in (("opengl", "unknown-rasterizer"), ("pytorch3d", "rasterizer-missing")):
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
        with pytest.raises(FitDiffError) as refusal:
            choose(name, cpu)
        assert refusal.value.code == code
        assert name in str(refusal.value)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: object())
    with pytest.warns(RuntimeWarning, match="many seconds"):
        assert choose("pytorch3d", cpu) == "pytorch3d"


class FakeMeshes:
    """What the adapter uses of pytorch3d.structures.Meshes."""

    def __init__(self, verts: list[torch.Tensor], faces: list[torch.Tensor]) -> None:
        self.verts, self.faces = verts, faces


def fake_rasterize_meshes(
    meshes: FakeMeshes, image_size: tuple[int, int], faces_per_pixel: int, perspective_correct: bool
) -> tuple[torch.Tensor]:
    """pytorch3d's conventions in plain Python: +X left, +Y up, the shorter side from -1 to 1, faces numbered through the
    whole batch, the smallest depth wins, a face is skipped only when all of it lies behind the camera."""
    assert faces_per_pixel == 1 and perspective_correct

    def centre(index: int, count: int, other: int) -> float:
        reach = 2.0 if count <= other else 2.0 * count / other
        return -reach / 2 + (reach * index + reach / 2) / count

    height, width = image_size
    answer = torch.full((len(meshes.verts), height, width, 1), -1)
    first = 0
    for image, (points, faces) in enumerate(zip(meshes.verts, meshes.faces, strict=True)):
        best = np.full((height, width), np.inf)
        for number, face in enumerate(faces.tolist()):
            (xi, yi, zi), (xj, yj, zj), (xk, yk, zk) = points[face].double().tolist()
            if max(zi, zj, zk) < 0:
                continue
            for row in range(height):
                for column in range(width):
                    x, y = centre(width - 1 - column, width, height), centre(height - 1 - row, height, width)
                    parts = np.array(
                        [
                            (xj - x) * (yk - y) - (xk - x) * (yj - y),
                            (xk - x) * (yi - y) - (xi - x) * (yk - y),
                            (xi - x) * (yj - y) - (xj - x) * (yi - y),
                        ]
                    )
                    if parts.sum() == 0 or (parts / parts.sum()).min() < 0:
                        continue
                    depth = 1 / (parts / parts.sum() / [zi, zj, zk]).sum()
                    if 0 <= depth < best[row, column]:
                        best[row, column], answer[image, row, column] = depth, first + number
        first += len(faces)
    return (answer,)


def test_the_pytorch3d_adapter_speaks_its_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pytorch3d cannot be installed, this stands for it; test_reference.py uses the real one where it imports."""
    for name, content in {
        "pytorch3d": {},
        "pytorch3d.structures": {"Meshes": FakeMeshes},
        "pytorch3d.renderer": {},
        "pytorch3d.renderer.mesh": {},
        "pytorch3d.renderer.mesh.rasterize_meshes": {"rasterize_meshes": fake_rasterize_meshes},
    }.items():
        stand_in = types.ModuleType(name)
        stand_in.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, stand_in)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: object())
    generator = torch.Generator().manual_seed(4)
    points = torch.rand(2, 30, 3, generator=generator) * torch.tensor([1.4, 1.4, 2.2]) - torch.tensor([0.7, 0.7, 0.4])
    triangles = torch.randint(0, 30, (25, 3), generator=generator)
    for size in ((16, 24), (24, 16)):
        projected = Camera.facing(size, 1.4, 60.0).project(points)  # some of them behind the camera
        assert (projected.nearness == 0).any()
        with pytest.warns(RuntimeWarning, match="many seconds"):
            theirs = visible_faces(projected, triangles, size, "pytorch3d")
        ours = visible_faces(projected, triangles, size, "numba")
        assert len(ours.unique()) > 8
        assert (ours != theirs).float().mean() < 0.01  # their float32 on the faces' edges
