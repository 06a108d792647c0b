"""The instant engine: camera, shape, expression, gaze from landmarks; light and tone from bare skin. No optimisation
over pixels: well under two seconds, the fallback and the baseline of all others."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from ..avatar import Avatar, avatar_from_model
from ..avatar.convert import (
    EYE_SIZE,
    camera_to_avatar,
    light_to_avatar,
    maps_from_avatar,
    maps_to_avatar,
    stored_traced,
)
from ..face.appearance import Paint, head_maps
from ..face.mean_skin import mean_albedo
from ..face.model import MorphableModel
from ..fitting.evidence import Evidence, read_evidence
from ..fitting.initial_light import initial_light
from ..fitting.iris_colour import iris_colour
from ..fitting.light_guess import UNKNOWN, LightGuess
from ..hair.drawing import posed_strands, with_hair
from ..hair.groom import groom_of, painted_scalp
from ..hair.scalp import PhotoHair, with_photo_hair
from ..perception import Perception
from ..perception.analyse import Analysis, crop_camera
from ..perception.pose_fit import refuse_unclear
from ..progress import Progress, Report, silent
from ..render.camera import Camera
from ..render.maps import UNPAINTED, Maps
from ..render.preview import over_photo
from ..render.renderer import Renderer, Rendering

NAME = "landmarks"
STAGES = ("camera and shape", "skin and light", "eyes and expression", "hair", "picture")


@dataclass(frozen=True)
class LandmarkSettings:
    preview_side: int = 1024  # pixels, long side of the picture over the photo


def check(model: MorphableModel, perception: Perception) -> None:
    """It takes any face, and needs no weights of its own."""


def settings() -> LandmarkSettings:
    return LandmarkSettings()


def reconstruct(
    analysis: Analysis, settings: LandmarkSettings | None = None, seed: int = 0, report: Report = silent
) -> Avatar:
    """What perception saw -> an avatar. Deterministic: the seed is only written down.

    Raises `face-unclear` where the landmarks do not agree with any face, so that nothing could be built on them.
    """
    settings = settings or LandmarkSettings()
    clock = _Clock(report)
    model, pose = analysis.model, analysis.pose
    refuse_unclear(pose)
    clock.done()

    like = model.mean
    identity, expression = (torch.as_tensor(values).to(like) for values in (pose.identity, pose.expression))
    vertices = model.vertices(identity[None], expression[None])
    renderer = Renderer(model.topology).to(like.device)
    camera = pose.camera(like.dtype, like.device)
    evidence = read_evidence(analysis)
    guess, own = _light(evidence, renderer, vertices, camera).shared(evidence.hints)
    clock.done()

    gaze = evidence.gaze[0].to(like)
    arkit = _sliders(analysis, pose.expression)
    iris = iris_colour(analysis.photo.pixels, analysis.face, analysis.mask.eyes_shown)
    clock.done()

    vertices = model.vertices(identity[None], expression[None], gaze[None])
    neutral = model.vertices(identity[None])
    groom = groom_of(analysis, vertices[0], neutral[0], camera, guess.numbers, seed)
    scalp = None if groom is None else painted_scalp(groom)
    maps = _base_maps(model, guess.melanin, guess.haemoglobin, own, iris, scalp)
    maps |= stored_traced(model.topology, neutral[0])
    clock.done()

    shown, light = maps_from_avatar(maps, vertices), vertices.new_tensor([guess.numbers])
    strands = None if groom is None else posed_strands(groom, neutral[0].numpy(), vertices[0].numpy())

    def draw(view: Camera) -> Rendering:
        drawn = renderer(vertices, shown, view, light)
        return with_hair(strands, drawn, vertices[0], renderer.mesh.triangles, view, guess.numbers)

    preview = over_photo(analysis.photo.pixels, settings.preview_side, camera, draw)
    clock.done(preview)
    return avatar_from_model(
        model,
        identity=identity,
        expression=expression,
        gaze=gaze,
        arkit=arkit,
        light=light_to_avatar(guess.numbers),
        camera=camera_to_avatar(camera),
        maps=maps,
        groom=groom,
        engine=NAME,
        seed=seed,
        settings={
            **asdict(settings),
            "focal_source": pose.focal_source,
            "melanin": guess.melanin,
            "haemoglobin": guess.haemoglobin,
        },
        metrics={
            "landmarks_median_percent": pose.median_percent,
            "landmarks_mean_percent": pose.mean_percent,
            "landmarks_inliers": pose.inlier_fraction,
        },
        timings=clock.seconds,
        preview=preview,
        photo=analysis.photo.pixels,
    )


class _Clock:
    """Times the stages and reports each when it is done."""

    def __init__(self, report: Report) -> None:
        self.report, self.seconds, self.started = report, {}, time.perf_counter()  # type: ignore[var-annotated]

    def done(self, preview: np.ndarray | None = None) -> None:
        step = len(self.seconds)
        now = time.perf_counter()
        self.seconds[STAGES[step]] = now - self.started
        self.started = now
        self.report(Progress(STAGES[step], step + 1, len(STAGES), preview))


def _sliders(analysis: Analysis, expression: np.ndarray) -> dict[str, float]:
    model = analysis.model
    if model.arkit_shapes is None or not model.arkit_names or model.expression_count == 0:
        return {}
    from ..face.arkit import named, to_arkit

    return {name: weight for name, weight in named(to_arkit(model, expression)).items() if name in model.arkit_names}


def _base_maps(
    model: MorphableModel,
    melanin: float,
    haemoglobin: float,
    own: np.ndarray,
    iris: np.ndarray | None = None,
    scalp: PhotoHair | None = None,
) -> dict[str, np.ndarray]:
    """All maps of an avatar, 8 bits, as it stores them; own (3,): the skin's tint beyond its pigments; iris (3,) linear, None
    for brown eyes; scalp: painted under hair."""
    with torch.no_grad():
        skin = mean_albedo(model, melanin, haemoglobin)
        skin = (skin * skin.new_tensor(own)[None, :, None, None]).clamp(0, 0.95)
        skin = skin if scalp is None else with_photo_hair(skin, scalp, model)
        paint = Paint(None if iris is None else skin.new_tensor(iris)[None])
        return maps_to_avatar(head_maps(model, skin, paint, EYE_SIZE))


@torch.no_grad()
def _light(evidence: Evidence, renderer: Renderer, vertices: Tensor, camera: Camera) -> LightGuess:
    """The posed head's normals and mean skin where the mask sees bare skin, held against the photo's colours there."""
    albedo = mean_albedo(evidence.model).to(vertices)
    skin = Maps.plain(*UNPAINTED["skin"], like=vertices)._replace(diffuse=albedo)
    window = crop_camera(camera, evidence.crop)
    rendering = renderer(vertices, {"skin": skin}, window, vertices.new_tensor([UNKNOWN.numbers]))
    return initial_light(rendering, evidence.photo.to(vertices), evidence.bare.to(vertices), evidence.hints)
