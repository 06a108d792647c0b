"""Rays against shapes whose answers are known."""

import numpy as np
import pytest

from fitdiff.render.rays import Rays, hemisphere


def sphere(radius: float, rings: int = 40) -> tuple[np.ndarray, np.ndarray]:
    height, turn = np.linspace(0, np.pi, rings), np.arange(2 * rings) * np.pi / rings
    x, y = np.sin(height)[:, None] * np.cos(turn), np.sin(height)[:, None] * np.sin(turn)
    points = radius * np.stack([x, y, np.broadcast_to(np.cos(height)[:, None], x.shape)], -1).reshape(-1, 3)
    index = np.arange(len(points)).reshape(rings, -1)
    a, b, c, d = index[:-1], index[1:], np.roll(index[1:], -1, 1), np.roll(index[:-1], -1, 1)
    return points, np.concatenate([np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (a, c, d))])


def test_rays_through_a_sphere_are_as_long_as_its_chords():
    rays = Rays(*sphere(0.1))
    start = np.array([[0.0, 0.0, 0.1], [0.06, 0.0, 0.08]])
    ways = hemisphere(64)
    found, _ = rays.cast(0.999 * start, -10 * start, ways, 1.0)
    assert found == pytest.approx(np.tile(0.2 * ways[:, 2], (2, 1)), abs=0.003)
    assert (rays.cast(1.001 * start, 10 * start, ways, 1.0)[0] == 1.0).all()  # outwards nothing is in the way


def test_the_first_triangle_is_met_and_named_and_none_beyond_reach():
    wall = np.array([[-1.0, -1.0, 0], [3.0, -1.0, 0], [-1.0, 3.0, 0]])
    vertices = np.concatenate([wall + [0, 0, height] for height in (0.5, 0.2, 0.9)])
    rays = Rays(vertices, np.arange(9).reshape(3, 3))
    up = np.array([[0.0, 0.0, 1.0]])
    distance, triangle = rays.cast(np.array([[0.1, 0.1, 0.0], [0.1, 0.1, 0.3]]), up.repeat(2, 0), up, 0.4)
    assert distance[:, 0] == pytest.approx([0.2, 0.2], abs=1e-4)
    assert triangle[:, 0].tolist() == [1, 0]
    distance, triangle = rays.cast(np.array([[0.1, 0.1, 0.3]]), up, up, 0.1)
    assert (distance[0, 0], triangle[0, 0]) == (np.float32(0.1), -1)
    assert rays.cast(np.zeros((1, 3)), up, up, 2.0, any_hit=True)[0] < 2.0


def test_a_hemisphere_is_spread_as_the_cosine():
    ways = hemisphere(500)
    assert np.linalg.norm(ways, axis=1) == pytest.approx(np.ones(500))
    assert ways.mean(0) == pytest.approx([0, 0, 2 / 3], abs=0.01)
