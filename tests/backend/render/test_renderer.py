"""The whole: batches, regions, number types, devices, outlines, and the pictures for people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitdiff.render import Camera, Maps, Renderer
from fitdiff.render.colour import to_linear, to_srgb
from fitdiff.render.maps import UNPAINTED
from fitdiff.render.preview import clay
from fitdiff.render.renderer import Directional, Surface, detailed, harmonic

from . import scenes


def points(**options: bool) -> tuple[torch.Tensor, Renderer]:
    vertices, topology = scenes.mask(**options)
    return torch.from_numpy(vertices).float()[None], Renderer(topology)


def three() -> tuple[torch.Tensor, Maps, Camera, torch.Tensor]:
    """Three of everything, all different."""
    vertices, _ = scenes.mask()
    base = torch.from_numpy(vertices).float()[None]
    stretch = torch.tensor([[1.0, 1.0, 1.0], [1.1, 0.9, 1.0], [0.8, 1.1, 1.2]])[:, None]
    maps = scenes.painted(64)
    maps = Maps(*(torch.cat([one, one.flip(2), one.flip(3)]) for one in maps[:3]))
    cameras = [scenes.camera(64, yaw) for yaw in (-30.0, 10.0, 40.0)]
    camera = replace(
        cameras[0],
        **{
            name: torch.cat([getattr(one, name) for one in cameras])
            for name in ("rotation", "translation", "focal", "principal")
        },
    )
    light = torch.cat([scenes.light(), scenes.light().roll(1, 1), scenes.light() * 0.5])
    return base * stretch, maps, camera, light


def pick(camera: Camera, k: int) -> Camera:
    names = ("rotation", "translation", "focal", "principal")
    return replace(camera, **{name: getattr(camera, name)[k : k + 1] for name in names})


@pytest.mark.parametrize("rasterizer", ["numba", "torch"])
def test_a_batch_is_its_pictures_one_by_one(rasterizer: str) -> None:
    vertices, maps, camera, light = three()
    renderer = Renderer(scenes.mask()[1], rasterizer)
    together = renderer(vertices, maps, camera, light)
    for k in range(3):
        own = Maps(*(one[k : k + 1] for one in maps[:3]))
        alone = renderer(vertices[k : k + 1], own, pick(camera, k), light[k : k + 1])
        assert torch.allclose(together.image[k], alone.image[0], atol=2e-5)
        assert torch.allclose(together.alpha[k], alone.alpha[0], atol=1e-5)
        for name in ("normal", "position", "uv", "region", "view"):
            assert torch.allclose(together.buffer(name)[k], alone.buffer(name)[0], atol=1e-4)


@pytest.mark.parametrize("shared", ["vertices", "maps", "camera", "light"])
def test_one_of_anything_serves_the_whole_batch(shared: str) -> None:
    vertices, maps, camera, light = three()
    inputs = {"vertices": vertices, "maps": maps, "camera": camera, "light": light}
    one = {
        "vertices": vertices[:1],
        "maps": Maps(*(x[:1] for x in maps[:3])),
        "camera": pick(camera, 0),
        "light": light[:1],
    }[shared]
    thrice = {
        "vertices": vertices[:1].expand(3, -1, -1),
        "maps": Maps(*(x[:1].expand(3, -1, -1, -1) for x in maps[:3])),
        "camera": replace(
            camera,
            **{
                name: getattr(camera, name)[:1].expand_as(getattr(camera, name))
                for name in ("rotation", "translation", "focal", "principal")
            },
        ),
        "light": light[:1].expand(3, -1),
    }[shared]
    renderer = Renderer(scenes.mask()[1])
    few, many = renderer(**(inputs | {shared: one})), renderer(**(inputs | {shared: thrice}))
    assert torch.allclose(few.image, many.image, atol=1e-5)


def test_gradients_of_a_batch_are_those_of_its_pictures() -> None:
    vertices, maps, camera, light = three()
    renderer = Renderer(scenes.mask()[1])

    def gradients(rows: slice) -> list[torch.Tensor]:
        leaves = [vertices, light, *maps[:3]]
        leaves = [leaf[rows].clone().requires_grad_() for leaf in leaves]
        own = [pick(camera, k) for k in range(3)[rows]]
        seen = camera if len(own) == 3 else own[0]
        rendering = renderer(leaves[0], Maps(*leaves[2:]), seen, leaves[1])
        weight = torch.linspace(0, 1, 64 * 64).view(1, 1, 64, 64)
        return list(torch.autograd.grad((rendering.image * weight).sum(), leaves))

    together = gradients(slice(0, 3))
    for k in range(3):
        for ours, theirs in zip(together, gradients(slice(k, k + 1)), strict=True):
            assert torch.allclose(ours[k], theirs[0], rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


@pytest.mark.parametrize("shade", [harmonic, detailed])
def test_environment_light_lights_each_picture_of_a_batch_by_itself(shade: object) -> None:
    vertices, maps, camera, _ = three()
    light = torch.randn(3, 81, 3, generator=torch.Generator().manual_seed(0)) * 0.2
    renderer = Renderer(scenes.mask()[1])
    together = renderer(vertices, maps, camera, light, shade=shade)
    own = Maps(*(one[1:2] for one in maps[:3]))
    alone = renderer(vertices[1:2], own, pick(camera, 1), light[1:2], shade=shade)
    assert torch.allclose(together.image[1], alone.image[0], atol=1e-4)


def test_each_region_reads_its_own_maps() -> None:
    vertices, renderer = points()
    camera, ambient = scenes.camera(64), torch.tensor([[1.0, 0, 0, 1, 1, 1, 0, 0, 1]])
    green = Maps.plain((0.1, 0.8, 0.1))
    rendering = renderer(vertices, {"skin": scenes.painted(), "eyes": green}, camera, ambient)
    region = rendering.surface.region
    assert set(region.unique().tolist()) == {0, 1}
    assert torch.allclose(rendering.surface.albedo[region == 1], torch.tensor([0.1, 0.8, 0.1]))
    unpainted = renderer(vertices, scenes.painted(), camera, ambient)
    assert torch.allclose(unpainted.surface.albedo[region == 1], torch.tensor(UNPAINTED["eyes"][0]))
    assert torch.equal(unpainted.surface.albedo[region == 0], rendering.surface.albedo[region == 0])
    coloured = scenes.painted()._replace(specular=scenes.painted().specular.expand(-1, 3, -1, -1))
    again = renderer(vertices, {"skin": coloured, "eyes": green}, camera, ambient)
    assert again.surface.specular.shape[1] == 3
    assert torch.allclose(again.image, rendering.image, atol=1e-6)


def test_flat_maps_need_no_tangents_and_look_as_if_they_had_them() -> None:
    vertices, renderer = points()
    flat = {name: Maps.plain((0.5, 0.4, 0.3)) for name in ("skin", "eyes")}
    assert all(maps.flat for maps in flat.values()) and not scenes.painted().flat
    straight = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(-1, -1, 2, 2)
    bumpy = flat | {"skin": flat["skin"]._replace(normal=straight)}
    assert not bumpy["skin"].flat
    fast, slow = (renderer(vertices, maps, scenes.camera(64), scenes.light()).image for maps in (flat, bumpy))
    assert torch.allclose(fast, slow, atol=1e-5)


def test_single_and_double_precision_agree() -> None:
    vertices, renderer = points()
    single = renderer(vertices, scenes.painted(), scenes.camera(64), scenes.light())
    double = renderer.double()(
        vertices.double(),
        scenes.painted(dtype=torch.float64),
        scenes.camera(64).to(torch.float64),
        scenes.light().double(),
    )
    assert double.image.dtype == torch.float64
    assert float((single.image - double.image).abs().max()) < 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_processors_picture_and_gradients() -> None:
    vertices, maps, camera, light = three()
    results = []
    for device in ("cpu", "cuda"):
        renderer = Renderer(scenes.mask()[1], "torch").to(device)
        leaves = [x.detach().to(device).requires_grad_() for x in (vertices, light, *maps[:3])]
        rendering = renderer(leaves[0], Maps(*leaves[2:]), camera.to(device), leaves[1])
        (rendering.image**2).sum().backward()
        results.append([rendering.face.cpu(), rendering.image.detach().cpu(), *(leaf.grad.cpu() for leaf in leaves)])
    assert float((results[0][0] != results[1][0]).float().mean()) < 1e-3
    assert float((results[0][1] - results[1][1]).abs().mean()) < 1e-5
    for ours, theirs in zip(results[0][2:], results[1][2:], strict=True):
        assert float((ours - theirs).norm() / ours.norm()) < 1e-2


def test_antialiased_outlines_are_nearer_to_a_supersampled_picture() -> None:
    vertices, renderer = points(seam=False, eye=False)
    size, camera = 64, scenes.camera(64)
    flat = Maps.plain((0.8, 0.8, 0.8), 0.0)
    ambient = torch.tensor([[1.0, 0, 0, 1, 1, 1, 0, 0, 1]])
    fine = Renderer(scenes.mask(seam=False, eye=False)[1], antialias=False)
    truth = torch.nn.functional.avg_pool2d(fine(vertices, flat, camera.resized((size * 8, size * 8)), ambient).image, 8)
    errors = []
    for antialias in (False, True):
        renderer.antialias = antialias
        rendering = renderer(vertices, flat, camera, ambient)
        errors.append(float((rendering.image - truth).abs().sum()))
    assert errors[1] < 0.35 * errors[0]
    assert torch.allclose(rendering.image[:, 0], 0.8 * rendering.alpha[:, 0], atol=1e-6)  # premultiplied
    over = rendering.over(torch.full((1, 3, 1, 1), 0.8))
    assert torch.allclose(over, torch.full_like(over, 0.8), atol=1e-6)


def test_outlines_inside_the_head_blend_too() -> None:
    """The nose before the cheek: white where it lies in front, black behind, and grey only where they meet."""
    vertices = torch.tensor(
        [
            [
                [-1.0, -1, 0],
                [1, -1, 0],
                [1, 1, 0],
                [-1, 1, 0],
                [-1.5, -1.5, 0.5],
                [0.03, -1.5, 0.5],
                [0.23, 1.5, 0.5],
                [-1.5, 1.5, 0.5],
            ]
        ]
    )
    quads = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], dtype=np.int32)
    region = np.array([0, 1], dtype=np.uint8)
    uv = np.array([[0.5, 0.5], [1.5, 0.5]], dtype=np.float32)
    topology = type(scenes.mask(3, 3)[1])(quads, uv, np.repeat([[0], [1]], 4, 1).astype(np.int32), region)
    maps = {"skin": Maps.plain((0.0, 0.0, 0.0), 0.0), "eyes": Maps.plain((1.0, 1.0, 1.0), 0.0)}
    ambient = torch.tensor([[1.0, 0, 0, 1, 1, 1, 0, 0, 1]])
    camera = Camera.facing((32, 32), 4.0, 25.0, projection="weak")
    row = Renderer(topology)(vertices, maps, camera, ambient).image[0, 0, 12]
    grey = (row > 0.01) & (row < 0.99)
    assert 1 <= int(grey.sum()) <= 2
    edge = 16 + 32 / (2 * 4 * np.tan(np.radians(12.5))) * (
        0.13 + (16 - 12.5) * 4 * 2 * np.tan(np.radians(12.5)) / 32 * 0.2 / 3
    )
    assert float(row.sum()) == pytest.approx(edge, abs=0.05)  # as much white as lies left of the edge


def test_srgb_there_and_back() -> None:
    values = torch.linspace(0, 1, 256, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(to_linear(to_srgb(values)), values, atol=1e-6)
    assert float(to_srgb(torch.tensor(0.5))) == pytest.approx(0.7354, abs=1e-4)
    (gradient,) = torch.autograd.grad(to_srgb(values).sum(), values)
    assert bool(gradient.isfinite().all())


def test_clay_shows_the_form_framed() -> None:
    vertices, topology = scenes.mask()
    picture = clay(vertices, topology, (96, 128), yaw=20.0)
    assert picture.shape == (96, 128, 3) and picture.dtype == np.uint8
    ground = picture[0, 0].astype(int)
    seen = np.abs(picture.astype(int) - ground).sum(-1) > 12
    assert seen.any(0).sum() > 40 and seen.any(1).sum() > 60
    assert not seen[0].any() and not seen[-1].any() and not seen[:, 0].any() and not seen[:, -1].any()
    assert picture[seen].std() > 10


def test_an_occlusion_map_darkens_the_ambient_light_alone():
    surface = Surface(
        position=torch.zeros(2, 3),
        normal=torch.tensor([[0.0, 0, 1]]).expand(2, 3),
        view=torch.tensor([[0.0, 0, 1]]).expand(2, 3),
        uv=torch.zeros(2, 2),
        region=torch.zeros(2, dtype=torch.int64),
        albedo=torch.full((2, 3), 0.3),
        specular=torch.zeros(2, 1),
        occlusion=torch.tensor([[1.0], [0.2]]),
        translucency=torch.zeros(2, 1),
        owner=None,
    )
    room = Directional()(surface, torch.tensor([[1.0, 0, 0, 1, 1, 1, 0, 0, 1]]))
    assert torch.equal(room[0], surface.albedo[0])
    assert (room[1] < 0.6 * room[0]).all()
    lamp = Directional()(surface, torch.tensor([[0.0, 1, 1, 1, 1, 1, 0, 0, 1]]))
    assert torch.equal(lamp[0], lamp[1])
