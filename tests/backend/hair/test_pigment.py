"""Hair's colour from pigment, as Blender's shader has it, and pigment from colour."""

import numpy as np
import pytest

from fitdiff.hair.pigment import WHITE, pigments, reflectance


def test_colour_follows_the_shaders_formula():
    """By hand: melanin 1 - 1/e is one unit of pigment, and 5.888 is the shader's scale at roughness 0.3."""
    expected = np.exp(-5.888 * np.sqrt([0.506, 0.841, 1.653]))
    assert reflectance(np.array(1 - 1 / np.e), np.array(0.0)) == pytest.approx(expected, rel=0.01)


def test_shades_run_from_white_through_blond_and_red_to_black():
    white, blond, red, black = reflectance(np.array([WHITE, 0.02, 0.3, 0.99]), np.array([0, 0.2, 1.0, 0]))
    assert white.min() > 0.6
    assert (black < 0.001).all()
    assert white.sum() > blond.sum() > red.sum() > black.sum()
    assert red[0] / red[1] > blond[0] / blond[1]


def test_pigment_comes_back_from_its_colour():
    melanin, redness = np.meshgrid([0.003, 0.01, 0.1, 0.3, 0.6, 0.9], [0.0, 0.3, 0.8])
    colour = reflectance(melanin, redness)
    again = reflectance(*pigments(colour))
    assert np.cbrt(again) == pytest.approx(np.cbrt(colour), abs=0.02)


def test_a_dyed_colour_gets_a_natural_one():
    melanin, redness = pigments(np.array([[0.05, 0.4, 0.1], [0, 0, 0], [1, 1, 1]]))
    assert melanin[1] > 0.99
    assert melanin[2] == 0
    assert ((redness >= 0) & (redness <= 1)).all()
