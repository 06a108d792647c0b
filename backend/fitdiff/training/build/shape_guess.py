"""Fit the map of `perception/shape_guess.py` to made-up people, rendered by FitDiff and read by the two networks.

python -m fitdiff.training.build.shape_guess FILE.safetensors --people 3000     about a third of a second each on one core
python -m fitdiff.training.build.shape_guess FILE.safetensors --check --people 200

The same machine makes the same file again, other machines a slightly different one, since they sum in another order. So
--check tests whether the file still guesses new people as well as it states.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ... import tensor_files
from ...face import embedded
from ...face.embedded import EmbeddedFace
from ...face.looks import look_maps, random_look
from ...face.people import random_expression, random_identity
from ...face.skin import load_skin
from ...perception import Perception
from ...perception.landmark_basis import landmark_basis
from ...perception.shape_guess import ShapeGuess, features, load
from ...render.camera import Camera, rotation_from_axis_angle
from ...render.colour import to_srgb
from ...render.renderer import Renderer

SIZE = 320  # pixels, square
SAME_LOOK = 4  # people in a row who share a skin, since painting takes longer than rendering
RIDGE = 1000.0
KEPT_BACK = 200  # people on whom the spread is measured
ALLOWED = 1.25  # times the file's stated error, on new people
BEST = 20  # coefficients that are checked; a photo says little about the others
CHECK_SEED = 1000  # beyond all seeds used for fitting
MOST_YAW, MOST_PITCH, MOST_ROLL = 42.0, 15.0, 10.0  # degrees


@torch.no_grad()
def look_at_people(people: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """-> (N, F) features, (N, I + E) identities and expressions; people whose face is not found are left out."""
    model, perception = embedded.load(), Perception.load()
    renderer, basis = Renderer(model.topology), landmark_basis(model, ("facemesh468",))
    generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    rows, truth = [], []
    for number in range(people):
        if number % SAME_LOOK == 0:
            look = random_look(generator, load_skin().count)
            skin = look.skin.clone()
            skin[0] = float(random.uniform(-2, 2))
            maps = look_maps(model, [replace(look, skin=skin)])
        identity = random_identity(model, 1, generator)
        vertices = _moved(model, identity, generator, random)
        background = torch.from_numpy(random.uniform(0, 0.6, 3)).float().view(1, 3, 1, 1)
        picture = to_srgb(renderer(vertices, maps, _camera(model, vertices, random), _light(random)).over(background))
        pixels = (picture[0].clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()
        faces = perception.detect(pixels)
        if not faces:
            continue
        points = faces[0].landmarks468
        embedding = perception.identity.embed(picture, torch.from_numpy(points[None, :, :2]).float()).embedding
        rows.append(features(points, embedding[0].numpy(), basis))
        truth.append(np.concatenate([identity[0].double().numpy(), _expression(model, vertices, identity)]))
    return np.stack(rows), np.stack(truth)


def _expression(model: EmbeddedFace, vertices: Tensor, identity: Tensor) -> np.ndarray:
    """(E,) nearest to how (1, V, 3) differ from this person at rest, over the face: sliders moved it too."""
    rows = np.nonzero(model.topology.vertex_masks["face"] > 0.5)[0]
    at_rest = model.vertices(identity, identity.new_zeros(1, model.expression_count))
    modes = model.expression_basis[:, rows].double().numpy().reshape(model.expression_count, -1)
    return np.linalg.lstsq(modes.T, (vertices - at_rest)[0, rows].double().numpy().ravel(), rcond=None)[0]


def learn(rows: np.ndarray, truth: np.ndarray, identities: int, ridge: float = RIDGE) -> dict[str, np.ndarray]:
    """(N, F), (N, I + E) -> the asset's tensors. The spread is measured on people kept back, the map fitted to all."""
    back = min(KEPT_BACK, len(rows) // 4)
    mean, usual, weights = _ridge(rows[:-back], truth[:-back], ridge)
    spread = np.square(usual + (rows[-back:] - mean) @ weights - truth[-back:]).mean(0)
    mean, usual, weights = _ridge(rows, truth, ridge)
    scale = np.abs(weights).max()
    return {
        "mean": mean.astype(np.float32),
        "usual": usual.astype(np.float32),
        "weights": (weights / scale).astype(np.float16),
        "scale": np.array([scale], np.float32),
        "spread": np.clip(spread, 0.1, 1.0).astype(np.float32),
        "identities": np.array([identities], np.int32),
    }


def missed(guess: ShapeGuess, rows: np.ndarray, truth: np.ndarray) -> float:
    """(N, F), (N, I + E) -> squared error over the stated one, for the BEST coefficients: 1 when as good as stated."""
    best = np.argsort(guess.spread)[:BEST]
    error = np.square(guess.numbers(rows) - truth).mean(0)
    return float(error[best].mean() / guess.spread[best].mean())


def _ridge(rows: np.ndarray, truth: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> means of rows and truth, weights."""
    mean, usual = rows.mean(0), truth.mean(0)
    away = rows - mean
    return mean, usual, away.T @ np.linalg.solve(away @ away.T + ridge * np.eye(len(away)), truth - usual)


def _moved(model: EmbeddedFace, identity: Tensor, generator: torch.Generator, random: np.random.Generator) -> Tensor:
    """(1, V, 3): with random gaze; a quarter of the people open their mouths, a quarter smile."""
    assert model.arkit_shapes is not None
    shapes = dict(zip(model.arkit_names, model.arkit_shapes, strict=True))
    expression = random_expression(model, 1, generator, float(random.uniform(0.1, 0.6)))
    gaze = torch.from_numpy(np.tile(random.uniform(-0.2, 0.2, 2), (2, 1))).float()[None]
    vertices = model.vertices(identity, expression, gaze)
    if random.random() < 0.25:
        vertices = vertices + float(random.uniform(0.1, 0.6)) * shapes["jawOpen"]
    if random.random() < 0.25:
        smile = shapes["mouthSmileLeft"] + shapes["mouthSmileRight"]
        vertices = vertices + float(random.uniform(0.2, 0.8)) * smile
    return vertices


def _camera(model: EmbeddedFace, vertices: Tensor, random: np.random.Generator) -> Camera:
    distance = float(random.uniform(0.6, 2.0))
    shift = torch.from_numpy(random.uniform(-0.025, 0.025, 3)).float() + torch.tensor([0.0, 0.01, 0.02])
    target = vertices[0, : len(model.topology.vertex_masks["face"])].mean(0) + shift
    angle = 2 * math.degrees(math.atan(0.17 * float(random.uniform(0.9, 1.2)) / distance))
    yaw, pitch = float(random.uniform(-MOST_YAW, MOST_YAW)), float(random.uniform(-MOST_PITCH, MOST_PITCH))
    camera = Camera.facing((SIZE, SIZE), distance, angle, yaw, pitch, target)
    tilt = math.radians(float(random.uniform(-MOST_ROLL, MOST_ROLL)))
    roll = rotation_from_axis_angle(torch.tensor([[0.0, 0.0, tilt]]))
    return replace(camera, rotation=roll @ camera.rotation, translation=(roll @ camera.translation[..., None])[..., 0])


def _light(random: np.random.Generator) -> Tensor:
    """(1, 9): from dim to bright, white or warm, from anywhere in front."""
    exposure = float(np.exp(random.uniform(-0.9, 0.25)))
    lamp = exposure * float(random.uniform(0.3, 1.2))
    direction = random.normal(0, 1, 3) * (0.8, 0.4, 0) + (0, 0.5, 1)
    colour = random.uniform((0.9, 0.85, 0.65), 1.0)
    return torch.tensor([[exposure * float(random.uniform(0.15, 0.8)), lamp, lamp, *colour, *direction]]).float()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.training.build.shape_guess", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="write nothing, and test FILE on new people")
    options = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order
    try:
        people = look_at_people(options.people, options.seed + CHECK_SEED if options.check else options.seed)
    finally:
        torch.set_num_threads(threads)
    if options.check:
        factor = missed(load(options.file), *people)
        counted = f"{len(people[0])} new people: {factor:.2f} of the error that the file says it has"
        sys.stdout.write(f"{counted}, {ALLOWED} are allowed\n")
        return int(factor > ALLOWED)
    learned = learn(*people, embedded.load().identity_count)
    header = {
        "what": "FitDiff: identity and expression of the embedded face from landmarks and the fr_feature embedding, linear",
        "origins": "learned on people that FitDiff makes up and draws",
        "licence": "CC0-1.0",
    }
    tensor_files.write(options.file, learned, header)
    return 0


if __name__ == "__main__":
    sys.exit(main())
