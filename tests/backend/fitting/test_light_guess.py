"""Light and pigments guessed from shaded skin whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from fitdiff.face.skin import HAEMOGLOBIN, MELANIN
from fitdiff.fitting.light_guess import UNKNOWN, guess_light
from fitdiff.fitting.light_hints import LightHints

BASE = np.array([0.33, 0.19, 0.13])


def shaded(
    direction: tuple[float, float, float],
    ambient: float = 0.4,
    diffuse: float = 0.6,
    melanin: float = 0.0,
    haemoglobin: float = 0.0,
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0),
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Half a sphere of skin: normals, photo colours, mean skin, weight."""
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals[normals[:, 2] > 0.15]
    towards = np.array(direction) / np.linalg.norm(direction)
    base = BASE * np.exp(rng.normal(0, 0.05, (len(normals), 1)))
    albedo = base * np.exp(melanin * MELANIN + haemoglobin * HAEMOGLOBIN)
    light = ambient + diffuse * np.clip(normals @ towards, 0, None)
    return normals, albedo * light[:, None] * np.array(colour), base, normals[:, 2]


@pytest.mark.parametrize("direction", [(0.7, 0.3, 0.6), (-0.8, 0.2, 0.5), (0.0, 0.9, 0.5), (0.1, 0.1, 1.0)])
def test_direction(direction: tuple[float, float, float]) -> None:
    guess = guess_light(*shaded(direction, ambient=0.25, diffuse=0.75))
    true = np.array(direction) / np.linalg.norm(direction)
    assert np.degrees(np.arccos(np.dot(guess.direction, true))) < 22


@pytest.mark.parametrize("melanin", [-1.5, 0.0, 1.5])
@pytest.mark.parametrize("brightness", [0.7, 1.0, 1.4])
def test_guess_reproduces_the_photo(melanin: float, brightness: float) -> None:
    normals, colours, base, weight = shaded((0.4, 0.5, 0.8), 0.4 * brightness, 0.6 * brightness, melanin)
    guess = guess_light(normals, colours, base, weight)
    lit = guess.ambient + guess.diffuse * np.clip(normals @ np.array(guess.direction), 0, None)
    albedo = base * np.exp(guess.melanin * MELANIN + guess.haemoglobin * HAEMOGLOBIN)
    again = albedo * lit[:, None] * np.array(guess.colour)
    assert np.abs(np.average(again / colours, axis=0, weights=weight) - 1).max() < 0.05
    assert guess.ambient > 0 and guess.diffuse > 0


def test_pigments_follow_the_skin() -> None:
    dark, middle, light = (guess_light(*shaded((0.3, 0.5, 0.8), melanin=m)).melanin for m in (1.8, 0.0, -1.4))
    assert dark > 1.0 and abs(middle) < 0.3 and light < -0.7


def test_a_coloured_lamp_is_not_all_skin() -> None:
    guess = guess_light(*shaded((0.3, 0.5, 0.8), colour=(0.8, 0.95, 1.35)))
    assert guess.colour[2] > 1.1 > guess.colour[0]


def test_no_skin_gives_the_customary_light() -> None:
    empty = np.zeros((0, 3))
    assert guess_light(empty, empty, empty, np.zeros(0)) == UNKNOWN


def test_light_from_behind_is_kept_in_front() -> None:
    guess = guess_light(*shaded((0.2, 0.1, -1.0), ambient=0.5, diffuse=0.5))
    assert guess.direction[2] > 0 and np.linalg.norm(guess.direction) == pytest.approx(1)


def test_a_hinted_light_is_not_taken_for_skin() -> None:
    """A pale person in dim warm light: without hints half of it would be melanin."""
    colour = (0.39, 0.3, 0.19)
    photo = shaded((0.3, 0.5, 0.8), melanin=-1.5, colour=colour)
    logs = np.log(colour)
    hints = LightHints(float(logs.mean()), tuple((logs - logs.mean()).tolist()))
    alone, hinted = guess_light(*photo), guess_light(*photo, hints)
    assert alone.melanin > 0
    assert hinted.melanin < -0.8


def test_a_low_sun_that_burns_the_cheek_out_is_found_where_it_stands() -> None:
    """Without the burnt pixels the light would seem to come from the other side of the nose, and weakly."""
    normals, colours, base, weight = shaded((0.95, 0.2, 0.1), ambient=0.3, diffuse=2.0)
    burnt = (colours > 0.35).any(1)
    assert burnt.mean() > 0.2
    guess = guess_light(normals, colours.clip(max=0.35), base, weight, burnt=burnt)
    without = guess_light(normals, colours.clip(max=0.35), base, weight * ~burnt)
    towards = np.array((0.95, 0.2, 0.1)) / np.linalg.norm((0.95, 0.2, 0.1))
    off, off_without = (np.degrees(np.arccos(one.direction @ towards)) for one in (guess, without))
    assert off < 25 and off < off_without - 10
    assert guess.diffuse / guess.ambient > 3


def test_what_neither_pigments_nor_hints_explain_is_shared_by_light_and_skin() -> None:
    tinted = shaded((0.3, 0.4, 0.8), colour=(1.35, 0.9, 0.8))
    guess = guess_light(*tinted)
    light, own = guess.shared(LightHints())
    whole, half = (np.array(colour) / colour[1] for colour in (guess.colour, light.colour))
    assert abs(np.log(half[0])) < 0.7 * abs(np.log(whole[0]))
    given = np.array(light.colour) * own * (light.ambient + light.diffuse)
    assert given == pytest.approx(np.array(guess.colour) * (guess.ambient + guess.diffuse))


def test_a_light_that_the_eyes_tell_of_stays_whole() -> None:
    colour = np.array([1.2, 0.97, 0.83])
    told = LightHints(0.0, tuple(np.log(colour) - np.log(colour).mean()))
    guess = guess_light(*shaded((0.3, 0.4, 0.8), colour=tuple(colour)), told)
    light, own = guess.shared(told)
    assert own == pytest.approx(1.0, abs=0.04)
    assert light.colour == pytest.approx(guess.colour, abs=0.05)


def test_the_light_is_no_warmer_than_hair_lets_it_be() -> None:
    cool = LightHints(warmest=(0.05, 0.1))
    guess = guess_light(*shaded((0.3, 0.4, 0.8), colour=(1.35, 0.9, 0.7)), cool)
    light, own = guess.shared(cool)
    red, green, blue = np.log(light.colour)
    assert red - green < 0.051 and green - blue < 0.101
    given = np.array(light.colour) * own * (light.ambient + light.diffuse)
    assert given == pytest.approx(np.array(guess.colour) * (guess.ambient + guess.diffuse))
