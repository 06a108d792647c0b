"""Gradients against central differences in float64: of everything that goes in, and of outlines as they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fitdiff.face.embedded import load
from fitdiff.render import Camera, Renderer, rotation_from_axis_angle
from fitdiff.render.preview import framing
from fitdiff.render.renderer import detailed, harmonic

from . import scenes

DOUBLE = torch.float64


def random(shape: tuple[int, ...] | torch.Size, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def slopes(
    function: Callable[[Tensor], Tensor], at: Tensor, step: float, directions: int = 4
) -> list[tuple[float, float]]:
    """Pairs of derivatives along random directions: by autograd, by central differences."""
    variable = at.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(variable), variable)
    pairs = []
    for seed in range(directions):
        along = random(at.shape, seed + 10)
        with torch.no_grad():
            difference = (function(at + step * along) - function(at - step * along)) / (2 * step)
        pairs.append((float((gradient * along).sum()), float(difference)))
    return pairs


def agree(pairs: list[tuple[float, float]], tolerance: float) -> None:
    ours, theirs = np.array(pairs).T
    assert np.abs(theirs).max() > 1e-3
    assert np.abs(ours - theirs).max() < tolerance * np.abs(theirs).max()


@pytest.fixture(scope="module")
def head() -> tuple[Tensor, Renderer]:
    vertices, topology = scenes.mask(25, 25)
    return torch.from_numpy(vertices)[None], Renderer(topology).double()


def picture_sum(rendering: object) -> Tensor:
    """A number that every pixel and channel moves differently."""
    image = rendering.over(image_like := torch.full_like(rendering.image, 0.2))  # type: ignore[attr-defined]
    return (image * random(image_like.shape, 1)).sum()


@pytest.mark.parametrize("projection", ["pinhole", "weak"])
def test_vertices_with_visibility_held(head: tuple[Tensor, Renderer], projection: str) -> None:
    vertices, renderer = head
    renderer.mipmaps = False  # the level that a map is read at moves with the vertices, without gradient
    camera, maps, light = (
        scenes.camera(48, dtype=DOUBLE, projection=projection),
        scenes.painted(32, DOUBLE),
        scenes.light(DOUBLE),
    )
    face = renderer(vertices, maps, camera, light).face
    pairs = slopes(lambda x: picture_sum(renderer(x, maps, camera, light, face=face)), vertices, 1e-9)
    renderer.mipmaps = True
    agree(pairs, 1e-5)


@pytest.mark.parametrize("name", ["diffuse", "specular", "normal"])
def test_maps_under_the_nine_numbers(head: tuple[Tensor, Renderer], name: str) -> None:
    vertices, renderer = head
    camera, maps, light = scenes.camera(48, dtype=DOUBLE), scenes.painted(64, DOUBLE), scenes.light(DOUBLE)

    def loss(values: Tensor) -> Tensor:
        return picture_sum(renderer(vertices, maps._replace(**{name: values}), camera, light))

    agree(slopes(loss, getattr(maps, name), 1e-6), 1e-5)


@pytest.mark.parametrize("name", ["diffuse", "specular", "normal", "occlusion", "translucency"])
def test_maps_under_environment_light(head: tuple[Tensor, Renderer], name: str) -> None:
    vertices, renderer = head
    light = random((1, 81, 3), 2) * 0.3
    some = torch.linspace(0.4, 0.9, 64 * 64, dtype=DOUBLE).view(1, 1, 64, 64)
    maps = scenes.painted(64, DOUBLE)._replace(occlusion=some, translucency=some)

    def loss(values: Tensor) -> Tensor:
        return picture_sum(
            renderer(vertices, maps._replace(**{name: values}), scenes.camera(48, dtype=DOUBLE), light, shade=detailed)
        )

    agree(slopes(loss, getattr(maps, name), 1e-6), 1e-5)


@pytest.mark.parametrize("part", [slice(0, 1), slice(1, 2), slice(2, 3), slice(3, 6), slice(6, 9)])
def test_the_nine_light_numbers(head: tuple[Tensor, Renderer], part: slice) -> None:
    vertices, renderer = head
    base = scenes.light(DOUBLE)

    def loss(values: Tensor) -> Tensor:
        light = torch.cat([base[:, : part.start], values, base[:, part.stop :]], 1)
        return picture_sum(renderer(vertices, scenes.painted(32, DOUBLE), scenes.camera(48, dtype=DOUBLE), light))

    agree(slopes(loss, base[:, part], 1e-6), 1e-5)


def test_environment_light(head: tuple[Tensor, Renderer]) -> None:
    vertices, renderer = head

    def loss(values: Tensor) -> Tensor:
        camera = scenes.camera(48, dtype=DOUBLE)
        return picture_sum(renderer(vertices, scenes.painted(32, DOUBLE), camera, values, shade=harmonic))

    agree(slopes(loss, random((1, 81, 3), 2) * 0.3, 1e-6), 1e-5)


@pytest.mark.parametrize("name", ["rotation", "translation", "focal", "principal"])
def test_camera(head: tuple[Tensor, Renderer], name: str) -> None:
    vertices, renderer = head
    renderer.mipmaps = False
    camera, maps, light = scenes.camera(48, dtype=DOUBLE), scenes.painted(32, DOUBLE), scenes.light(DOUBLE)
    face = renderer(vertices, maps, camera, light).face

    def loss(change: Tensor) -> Tensor:
        moved = getattr(camera, name) + change
        if name == "rotation":
            moved = rotation_from_axis_angle(change) @ camera.rotation
        return picture_sum(renderer(vertices, maps, replace(camera, **{name: moved}), light, face=face))

    start = torch.zeros((1, 3) if name == "rotation" else getattr(camera, name).shape, dtype=DOUBLE)
    pairs = slopes(loss, start, 1e-9)
    renderer.mipmaps = True
    agree(pairs, 1e-4)


def outline_error(
    renderer: Renderer, shape: Callable[[Tensor], Tensor], camera: Camera, step: float, count: int
) -> float:
    """Relative error of a fit's gradient, everything re-rendered, visibility too, on black: the squared difference from
    the same head in another shape, by `count` shape components. Most of what changes there is outlines."""
    maps, light = scenes.painted(64, DOUBLE), scenes.light(DOUBLE)

    def image(weights: Tensor) -> Tensor:
        return renderer(shape(weights)[None], maps, camera, light).image

    target = image(random((count,), 6)).detach()
    variable = torch.zeros(count, dtype=DOUBLE, requires_grad=True)
    ((image(variable) - target) ** 2).mean().backward()
    assert variable.grad is not None
    with torch.no_grad():
        steps = step * torch.eye(count, dtype=DOUBLE)
        ahead, behind = ([((image(sign * one) - target) ** 2).mean() for one in steps] for sign in (1, -1))
        difference = (torch.stack(ahead) - torch.stack(behind)) / (2 * step)
    return float((variable.grad - difference).norm() / difference.norm())


@pytest.mark.parametrize("rows", [41, 81])
def test_moving_outlines(rows: int) -> None:
    vertices, topology = scenes.mask(rows, rows, seam=False, eye=False)
    start = torch.from_numpy(vertices)
    centre, size = random((12, 1, 3), 3).clamp(-1.5, 1.5) * 0.06, 0.02 + 0.04 * random((12, 1), 4).sigmoid()
    bumps = torch.exp(-((start - centre) ** 2).sum(-1) / (2 * size**2))
    basis = 0.001 * bumps[..., None] * random((12, 1, 3), 5)

    def error(antialias: bool) -> float:
        renderer = Renderer(topology, antialias=antialias, mipmaps=False).double()
        camera = scenes.camera(160, dtype=DOUBLE)
        return outline_error(renderer, lambda w: start + torch.einsum("k,kvc->vc", w, basis), camera, 0.1, 12)

    assert error(antialias=False) > 0.3  # the scene does ask for outlines
    assert error(antialias=True) < 0.1


@pytest.mark.slow
def test_moving_outlines_of_the_embedded_head() -> None:
    """With eyes behind lids and a mouth: whatever a real fit meets."""
    model = load(DOUBLE)

    def error(antialias: bool) -> float:
        renderer = Renderer(model.topology, antialias=antialias, mipmaps=False).double()
        camera = framing(model.mean, (192, 192), yaw=20.0)
        rest = torch.zeros(model.identity_count - 6, dtype=DOUBLE)
        return outline_error(renderer, lambda w: model.vertices(torch.cat([w, rest])[None])[0], camera, 0.1, 6)

    assert error(antialias=False) > 0.3
    assert error(antialias=True) < 0.1
