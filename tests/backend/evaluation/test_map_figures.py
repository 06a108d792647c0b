"""Figures on maps whose answers are known."""

import numpy as np
import pytest

from fitdiff.evaluation import map_figures

ALL = np.ones((24, 24), bool)


def even(*colour):
    return np.broadcast_to(np.array(colour, float), (24, 24, len(colour))).copy()


def test_error_and_psnr_on_the_mask_only():
    first, second, mask = even(0.5, 0.5, 0.5), even(0.6, 0.6, 0.6), ALL.copy()
    second[:, 12:], mask[:, 12:] = 0.9, False
    figures = map_figures.likeness(first, second, mask)
    assert figures["mse"] == pytest.approx(0.01)
    assert figures["psnr"] == pytest.approx(20)
    assert map_figures.likeness(first, first, ALL) == pytest.approx({"psnr": 100, "ssim": 1, "mse": 1e-10})


def test_structure():
    a, b = 0.3, 0.5
    assert map_figures.ssim(even(a), even(b), ALL) == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4))
    noise = np.random.default_rng(0).uniform(0, 1, (64, 64))
    whole = np.ones((64, 64), bool)
    assert map_figures.ssim(noise, 1 - noise, whole) < -0.8
    assert map_figures.ssim(noise, noise[::-1], whole) == pytest.approx(0, abs=0.1)
    slight = noise + np.random.default_rng(1).normal(0, 0.05, noise.shape)
    assert 0.9 < map_figures.ssim(noise, slight, whole) < 0.99


def test_lab_of_known_colours():
    assert map_figures.lab(np.ones(3)) == pytest.approx([100, 0, 0], abs=1e-6)
    assert map_figures.lab(np.full(3, 0.18418651851244416))[0] == pytest.approx(50)
    assert map_figures.lab(np.array([1.0, 0, 0])) == pytest.approx([53.24, 80.09, 67.20], abs=0.1)
    assert map_figures.lab(np.zeros(3)) == pytest.approx([0, 0, 0], abs=1e-6)


def test_level_and_hue_are_told_apart():
    truth = even(0.4, 0.25, 0.18)
    twice = map_figures.albedo_error(2 * truth, truth, ALL)
    assert twice["level"] == pytest.approx(1)
    assert twice["hue"] == pytest.approx(0, abs=1e-9)
    assert twice["delta_e"] == pytest.approx(
        np.linalg.norm(map_figures.lab(2 * truth[0, 0]) - map_figures.lab(truth[0, 0]))
    )
    assert map_figures.albedo_error(0.5 * truth, truth, ALL)["level"] == pytest.approx(-1)
    weights = np.array([0.2126, 0.7152, 0.0722])
    blue = even(0.2, 0.25, 0.5)
    blue *= (truth[0, 0] @ weights) / (blue[0, 0] @ weights)
    other = map_figures.albedo_error(blue, truth, ALL)
    assert other["level"] == pytest.approx(0) and other["hue"] > 20
    hidden = truth.copy()
    hidden[:, :12] *= 3
    mask = ALL.copy()
    mask[:, :12] = False
    assert map_figures.albedo_error(hidden, truth, mask) == pytest.approx({"delta_e": 0, "level": 0, "hue": 0})


def test_lightness_orders_skins():
    pale, dark = even(0.6, 0.45, 0.38), even(0.09, 0.05, 0.03)
    assert map_figures.lightness(pale, ALL) > 65 > 35 > map_figures.lightness(dark, ALL)


def test_angles():
    first = np.array([[1.0, 0, 0], [0, 2, 0], [1, 1, 0]])
    assert map_figures.degrees(first, np.array([0, 3.0, 0])) == pytest.approx([90, 0, 45])
    assert map_figures.degrees(np.array([0, 0, 1.0]), np.array([0, 0, -5.0])) == pytest.approx(180)


def test_maps_of_any_size_are_compared_at_one():
    steps = np.repeat(np.repeat(np.arange(16.0).reshape(4, 4), 8, 0), 8, 1)
    assert np.allclose(map_figures.resized(steps, 32), steps)
    small = map_figures.resized(steps, 4)
    assert small.shape == (4, 4) and np.allclose(small[1:3, 1:3], steps[12:20:7, 12:20:7], atol=0.6)
    assert map_figures.resized(np.full((10, 10, 3), 0.25), 7) == pytest.approx(np.full((7, 7, 3), 0.25))
