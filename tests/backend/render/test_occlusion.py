"""Occlusion, shadow and the atlas, on shapes whose answers are known."""

import numpy as np
import pytest
import torch

from fitdiff.face.embedded import load
from fitdiff.render.atlas import Atlas
from fitdiff.render.occlusion import ambient_occlusion, cast_shadow, sphere, visibility
from fitdiff.topology import REGIONS


def bowl(depth: float, rings: int = 24, segments: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """A round dish of radius 0.1, open along +Z, its rim at z = 0 and its middle `depth` below."""
    radius = torch.linspace(0.002, 0.1, rings)
    angle = torch.arange(segments) / segments * 2 * np.pi
    x, y = radius[:, None] * angle.cos(), radius[:, None] * angle.sin()
    z = -depth * (1 - (radius / 0.1) ** 2)[:, None].expand(rings, segments)
    index = torch.arange(rings * segments).view(rings, segments)
    a, b = index[:-1], index[1:]
    c, d = b.roll(-1, 1), a.roll(-1, 1)
    triangles = torch.cat([torch.stack([a, b, c], -1).view(-1, 3), torch.stack([a, c, d], -1).view(-1, 3)])
    return torch.stack([x, y, z], -1).view(-1, 3), triangles


def test_directions_are_unit_and_balanced():
    directions = sphere(256)
    assert torch.allclose(directions.norm(dim=1), torch.ones(256, dtype=torch.float64))
    assert directions.mean(0).norm() < 0.03


def test_the_bottom_of_a_dish_sees_less_sky_the_deeper_it_is():
    up = torch.tensor([0.0, 0.0, 1.0])
    seen = []
    for depth in (0.001, 0.1, 0.3):
        vertices, triangles = bowl(depth)
        seen.append(float(ambient_occlusion(vertices, up.expand(len(vertices), 3), triangles, 256)[96:144].mean()))
    # A disc of radius r at depth d sees sin^2(atan(r / d)) = r^2 / (r^2 + d^2) of a cosine-weighted sky.
    expected = [1.0, 0.5, 0.1]  # at the very bottom; measured two rings beside the hole there
    assert seen == pytest.approx(expected, abs=0.14)


def test_a_low_lamp_leaves_the_bottom_in_the_shadow_of_the_rim():
    vertices, triangles = bowl(0.1)
    bottom, far_wall = vertices[:, 0].abs() < 0.02, vertices[:, 0] < -0.07
    low = cast_shadow(vertices, triangles, torch.tensor([1.0, 0.0, 0.6]), softness=0.02)
    high = cast_shadow(vertices, triangles, torch.tensor([0.2, 0.0, 1.0]), softness=0.02)
    assert low[bottom].mean() < 0.2
    assert low[far_wall].mean() > 0.8
    assert high.mean() > 0.95


def test_a_convex_shape_hides_only_its_back():
    from trimesh.creation import icosphere

    ball = icosphere(4, radius=0.1)
    vertices, triangles = torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces)
    directions = sphere(32).float()
    open_ = visibility(vertices, triangles, directions)
    cosine = (vertices / 0.1) @ directions.T
    assert open_[cosine > 0.25].float().mean() > 0.999
    assert open_[cosine < -0.35].float().mean() < 0.001


def test_the_atlas_gives_back_what_is_linear_on_the_surface():
    model = load()
    atlas = Atlas(model.topology, 128)
    skin = model.topology.quad_region == REGIONS.index("skin")
    assert atlas.covered.float().mean() > 0.9
    assert skin[0]
    assert torch.allclose(atlas.weights.sum(1), torch.ones(len(atlas.weights)), atol=1e-5)
    assert atlas.weights.min() > -1e-4
    baked = atlas.bake(model.mean)
    assert baked.shape == (1, 3, 128, 128)
    assert torch.equal(baked[0][:, atlas.covered].T, atlas.gather(model.mean))
    # The map's middle is the middle of the face: on the plane of symmetry and in front.
    assert abs(float(baked[0, 0, 64, 64])) < 0.004
    assert float(baked[0, 2, 64, 64]) > 0.06
