"""Held against pytorch3d 0.7.9: what it saw, what it painted, and the gradients it sent back to the vertices."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from fitdiff.render import Camera, geometry
from fitdiff.render.interpolate import Fragments, fragments, interpolate, picture
from fitdiff.render.mesh import MeshTables
from fitdiff.render.visibility import RASTERIZERS, visible_faces
from fitdiff.topology import Topology

REFERENCE = np.load(Path(__file__).with_name("pytorch3d_0_7_9.npz"))
SCENES = ("bumpy_sphere", "triangle_soup")


class Scene:
    """One scene of the file, its camera turned from pytorch3d's axes (X left, Z into the view) to ours."""

    def __init__(self, name: str, dtype: torch.dtype = torch.float32) -> None:
        self.data = {key.split("/")[1]: REFERENCE[key] for key in REFERENCE.files if key.startswith(name)}
        turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
        self.size = (int(self.data["size"][0]), int(self.data["size"][1]))
        self.camera = Camera(
            (turn @ self.tensor("R").T)[None],
            (turn @ self.tensor("T"))[None],
            self.tensor("focal")[None],
            self.tensor("principal")[None],
            self.size,
        ).to(dtype)
        self.vertices = self.tensor("vertices")[None].to(dtype)
        faces = self.data["faces"]
        quads = np.concatenate([faces, np.full((len(faces), 1), -1)], 1).astype(np.int32)
        flat = Topology(quads, np.zeros((1, 2), np.float32), np.minimum(quads, 0), np.zeros(len(faces), np.uint8))
        self.mesh = MeshTables(flat, vertex_count=self.vertices.shape[1])

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(np.array(self.data[key]))

    def phong(self, vertices: torch.Tensor, fragment: Fragments) -> torch.Tensor:
        """pytorch3d's phong_shading with the reference's light, as a picture (H, W, 3)."""
        normals = geometry.vertex_normals(vertices, self.mesh)
        colours = self.tensor("colors")[None].to(vertices)
        table = torch.cat([vertices, normals, colours], -1)
        position, normal, colour = interpolate(fragment, table, self.mesh.triangles).split(3, -1)
        normal = normalize(normal, dim=-1)
        towards = normalize(vertices.new_tensor([0.4, 0.7, 0.9]), dim=0)
        cosine = (normal * towards).sum(-1, keepdim=True)
        mirrored = 2 * cosine * normal - towards
        view = normalize(self.camera.position - position, dim=-1)
        lobe = (view * mirrored).sum(-1, keepdim=True).clamp(min=0) * (cosine > 0)
        ambient, diffuse = vertices.new_tensor([0.3, 0.25, 0.2]), vertices.new_tensor([0.6, 0.65, 0.7])
        shaded = (ambient + diffuse * cosine.clamp(min=0)) * colour + 0.4 * lobe**24
        return picture(shaded, fragment.pixel, (1, *self.size))[0].permute(1, 2, 0)


@pytest.mark.parametrize("name", SCENES)
def test_projection_is_pytorch3ds(name: str) -> None:
    scene = Scene(name)
    projected = scene.camera.project(scene.vertices)
    first = torch.cat([projected.screen[0, 0], projected.nearness[0, :1]])
    assert torch.allclose(first, scene.tensor("screen"), rtol=1e-5)


@pytest.mark.parametrize("rasterizer", RASTERIZERS)
@pytest.mark.parametrize("name", SCENES)
def test_every_pixel_sees_the_face_that_pytorch3d_saw(name: str, rasterizer: str) -> None:
    if find_spec(rasterizer) is None:
        pytest.skip(f"{rasterizer} is not installed")
    scene = Scene(name)
    projected = scene.camera.project(scene.vertices)
    seen = visible_faces(projected, scene.mesh.triangles, scene.size, rasterizer)[0]
    theirs = scene.tensor("pix_to_face")
    differ = seen != theirs
    assert (seen >= 0).sum() > 2000
    # where two faces meet, either answer is right: there a barycentric of theirs, or of ours, is 0
    ours = picture(
        fragments(seen[None], projected, scene.mesh.triangles).weights.amin(1, keepdim=True) + 1,
        (seen.flatten() >= 0).nonzero()[:, 0],
        (1, *scene.size),
    )[0, 0]
    edge = torch.where(theirs >= 0, scene.tensor("bary").amin(-1), ours - 1)
    assert bool((edge[differ].abs() < 1e-4).all())
    assert int(differ.sum()) <= 0.001 * differ.numel()


@pytest.mark.parametrize("name", SCENES)
def test_barycentrics_and_depth(name: str) -> None:
    scene = Scene(name)
    projected = scene.camera.project(scene.vertices)
    fragment = fragments(scene.tensor("pix_to_face")[None], projected, scene.mesh.triangles)
    there = scene.tensor("pix_to_face") >= 0
    assert float((fragment.weights - scene.tensor("bary")[there]).abs().max()) < 2e-3  # slivers lose digits in float32
    assert float((fragment.weights - scene.tensor("bary")[there]).abs().mean()) < 1e-6
    assert float((1 / fragment.nearness / scene.tensor("zbuf")[there] - 1).abs().max()) < 1e-4


@pytest.mark.parametrize("name", SCENES)
def test_picture_and_vertex_gradients(name: str) -> None:
    scene = Scene(name)
    vertices = scene.vertices.clone().requires_grad_()
    fragment = fragments(scene.tensor("pix_to_face")[None], scene.camera.project(vertices), scene.mesh.triangles)
    shaded = scene.phong(vertices, fragment)
    assert float((shaded.detach() - scene.tensor("phong")).abs().mean()) < 1e-6
    loss = (shaded * scene.tensor("loss_weights")).sum()
    assert loss.item() == pytest.approx(float(scene.data["loss"]), rel=1e-5)
    loss.backward()
    theirs = scene.tensor("grad_vertices")
    assert vertices.grad is not None
    error = (vertices.grad[0] - theirs).norm() / theirs.norm()
    assert float(error) < 1e-4
