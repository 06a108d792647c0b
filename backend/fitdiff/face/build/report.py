"""Measure the committed face: what its components reproduce, what shows, how fast it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..arkit import ARKIT_NAMES, from_arkit, to_arkit
from ..closest import Surface
from ..embedded import EmbeddedFace, compose
from ..people import random_expression, random_identity
from ..storage import load_model
from .assemble import METRES, ORIGIN, carried_people, importance
from .hm08 import Hm08
from .ict import Ict
from .leaks import LeakCheck
from .mouth import seal
from .parts import build_inner
from .registration import similarity
from .statistics import artist_components
from .surface import build_head

PEOPLE, SEED = 20, 7
FITTING, SETTLING, CANDIDATES = 3, 2, 10
RIDGE = 1e-2  # square millimetres, over all points, per squared standard deviation: only against a singular system
LEAK_PEOPLE, BLINK_PEOPLE, LEAK_SHARE = 200, 100, 2e-4
SLIDER_FACES, UNITS_AT_ONCE = 200, 6
REPEATS = 15
MILLIMETRES = 1e3


def report(hm08: Hm08, ict: Ict, path: Path, say: Callable[[str], None]) -> str:
    """Markdown."""
    model = compose(load_model(path))
    say("laying hm08 on ICT's neutral, for the artist's people")
    _, eyes = build_inner(ict)
    centres = np.stack([eyes["eye_left"], eyes["eye_right"]])
    head, lips = seal(build_head(hm08, ict, list(centres)))
    people = carried_people(head, hm08, centres).sealed(lips).surface
    artists = artist_components(people, importance(head)) * METRES
    own = model.identity_basis[:, : len(head.vertices)].double().numpy()
    bases = {
        f"{len(own)} components": own,
        "40 components": own[:40],
        f"{len(artists)} of the artist targets alone": artists,
        "none (the mean)": own[:0],
    }
    lines = ["| basis | mean mm | p95 mm |", "|---|---|---|"]
    for name, basis in bases.items():
        say(f"{PEOPLE} ICT people by {name}")
        distance = identity_distances(model, ict, basis)
        lines.append(f"| {name} | {distance.mean():.2f} | {np.percentile(distance, 95):.2f} |")
    say("52 units")
    lines += ["", *unit_lines(model, ict)]
    say(f"{SLIDER_FACES} faces from sliders and back")
    lines += ["", *slider_lines(model)]
    say(f"{LEAK_PEOPLE} people from the front")
    lines += ["", *leak_lines(model)]
    say("speed")
    lines += ["", *speed_lines(model), "", f"File: {path.stat().st_size / 1e6:.2f} MB, {len(model.mean)} vertices."]
    return "\n".join(lines)


def identity_distances(model: EmbeddedFace, ict: Ict, basis: np.ndarray) -> np.ndarray:
    """(PEOPLE, face vertices) millimetres from the fitted face to the surface of random ICT people, all modes."""
    weights = np.random.default_rng(SEED).normal(size=(PEOPLE, len(ict.identity)))
    triangles = ict.triangles("skin")
    rows = np.nonzero(model.topology.vertex_masks["face"] > 0.5)[0]
    mean, fields = model.mean.double().numpy()[rows], basis[:, rows]
    system = fields.reshape(len(basis), mean.size) * MILLIMETRES
    normal = system @ system.T + RIDGE * np.eye(len(basis))
    rest = Surface((ict.neutral - ORIGIN) * METRES, triangles, CANDIDATES)
    _, found, barycentric, _ = rest.closest(mean)
    distances = []
    for person in weights:
        target = Surface((ict.neutral + np.tensordot(person, ict.identity, 1) - ORIGIN) * METRES, triangles, CANDIDATES)
        # First to the points that the mean lies on, then to the nearest ones.
        placed = (target.corners[found] * barycentric[..., None]).sum(1)
        shape = mean
        for turn in range(FITTING + SETTLING):
            if turn >= FITTING:
                placed = target.closest(_onto(shape, placed))[0]
            scale, rotation, shift = similarity(shape, placed)
            wanted = ((placed - shift) @ rotation / scale - mean).ravel() * MILLIMETRES
            shape = mean + np.tensordot(np.linalg.solve(normal, system @ wanted), fields, 1)
        distances.append(target.closest(_onto(shape, placed))[3] * MILLIMETRES)
    return np.array(distances)


def _onto(shape: np.ndarray, placed: np.ndarray) -> np.ndarray:
    scale, rotation, shift = similarity(shape, placed)
    return scale * shape @ rotation.T + shift


def unit_lines(model: EmbeddedFace, ict: Ict) -> list[str]:
    """How far the mean face in every unit lies from ICT's neutral in the same unit."""
    assert model.arkit_shapes is not None
    rows = np.nonzero(model.topology.vertex_masks["face"] > 0.5)[0]
    mean, shapes = model.mean.double().numpy()[rows], model.arkit_shapes[:, rows].double().numpy()
    triangles = ict.triangles("skin")
    found = {}
    for name, shape in zip(ARKIT_NAMES, shapes, strict=True):
        field = ict.arkit(name)
        if field is not None:
            target = Surface((ict.neutral + field - ORIGIN) * METRES, triangles)
            found[name] = target.closest(mean + shape)[3] * MILLIMETRES
    rest = Surface((ict.neutral - ORIGIN) * METRES, triangles).closest(mean)[3] * MILLIMETRES
    everything = np.stack(list(found.values()))
    worst = sorted(found, key=lambda name: -found[name].mean())[:3]
    named = ", ".join(f"{name} {found[name].mean():.2f}" for name in worst)
    return [
        "| shape | mean mm | p95 mm |",
        "|---|---|---|",
        f"| neutral | {rest.mean():.2f} | {np.percentile(rest, 95):.2f} |",
        f"| {len(found)} units | {everything.mean():.2f} | {np.percentile(everything, 95):.2f} |",
        f"| furthest: {named} | | |",
    ]


def slider_lines(model: EmbeddedFace) -> list[str]:
    """Faces made of a few ARKit units each: as expression components, and those as sliders again."""
    assert model.arkit_shapes is not None
    random = np.random.default_rng(SEED)
    live = [row for row, name in enumerate(ARKIT_NAMES) if name != "tongueOut"]
    weights = np.zeros((SLIDER_FACES, len(ARKIT_NAMES)))
    for row in weights:
        row[random.choice(live, UNITS_AT_ONCE, replace=False)] = random.uniform(0, 1, UNITS_AT_ONCE)
    rows = model.topology.vertex_masks["face"] > 0.5
    shapes, basis = (field[:, rows].double().numpy() for field in (model.arkit_shapes, model.expression_basis))
    expression = from_arkit(model, weights)
    meant, fitted = np.tensordot(weights, shapes, 1), np.tensordot(expression, basis, 1)
    back = np.tensordot(to_arkit(model, expression), shapes, 1)

    def millimetres(field: np.ndarray) -> str:
        return f"{np.linalg.norm(field, axis=-1).mean() * MILLIMETRES:.2f}"

    return [
        f"| {SLIDER_FACES} faces of {UNITS_AT_ONCE} units | mean mm |",
        "|---|---|",
        f"| how far they move | {millimetres(meant)} |",
        f"| units to {model.expression_count} components | {millimetres(fitted - meant)} |",
        f"| components to sliders | {millimetres(back - fitted)} |",
        f"| there and back | {millimetres(back - meant)} |",
    ]


def leak_lines(model: EmbeddedFace) -> list[str]:
    generator = torch.Generator().manual_seed(SEED)
    identity = random_identity(model, LEAK_PEOPLE, generator)
    expression = random_expression(model, LEAK_PEOPLE, generator)
    check = LeakCheck(model)
    blinks = [ARKIT_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
    lines = ["| seen from | heads | something through the skin | largest share of the picture |", "|---|---|---|---|"]
    with torch.no_grad():
        faces = model.vertices(identity, expression)
        for name, yaw in (("the front", 0.0), ("35 degrees aside", 35.0)):
            outside = check(faces, yaw).outside
            lines.append(f"| {name} | {LEAK_PEOPLE} | {(outside > LEAK_SHARE).sum()} | {100 * outside.max():.3f} % |")
        few = identity[:BLINK_PEOPLE]
        asleep = torch.stack([model.shapes_on(one)[blinks].sum(0) for one in few]) + model.vertices(few)
        seen = check(asleep)
    lines.append(
        f"| eyes shut (front) | {BLINK_PEOPLE} | {(seen.outside > LEAK_SHARE).sum()} "
        f"| {100 * seen.outside.max():.3f} %; of the eyeballs {100 * seen.eyes.max():.3f} % |"
    )
    return lines


def speed_lines(model: EmbeddedFace) -> list[str]:
    lines = ["| vertices() | forward ms | forward and backward ms |", "|---|---|---|"]
    generator = torch.Generator().manual_seed(SEED)
    for batch in (1, 16):
        inputs = [random_identity(model, batch, generator), random_expression(model, batch, generator)]
        inputs.append(torch.zeros(batch, 2, 2))
        live = [value.requires_grad_() for value in inputs]
        forward, both = [], []
        for _ in range(REPEATS):
            started = time.perf_counter()
            out = model.vertices(*live)
            forward.append(time.perf_counter() - started)
            torch.autograd.grad(out.sum(), live)
            both.append(time.perf_counter() - started)
        lines.append(
            f"| batch {batch} | {1e3 * statistics.median(forward):.1f} | {1e3 * statistics.median(both):.1f} |"
        )
    return lines
