"""Compare each engine's head with photos without known truth, in the photo's view and in others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..avatar import Avatar
from ..errors import FitDiffError
from ..face.model import MorphableModel
from ..perception.analyse import Analysis, analyse
from ..perception.bundle import Perception
from ..perception.regions import Crop
from ..perception.types import Face
from ..photo import open_photo
from ..pictures.relight import Head
from ..progress import Report, silent
from ..render.colour import to_linear
from . import metrics
from .engine_variants import RunSettings, guides, run
from .recognisers import networks
from .views import BEHIND, FLAT, TURNS, Picture, View, ViewRenderer, as_bytes, views

SHEET_TURN = f"turned_{TURNS[-1]}"


@dataclass(frozen=True)
class EngineResult:
    """One engine's result on one photo: figures for the report, pictures (S, S, 3) uint8 by name."""

    figures: dict[str, Any]
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    neutral: NDArray[np.floating] | None = None  # (V, 3) metres: the head at rest, where the face model has regions


@dataclass(frozen=True)
class PhotoResult:
    name: str  # the file's name, without its folder
    engines: dict[str, EngineResult]
    error: dict[str, Any] | None = None
    look_seconds: float | None = None  # finding the face, its pose and masks, shared by all engines
    embeddings: dict[str, Tensor] = field(default_factory=dict)  # of the whole photo, by network


class Reference:
    """One photo for comparison: the crop, its masks, and every recogniser's embedding."""

    def __init__(self, analysis: Analysis) -> None:
        mask = analysis.mask
        self.analysis, self.crop = analysis, mask.crop
        self.photo = torch.from_numpy(self.crop.read(analysis.photo.pixels)).permute(2, 0, 1)[None].float()
        self.skin = torch.from_numpy(mask.skin)[None, None]
        # Recognisers see eyes and teeth too; only covers are left out.
        inside = np.maximum.reduce([mask.face, mask.eyes, mask.mouth_inner])
        self.inside = torch.from_numpy(inside)[None, None]
        face = analysis.face
        self.landmarks468 = self.crop.inside(face.landmarks468)
        self.landmarks68 = self.crop.inside(face.landmarks68)
        self.interocular = face.interocular / self.crop.step
        self.networks = networks(analysis.perception)
        self.whole = metrics.embeddings(self.networks, self.photo, self.landmarks468)
        self.masked = metrics.embeddings(self.networks, metrics.on_grey(self.photo, self.inside), self.landmarks468)
        self.lit_from_left = metrics.lit_from_left(to_linear(self.photo), self.skin, self.landmarks468)


def judge_photo(
    path: Path,
    engines: Sequence[str],
    run_settings: RunSettings,
    model: MorphableModel,
    report: Callable[[str], Report] = lambda engine: silent,
    against: Reference | None = None,
) -> PhotoResult:
    """A failure of a photo or an engine is stored as its result, and the others go on.

    against: a photo of the same person without covers, with which whole heads are compared."""
    started = time.perf_counter()
    try:
        analysis = analyse(open_photo(path), model=model)
        _ = analysis.pose, analysis.mask
        seconds = time.perf_counter() - started
        reference = Reference(analysis)
        if against is not None:
            reference.whole = against.whole
    except FitDiffError as error:
        return PhotoResult(path.name, {}, error.to_json())
    results = {}
    for engine in engines:
        try:
            results[engine] = judge_engine(engine, reference, run_settings, report(engine))
        except FitDiffError as error:
            results[engine] = EngineResult({"error": error.to_json()})
    return PhotoResult(path.name, results, None, seconds, reference.whole)


def judge_engine(engine: str, reference: Reference, run_settings: RunSettings, report: Report = silent) -> EngineResult:
    started = time.perf_counter()
    avatar = run(engine, reference.analysis, run_settings, report)
    return judge_avatar(avatar, engine, time.perf_counter() - started, reference)


def judge_avatar(avatar: Avatar, engine: str, seconds: float, reference: Reference) -> EngineResult:
    """seconds: what the engine took for it."""
    studio = ViewRenderer(Head(avatar), reference.crop, reference.photo)
    drawn = {view: studio.draw(view) for view in views(reference.lit_from_left)}
    judged = {view.name: judge_view(view, picture, reference) for view, picture in drawn.items()}
    best = {f"turned_{angle}": _better(judged, f"turned_{angle}") for angle in TURNS}
    by_name = {view.name: picture for view, picture in drawn.items()}
    better = best[SHEET_TURN]
    turned = better["side"] if better else "left"
    overlay = by_name["photo"].overlay
    assert overlay is not None  # the photo's own view has one
    figures = {
        "seconds": seconds,
        "stages": dict(avatar.manifest.timings),
        "guided_by": list(guides(engine, reference.analysis)),
        "own": dict(avatar.manifest.metrics),
        "views": {**judged, **{name: view for name, view in best.items() if view}},
    }
    pictures = {
        "photo": as_bytes(reference.photo),
        "overlay": as_bytes(overlay),
        "alone": as_bytes(by_name["photo"].shown),
        "relit": as_bytes(by_name["relit_shadowed"].shown),
        "flat": as_bytes(by_name["flat"].shown),
        "geometry": studio.geometry(),
        "turned": as_bytes(by_name[f"{SHEET_TURN}_{turned}"].shown),
        "behind": as_bytes(studio.draw(BEHIND).shown),
    }
    return EngineResult(figures, pictures, avatar.mesh.vertices)


def judge_view(view: View, picture: Picture, reference: Reference) -> dict[str, Any]:
    """identity by network: `whole`, the head alone on grey against the photo; `inside`, both under the photo's face
    mask, where the view is the photo's. Landmarks are detected again in the picture; recognisers need a turned head to be
    detected. null: not detected, or not defined for this view."""
    known = reference.landmarks468
    found = _found(picture.plain, reference.analysis.perception, reference.crop) if _must_find(view) else None
    points = known if not view.turn else (found.landmarks468 if found else None)
    whole = inside = None
    if points is not None:
        seen = metrics.embeddings(reference.networks, picture.plain, points)
        whole = metrics.identity(reference.networks, seen, reference.whole)
    if not view.turn:
        masked = metrics.on_grey(picture.plain, reference.inside)
        seen = metrics.embeddings(reference.networks, masked, known)
        inside = metrics.identity(reference.networks, seen, reference.masked)
    judged: dict[str, Any] = {
        "identity": {
            name: {"whole": whole and whole[name], "inside": inside and inside[name]} for name in reference.networks
        },
        "found": None if not _must_find(view) else found is not None,
    }
    if view.name == "photo":
        unit = reference.interocular
        judged["landmarks_percent"] = (
            metrics.landmark_percent(found.landmarks68, reference.landmarks68, unit) if found else None
        )
        judged["mesh_percent"] = metrics.mesh_percent(found.landmarks468, known, unit) if found else None
        compared = picture.plain, reference.photo, reference.skin * picture.alpha
        judged["photometric"] = metrics.photometric(*compared)
        judged["photometric_psnr"] = metrics.photometric_psnr(*compared)
    if view.light == FLAT:
        judged["light"] = "flat"
    elif view.light:
        judged["light"] = "left" if view.light[6] > 0 else "right"
    return judged


def _must_find(view: View) -> bool:
    return view.name == "photo" or view.turn != 0


def _found(picture: Tensor, perception: Perception, crop: Crop) -> Face | None:
    faces = perception.detect(as_bytes(picture))
    return faces[0] if faces else None


def _better(judged: dict[str, dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The side with the smaller distance by the conditioning recogniser; None if neither was found."""

    def figure(side: str) -> float | None:
        return judged[f"{name}_{side}"]["identity"]["dlib"]["whole"]

    sides = [(value, side) for side in ("left", "right") if (value := figure(side)) is not None]
    if not sides:
        return None
    side = min(sides)[1]
    return {"side": side, **judged[f"{name}_{side}"]}
