"""Test people whose every number is known, and whom no prior of FitDiff can represent exactly.

python -m fitdiff.evaluation.subjects make DIR --people 20    an avatar folder, its truth and its light for each person
python -m tests.blender.truth.subjects DIR                    (in Blender's Python) DIR/<person>/photo.png, lit.json
fitdiff evaluate --truth DIR --out DIR                        the figures

make --hard photographs every person in every view of hard_views.py instead: far turned, from above, in harsh light.

Shapes differ from the basis by a warp of space, expressions by sliders beyond the 25 components, skins by noise, spots, a
hue of their own and the mean skin's detail mirrored. docs/evaluation.md discusses this.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..atomic_write import atomic_file
from ..avatar import Avatar, Light, avatar_from_model, stored, write_avatar
from ..avatar.convert import camera_to_avatar, maps_to_avatar
from ..face import embedded, texels
from ..face.appearance import gloss
from ..face.brows import hair_alpha, with_hair
from ..face.embedded import EmbeddedFace
from ..face.looks import HAIR_MATT, Look, look_maps, random_look
from ..face.people import random_expression, random_identity
from ..face.skin import HAEMOGLOBIN, MELANIN, load_skin
from ..pictures.relight import posed
from ..render.camera import Camera, rotation_from_axis_angle
from .hard_views import HARD, HardView

SEED = 11
SIZE = 384  # pixels, square
TEXELS = 1024
EYES = 512
LIGHTS = ("warm", "neutral", "dim")
ROOMS = {
    "warm": ("interior", "sunrise", "night", "sunset"),
    "neutral": ("city", "studio", "forest", "courtyard"),
    "dim": ("interior", "night", "studio", "courtyard"),
}
# Linear colour and level of a white patch that faces as the face does; 1 is well exposed.
COLOURS = {"warm": (1.3, 1.0, 0.62), "neutral": (1.0, 1.0, 1.0), "dim": (1.0, 1.0, 1.0)}
LEVELS = {"warm": 1.0, "neutral": 1.0, "dim": 0.3}
MOST_YAW, MOST_PITCH, MOST_ROLL = 35.0, 12.0, 8.0  # degrees
MOST_ASIDE = 80.0  # degrees between the head's front and the panorama's main light, seen from above
# The warp: (length in metres over which it changes, RMS displacement in metres along each axis).
WARPS = ((0.035, 0.0010), (0.014, 0.0004))
WAVES = 64
ASYMMETRY = 0.3
# Sliders that leave lids and lips in working order.
SLIGHT_MOTIONS = (
    *("browInnerUp", "browDownLeft", "browDownRight", "browOuterUpLeft", "browOuterUpRight", "mouthSmileLeft"),
    *("mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthPressLeft", "mouthPressRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "mouthLeft", "mouthRight"),
)
LEAST_HAIR = 0.1  # alpha of hair above which a texel is not bare skin


@dataclass(frozen=True)
class Lit:
    """The scene's light and skin settings; angles in degrees."""

    group: str  # one of LIGHTS, or the name of a hard view
    room: str  # a panorama of Blender's, without its extension
    aside: float  # direction of its main light, to the head's left
    colour: tuple[float, float, float]
    level: float
    bump: float  # strength of the microscopic relief, which no map contains
    subsurface: float  # metres that red light travels


class Warp:
    """A smooth random displacement of space, so that lids stay round eyes and lips on teeth."""

    def __init__(self, random: np.random.Generator) -> None:
        self.waves = [
            (random.normal(0, 1 / length, (WAVES, 3)), random.uniform(0, 2 * np.pi, WAVES), self._sizes(random, rms))
            for length, rms in WARPS
        ]

    @staticmethod
    def _sizes(random: np.random.Generator, rms: float) -> NDArray[np.float64]:
        return random.normal(0, rms * math.sqrt(2 / WAVES), (WAVES, 3))

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(V, 3) metres -> displaced, more symmetrically than noise, as faces are."""
        mirror = np.array([-1.0, 1.0, 1.0])
        here, there = self._field(points), self._field(points * mirror) * mirror
        return points + (1 + ASYMMETRY) / 2 * here + (1 - ASYMMETRY) / 2 * there

    def _field(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.sum([np.cos(points @ w.T + phase) @ size for w, phase, size in self.waves], 0)


def make(folder: Path, people: int, seed: int = SEED, views: Sequence[HardView | None] = (None,)) -> None:
    """Existing persons are kept. Skin tones and yaws are spread evenly in different orders, so that every light gets all of
    them. Each of `views` shows the same person; None is their own light and camera."""
    model = embedded.load()
    order = np.random.default_rng(seed)
    melanin = order.permutation(np.linspace(-2.0, 2.0, people))
    yaws = order.permutation(np.linspace(-MOST_YAW, MOST_YAW, people))
    for number, view in product(range(people), views):
        place = folder / f"{number:02d}{view.ending if view else ''}"
        if (place / "truth.npz").is_file():
            continue
        random = np.random.default_rng((seed, number))
        avatar, truth, lit = person(model, number, float(melanin[number]), float(yaws[number]), random, view)
        write_avatar(avatar, place / "avatar", overwrite=True)
        (place / "scene.json").write_text(json.dumps(asdict(lit), indent=1) + "\n", encoding="utf-8")
        with atomic_file(place / "truth.npz") as half_done, open(half_done, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **truth)  # written last: a person without it is made again


@torch.no_grad()
def person(
    model: EmbeddedFace,
    number: int,
    melanin: float,
    yaw: float,
    random: np.random.Generator,
    view: HardView | None = None,
) -> tuple[Avatar, dict[str, NDArray], Lit]:
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    lit = light_of(number, random)
    if view:  # to the side that this person turns to
        yaw, aside = (math.copysign(angle, yaw) for angle in (view.yaw, view.aside))
        lit = replace(lit, group=view.name, room=view.room, aside=aside, colour=COLOURS["neutral"], level=view.level)
    look = random_look(generator, load_skin().count)
    skin = look.skin.clone()
    skin[0] = melanin
    look = replace(look, skin=skin)
    maps, bare = _maps(model, look, random)
    identity = random_identity(model, 1, generator)
    expression = random_expression(model, 1, generator, 0.25)
    gaze = torch.from_numpy(np.tile(random.uniform(-0.12, 0.12, 2), (2, 1))).float()
    motions = random.choice(SLIGHT_MOTIONS, 3, replace=False)
    start = {str(name): float(random.uniform(0.05, 0.35)) for name in motions}
    straight = avatar_from_model(
        model,
        identity=identity[0],
        expression=expression[0],
        gaze=gaze,
        light=Light(ambient=lit.level, diffuse=0.0, specular=0.0, colour=lit.colour, direction=(0.0, 0.0, 1.0)),
        camera=camera_to_avatar(_camera(model, yaw, random, view.pitch if view else None)),
        maps=maps,
        engine="subject",
        seed=number,
    )
    avatar = _warped(straight, Warp(random), start)
    return avatar, {"melanin": np.array(melanin), "yaw": np.array(yaw), "bare": bare}, lit


def light_of(number: int, random: np.random.Generator) -> Lit:
    """Cycles through the lights, and through the panoramas of each."""
    group = LIGHTS[number % len(LIGHTS)]
    rooms = ROOMS[group]
    return Lit(
        group=group,
        room=rooms[number // len(LIGHTS) % len(rooms)],
        aside=float(random.uniform(-MOST_ASIDE, MOST_ASIDE)),
        colour=COLOURS[group],
        level=LEVELS[group] * float(random.uniform(0.85, 1.15)),
        bump=float(random.uniform(0.1, 0.35)),
        subsurface=float(random.uniform(0.002, 0.0045)),
    )


def _warped(straight: Avatar, warp: Warp, start: dict[str, float]) -> Avatar:
    """The head in a warped space, its sliders at `start`, and the rest of its expression in the residual."""
    mesh, about = straight.mesh, with_fields(straight.manifest, arkit=start)
    moved = posed(replace(straight, manifest=about))
    neutral, fitted = warp(mesh.vertices.astype(np.float64)), warp(moved)
    weights = np.array([start.get(name, 0.0) for name in mesh.shape_key_names])
    residual = fitted - neutral - np.einsum("k,kvc->vc", weights, mesh.shape_keys.astype(np.float64))
    bent = replace(mesh, vertices=neutral.astype(np.float32), fit_residual=residual.astype(np.float32))
    return replace(straight, manifest=about, mesh=bent)


def _camera(model: EmbeddedFace, yaw: float, random: np.random.Generator, pitch: float | None = None) -> Camera:
    """A portrait from 0.7 to 1.5 m, the face about half the picture, a little off its middle and tilted."""
    distance = float(random.uniform(0.7, 1.5))
    face = model.mean[: len(model.topology.vertex_masks["face"])][model.topology.vertex_masks["face"] > 0.5]
    target = face.mean(0) + torch.from_numpy(random.uniform(-0.012, 0.012, 3)).float()
    angle = 2 * math.degrees(math.atan(0.135 * float(random.uniform(0.95, 1.15)) / distance))
    own = float(random.uniform(-MOST_PITCH, MOST_PITCH))
    camera = Camera.facing((SIZE, SIZE), distance, angle, yaw, own if pitch is None else pitch, target)
    tilt = math.radians(float(random.uniform(-MOST_ROLL, MOST_ROLL)))
    roll = rotation_from_axis_angle(torch.tensor([[0.0, 0.0, tilt]]))
    return replace(camera, rotation=roll @ camera.rotation, translation=(roll @ camera.translation[..., None])[..., 0])


# --- skin beyond the basis --------------------------------------------------------------------------------------------


def _maps(model: EmbeddedFace, look: Look, random: np.random.Generator) -> tuple[dict[str, NDArray], NDArray]:
    """All maps as an avatar stores them, `roughness` among them; and (S, S) bool, the texels of bare skin."""
    base = look_maps(model, [look], TEXELS, eye_size=EYES)
    alpha = hair_alpha(model, look.style, TEXELS, look.seed)
    skin = _skin(look, random)
    shine = _shine(model, random) * (1 - HAIR_MATT * alpha[0, 0].numpy())
    normal = _relief(model, random)
    base["skin"] = base["skin"]._replace(
        diffuse=with_hair(skin, alpha, look.hair.float()[None]),
        specular=torch.from_numpy(shine).float()[None, None],
        normal=torch.from_numpy(normal.transpose(2, 0, 1)).float()[None],
    )
    maps = maps_to_avatar(base) | {"roughness": stored(_roughness(random))}
    return maps, alpha[0, 0].numpy() < LEAST_HAIR


def _skin(look: Look, random: np.random.Generator) -> Tensor:
    """(1, 3, S, S) linear albedo."""
    basis = load_skin()
    drawn = look.skin.float()[None].clone()
    pigments, drawn[:, :2] = drawn[0, :2].numpy().copy(), 0.0
    log = basis.albedo(drawn, TEXELS).log()[0].numpy()
    tone = log.mean((1, 2), keepdims=True)
    log = tone + float(random.uniform(0.55, 0.95)) * (log - tone)[..., ::-1]
    # Pigments of a slightly different hue, unevenly spread.
    melanin = MELANIN * np.exp(random.normal(0, 0.06, 3))
    blood = HAEMOGLOBIN * np.exp(random.normal(0, 0.15, 3))
    spread_melanin = sum(_noise(random, size) * share for size, share in ((70, 0.1), (22, 0.09), (5, 0.06)))
    spread_blood = sum(_noise(random, size) * share for size, share in ((45, 0.3), (9, 0.2), (2.5, 0.15)))
    amount = pigments[0] + spread_melanin + _spots(random)
    log = log + melanin[:, None, None] * amount + blood[:, None, None] * (pigments[1] + spread_blood)
    log += 0.025 * _noise(random, 0.8)  # pores and fine hairs
    return torch.from_numpy(np.exp(log)).float().clamp(0.008, 0.93)[None]


def _spots(random: np.random.Generator) -> NDArray[np.float64]:
    """Freckles and a few moles, in standard deviations of melanin."""
    picture = np.zeros((TEXELS, TEXELS))
    for count, (low, high), radius in (
        (int(random.choice([0, 0, 250, 900])), (0.15, 0.6), 1.6),
        (int(random.integers(1, 9)), (1.5, 3.0), 4.0),
    ):
        dots = np.zeros_like(picture)
        rows, columns = random.integers(0, TEXELS, (2, count))
        dots[rows, columns] = random.uniform(low, high, count)
        picture += gaussian_filter(dots, radius, mode="wrap") * 2 * np.pi * radius**2
    return picture


def _shine(model: EmbeddedFace, random: np.random.Generator) -> NDArray[np.float64]:
    """(S, S) specular: the usual regions, with each skin drier or oilier, unevenly."""
    level = float(np.exp(random.normal(0, 0.25)))
    contrast = float(random.uniform(0.4, 1.6))
    regions = gloss(model.topology, TEXELS)
    middle = float(regions.mean())
    value = level * (middle + contrast * (regions - middle)) * np.exp(0.15 * _noise(random, 12))
    return np.clip(value, 0.05, 1)


def _roughness(random: np.random.Generator) -> NDArray[np.float64]:
    value = float(random.uniform(0.36, 0.56)) + 0.05 * _noise(random, 30) + 0.04 * _noise(random, 2)
    return np.clip(value, 0.2, 0.8)


def _relief(model: EmbeddedFace, random: np.random.Generator) -> NDArray[np.float64]:
    """(S, S, 3) tangent-space normals of pores, fine lines all over and folds of the forehead."""
    age = float(random.uniform(0, 1))
    height = 0.05 * _noise(random, 1.2) + 0.10 * _noise(random, 3)
    masks = model.topology.vertex_masks
    forehead = np.zeros((int(model.topology.triangles.max()) + 1, 1))
    forehead[: len(masks["forehead"]), 0] = masks["forehead"]
    forehead = texels.bake(model.topology, forehead, TEXELS)[..., 0]
    folds = gaussian_filter(random.normal(size=(TEXELS, TEXELS)), (4, 60), mode="wrap")
    height = height + age * forehead * 0.9 * folds / folds.std()
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x, slope_y, np.ones_like(height)], -1)  # rows run down, v runs up
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def _noise(random: np.random.Generator, size: float) -> NDArray[np.float64]:
    """(S, S) smooth noise of unit deviation whose spots are about `size` texels wide."""
    step = max(1, int(size // 4))  # a coarse grid is enough for coarse noise
    small = gaussian_filter(random.normal(size=(-(-TEXELS // step),) * 2), size / step, mode="wrap")
    if step > 1:
        grown = torch.nn.functional.interpolate(
            torch.from_numpy(small)[None, None], (TEXELS, TEXELS), mode="bicubic", align_corners=False
        )
        small = grown[0, 0].numpy()
    return small / small.std()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.evaluation.subjects", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make", help="make people with their light and truth")
    maker.add_argument("folder", type=Path)
    maker.add_argument("--people", type=int, default=20)
    maker.add_argument("--seed", type=int, default=SEED, help="seed of people, cameras and lights")
    maker.add_argument("--hard", action="store_true", help="show each person in every hard view")
    options = parser.parse_args(arguments)
    make(options.folder, options.people, options.seed, HARD if options.hard else (None,))
    return 0


if __name__ == "__main__":
    sys.exit(main())
