"""The direct engine: one photo fitted by plain optimisation, no learned generator.

landmarks -> camera, shape, skin, light together (prior) -> the residual albedo (likeness) -> the photo's fine detail.
Reads from top to bottom in that order.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..avatar import Avatar, Light, avatar_from_model, stored, stored_diffuse
from ..errors import FitDiffError
from ..face.appearance import BROWN, EYE_MAP, OILY, SCLERA, Paint, gloss, head_maps, oily_parts
from ..face.arkit import named, to_arkit
from ..face.brows import brow_places
from ..face.skin import SkinBasis, load_skin, relief
from ..likeness.detail import depth_picture, facing, fine_detail, read_photo, texels_in_photo, unseen_by_camera
from ..likeness.residual import Residual, ResidualPriors, residual_prior
from ..likeness.shine import own_shine
from ..likeness.spread import closed, feathered, spread
from ..perception.analyse import Analysis, crop_camera, landmarks_for
from ..perception.facemesh import MIRROR
from ..perception.gaze import gaze_of
from ..perception.landmark_basis import FACE_OVAL
from ..render.atlas import Atlas
from ..render.camera import Camera, rotation_from_axis_angle
from ..render.colour import to_linear, to_srgb
from ..render.geometry import vertex_normals
from ..render.maps import Maps
from ..render.preview import to_bytes
from ..render.renderer import Renderer, Rendering
from . import losses
from .light_guess import guess_light
from .light_hints import light_hints
from .person import stored_camera
from .progress import Progress, Report, silent
from .shadows import Shaded, Shadows
from .shape_prior import expected_shape

NAME = "fit"
MAP_SIZE = 512  # of the optimised albedo; the finished maps may be larger
TONE_SIZE = 32  # texels a side: what of the residual is tone, and may be carried over the head
SETTLING = 60  # steps
EYE_SIZE = 128  # texels while fitting; finished ones are as large as any eye's
ELSEWHERE_SIZE = 192  # pixels of the turned head's picture: recognisers look at no more than 150
CONTOUR = 0.5  # how far the landmarks of the outline are believed: they slide with the view
FLAT = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)


@dataclass(frozen=True)
class Weights:
    photo: float = 5000.0
    landmarks: float = 60 / 0.02**2
    landmarks_end: float = 0.3  # what is left of it in the last step
    identity: float = 60.0
    elsewhere: float = 300.0  # the same recogniser, on the head turned and relit
    shape: float = 0.4
    expression: float = 2.0
    skin: float = 2.0
    light: float = 20.0
    uneven: float = 30.0  # on a room that is brighter from one side than from another
    uneven_tint: float = 300.0
    shine: float = 20.0
    gaze: float = 200.0
    iris: float = 3000.0
    sclera: float = 100.0  # on its tint
    sclera_level: float = 4.0
    residual: ResidualPriors = field(default_factory=ResidualPriors)


@dataclass(frozen=True)
class FitSettings:
    steps: int = 150
    resolution: int = 512  # of the finished maps
    likeness: float = 1.0
    weights: Weights = field(default_factory=Weights)
    identity_from: float = 0.25  # share of the steps after which the recogniser joins
    residual_from: float = 0.2  # share of the steps after which the residual is let go
    occlusion_every: int = 40  # steps between looks at what shades what
    preview_every: int = 25
    preview_side: int = 1024


@dataclass(frozen=True)
class Start:
    """Somebody whom another engine has drawn already: the fit begins there, and only what it moves away costs."""

    identity: Tensor  # (1, I)
    expression: Tensor  # (1, E)
    light: Tensor  # (1, 9)
    skin: SkinBasis  # its mean is the drawn skin
    gloss: Tensor  # (1, 1, S, S)
    normal: Tensor  # (1, 3, S, S) tangent space


def reconstruct(
    analysis: Analysis, settings: FitSettings | None = None, seed: int = 0, report: Report = silent
) -> Avatar:
    """What perception saw -> an avatar. Deterministic for a seed: it chooses where else the recogniser looks from."""
    settings = settings or FitSettings()
    if analysis.pose.verdict == "bad":
        raise FitDiffError(
            "face-unclear",
            "The face cannot be made out well enough to build on: use a sharper photo with the whole face in view.",
            details="; ".join(analysis.pose.reasons),
            data={"reasons": list(analysis.pose.reasons)},
        )
    started = time.perf_counter()
    fit = _Fit(analysis, settings, seed, report)
    ready = time.perf_counter()
    fit.optimise()
    optimised = time.perf_counter()
    maps = fit.finished_maps()
    avatar = fit.avatar(maps, seed)
    finished = time.perf_counter()
    timings = {"look": ready - started, "fit": optimised - ready, "maps": finished - optimised}
    return avatar.with_timings(timings)


class _Fit:
    """The state of one fit: what is known of the photo, what is being solved for, and the steps that solve it."""

    def __init__(
        self, analysis: Analysis, settings: FitSettings, seed: int, report: Report, start: Start | None = None
    ) -> None:
        self.analysis, self.settings, self.report, self.drawn = analysis, settings, report, start
        self.model, self.pose = analysis.model, analysis.pose
        self.renderer = Renderer(self.model.topology)
        self.triangles = torch.from_numpy(self.model.topology.triangles.astype(np.int64))
        self.atlas = Atlas(self.model.topology, MAP_SIZE)
        if start is None:
            self.basis = load_skin()
            self.gloss = torch.from_numpy(gloss(self.model.topology, MAP_SIZE)).float()[None, None]
        else:
            self.basis, self.gloss = start.skin, start.gloss
        self.oily = torch.from_numpy(oily_parts(self.model.topology, MAP_SIZE)).float()[:, None]
        self.chance = torch.Generator().manual_seed(seed)
        self._read_photo()
        self._start()

    # --- what the photo says ------------------------------------------------------------------------------------------

    def _read_photo(self) -> None:
        mask = self.analysis.mask
        self.crop = mask.crop
        self.photo = torch.from_numpy(self.crop.read(self.analysis.photo.pixels)).permute(2, 0, 1)[None].float()
        self.mask = torch.from_numpy(mask.face)[None, None]
        self.eyes = torch.from_numpy(mask.eyes)[None, None]
        self.mouth = torch.from_numpy(np.maximum(mask.mouth_inner, mask.lips))[None, None]
        face = self.analysis.face
        self.seen = {
            name: torch.from_numpy(self.crop.inside(values)).float()
            for name, values in landmarks_for(face, self.model).items()
        }
        self.mesh_points = torch.from_numpy(self.crop.inside(face.landmarks468)).float()[None]
        self.unit = self.pose.interocular / self.crop.step
        self.hints = light_hints(self.analysis)
        self.recogniser = self.analysis.perception.identity
        with torch.no_grad():
            whole, alone = (
                self.recogniser.embed(picture, self.mesh_points).embedding
                for picture in (self.photo, self._on_grey(self.photo, self.mask))
            )
            across = self.mesh_points * torch.tensor([-1.0, 1.0]) + torch.tensor([float(self.crop.size), 0.0])
            self.mirrored = self.recogniser.embed(self.photo.flip(3), across[:, MIRROR]).embedding
        self.wanted = (whole, alone)

    @staticmethod
    def _on_grey(picture: Tensor, mask: Tensor) -> Tensor:
        return picture * mask + 0.5 * (1 - mask)

    # --- what is solved for -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        pose = self.pose

        def free(values: object) -> Tensor:
            return torch.as_tensor(np.asarray(values), dtype=torch.float32).clone().requires_grad_()

        self.identity, self.expression = free(pose.identity[None]), free(pose.expression[None])
        self.expected = expected_shape(self.analysis)
        self.gaze = free(gaze_of(self.analysis.face, pose, self.model)[None])
        self.gaze_start = self.gaze.detach().clone()
        self.turn, self.shift = free(np.zeros(3)), free(np.zeros(3))
        self.skin = free(np.zeros((1, self.basis.count)))
        self.iris, self.sclera = free([BROWN]), free([SCLERA])
        self.shine = free([0.0])  # log factor of the whole gloss: the lamp's highlight is the skin's, not the lamp's
        self.oil = free(np.zeros((len(OILY), 1, 1, 1)))  # the same for parts of the face, beside it
        self.residual = Residual(MAP_SIZE)
        self.light = free([[0.55, 0.65, 0.65, 1.0, 1.0, 1.0, 0.2, 0.5, 0.85]])
        self.uneven = free(np.zeros((8, 3)))
        self.shade = Shaded({"skin": torch.ones(1, 2, 1, 1)}, self.uneven)
        if self.drawn is not None:
            self.identity, self.expression = free(self.drawn.identity), free(self.drawn.expression)
            self.light = free(self.drawn.light)
        if self.drawn is None or self.settings.likeness > 0:
            self._first_light()

    @torch.no_grad()
    def _first_light(self) -> None:
        """Light and tone as the landmark engine guesses them: melanin and haemoglobin for the guessed albedo."""
        plain = self.basis.albedo(self.skin, MAP_SIZE)
        rendering = self.renderer(self._vertices(), self._maps(plain), self._camera(), self.light)
        rows, surface = rendering.pixel, rendering.surface
        pixels = to_linear(self.photo)[0].flatten(1).T[rows]
        front = (surface.normal * surface.view).sum(1).clamp(min=0)
        weight = torch.from_numpy(self.analysis.mask.skin).flatten()[rows] * (surface.region == 0) * front
        weight = weight * (pixels.amax(1) < 0.95)
        guess = guess_light(surface.normal.numpy(), pixels.numpy(), surface.albedo.numpy(), weight.numpy(), self.hints)
        self.light[:] = torch.tensor([guess.numbers])
        self.skin[0, :2] = torch.tensor([guess.melanin, guess.haemoglobin])

    def _vertices(self) -> Tensor:
        return self.model.vertices(self.identity, self.expression, self.gaze)

    def _full_camera(self) -> Camera:
        camera = self.pose.camera()
        turn = rotation_from_axis_angle(self.turn[None])
        distance = camera.translation.norm()
        moved = camera.translation + self.shift * distance
        return Camera(turn @ camera.rotation, moved, camera.focal, camera.principal, camera.size)

    def _camera(self) -> Camera:
        return crop_camera(self._full_camera(), self.crop)

    def _albedo(self) -> Tensor:
        return (self.basis.albedo(self.skin, MAP_SIZE) * (self.settings.likeness * self.residual()).exp()).clamp(
            0.004, 0.97
        )

    def _maps(self, albedo: Tensor, normal: Tensor = FLAT, eyes: int = EYE_SIZE) -> dict[str, Maps]:
        shine = self.shine + (self.oily * self.oil).sum(0, keepdim=True)
        specular = _resized(self.gloss * shine.exp(), albedo.shape[-1])
        paint = Paint(
            iris=self.iris.clamp(0.004, 0.6),
            sclera=self.sclera.clamp(0.05, 0.9),
            specular=specular.clamp(0, 1),
            normal=normal,
        )
        return head_maps(self.model, albedo, paint, eyes)

    def _look_at_shadows(self) -> None:
        """The head's own occlusion of the room and shadow of the lamp, as it lies now."""
        vertices = self._vertices()[0].detach()
        shadows = Shadows(self.model.topology, vertices, self.renderer.mesh, self.atlas)
        self.shade = Shaded(shadows.under(self.light.detach()).reaching, self.uneven)

    # --- the steps ----------------------------------------------------------------------------------------------------

    def optimise(self) -> None:
        steps = self.settings.steps
        groups = [
            {"params": [self.turn, self.shift], "lr": 0.002},
            {"params": [self.identity, self.expression], "lr": 0.004},
            {"params": [self.gaze, self.iris, self.sclera], "lr": 0.01},
            {"params": [self.skin], "lr": 0.05},
            {"params": [self.light, self.shine, self.oil], "lr": 0.015},
            {"params": [self.uneven], "lr": 0.01},
            {"params": list(self.residual.parameters()), "lr": 0.02},
        ]
        optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
        rates = [group["lr"] for group in optimiser.param_groups]
        for step in range(steps):
            share = step / steps
            if step % self.settings.occlusion_every == 0:
                self._look_at_shadows()
            slow = 1.0 if share < 0.5 else 0.1 + 0.45 * (1 - math.cos(2 * math.pi * share))
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * slow
            if share < self.settings.residual_from:
                optimiser.param_groups[-1]["lr"] = 0.0
            optimiser.zero_grad()
            loss, picture = self._loss(step, share)
            loss.backward()
            optimiser.step()
            self._possible_light()
            shown = step == 0 or (step + 1) % self.settings.preview_every == 0
            self.report(Progress("fitting", step + 1, steps, to_bytes(to_linear(picture))[0] if shown else None))
        self._settle_light()

    def _settle_light(self) -> None:
        """The nine numbers that come nearest to the uneven room, which an avatar has no place for."""
        with torch.no_grad():
            rendering = self.renderer(self._vertices(), self._maps(self._albedo()), self._camera(), self.light)
            surface = rendering.surface
            wanted = to_srgb(self.shade(surface, self.light))
            trust = self._visible_mask(rendering).flatten()[rendering.pixel, None]
            start, self.shade = self.light.clone(), Shaded(self.shade.reaching)
        optimiser = torch.optim.Adam([self.light], lr=0.02)
        for _ in range(SETTLING):
            optimiser.zero_grad()
            missed = (trust * (to_srgb(self.shade(surface, self.light)) - wanted).square()).sum() / (trust.sum() + 1)
            (missed + 1e-3 * (self.light - start).square().sum()).backward()
            optimiser.step()
            self._possible_light()

    @torch.no_grad()
    def _possible_light(self) -> None:
        self.light[:, :6].clamp_(min=0.02)
        self.light[:, 2] = self.light[:, 1]  # one lamp: as strong in its highlight as in its light

    def _loss(self, step: int, share: float) -> tuple[Tensor, Tensor]:
        weights = self.settings.weights
        camera, vertices = self._camera(), self._vertices()
        maps = self._maps(self._albedo())
        rendering = self.renderer(vertices, maps, camera, self.light, self.shade)
        rendered = to_srgb(rendering.over(to_linear(self.photo)))
        seen = torch.maximum(self._visible_mask(rendering), 0.5 * self.eyes * rendering.alpha.detach())
        loss = weights.photo * losses.photometric(rendered, self.photo, seen)
        decay = 1 - (1 - weights.landmarks_end) * share
        for name, wanted in self.seen.items():
            projected = camera.project(self.model.landmarks(vertices, name)).screen[0]
            loss = loss + weights.landmarks * decay / len(self.seen) * losses.landmarks(
                projected, wanted, self._trust(name), self.unit
            )
        if share >= self.settings.identity_from and weights.identity:
            alone = step % 2
            mask = (self.mask + self.eyes).clamp(max=1) * rendering.alpha
            shown = rendered * mask + (0.5 if alone else self.photo) * (1 - mask)
            features = self.recogniser.embed(shown, self.mesh_points).embedding
            loss = loss + weights.identity * losses.cosine(features, self.wanted[alone])
            if "facemesh468" in self.seen:  # else nobody knows where the turned face has its eyes
                loss = loss + weights.elsewhere * self._elsewhere(vertices, maps)
        loss = (
            loss
            + weights.shape * self.expected.cost(self.identity)
            + weights.expression * self.expression.square().sum()
        )
        loss = (
            loss + weights.skin * self.skin.square().sum() + weights.light * losses.light_prior(self.light, self.hints)
        )
        loss = loss + residual_prior(self.residual.coarse(), weights.residual)
        loss = loss + losses.uneven_prior(self.uneven, weights.uneven, weights.uneven_tint)
        loss = loss + weights.shine * (self.shine.square().sum() + self.oil.square().sum())
        loss = loss + weights.gaze * (self.gaze - self.gaze_start).square().sum()
        white = (self.sclera.clamp(min=0.02) / self.sclera.new_tensor([SCLERA])).log()
        loss = loss + weights.sclera * (white - white.mean()).square().sum()
        loss = loss + weights.sclera_level * white.mean().square()
        loss = loss + weights.iris * (self.iris - self.iris.new_tensor([BROWN])).square().sum()
        return loss, rendered.detach()

    def _elsewhere(self, vertices: Tensor, maps: dict[str, Maps]) -> Tensor:
        """The recogniser on the head alone, turned at random and lit at random: a likeness that only holds in the photo's
        own view is paint."""
        maps = maps | {"eyes": maps["eyes"].detached()}  # it would colour the iris to be pleased
        yaw = float(torch.empty(()).uniform_(-0.6, 0.6, generator=self.chance))
        camera = self._camera().turned(yaw, vertices[0].detach()).resized((ELSEWHERE_SIZE,) * 2)
        side, up, strength = (float(torch.empty(()).uniform_(-1, 1, generator=self.chance)) for _ in range(3))
        ambient = min(1.0, 0.55 + 0.6 * strength) if strength > 0 else 0.55 + 0.4 * strength  # often no lamp at all
        light = self.light.new_tensor(
            [[ambient, 1.1 - ambient, 1.1 - ambient, 1, 1, 1, 1.2 * side, 0.3 + 0.4 * up, 0.8]]
        )
        rendering = self.renderer(vertices, maps, camera, light)
        points = camera.project(self.model.landmarks(vertices, "facemesh468")).screen.detach()
        picture = to_srgb(rendering.over(self.photo.new_full((1, 3, 1, 1), 0.21)))
        wanted = self.wanted[0]
        if torch.rand((), generator=self.chance) < 0.5:  # the mirror image is as much this person
            picture, points = (
                picture.flip(3),
                points * points.new_tensor([-1, 1]) + points.new_tensor([ELSEWHERE_SIZE, 0]),
            )
            points, wanted = points[:, MIRROR], self.mirrored
        return losses.cosine(self.recogniser.embed(picture, points).embedding, wanted)

    def _visible_mask(self, rendering: Rendering) -> Tensor:
        surface = rendering.surface
        facing_ = (surface.normal * surface.view).sum(1).detach()
        shown = ((facing_ - 0.12) / 0.35).clamp(0, 1) * (surface.region == 0)
        flat = torch.zeros(rendering.face.numel())
        flat[rendering.pixel] = shown
        return self.mask * flat.view(1, 1, *rendering.face.shape[1:])

    def _trust(self, name: str) -> Tensor:
        weight = torch.ones(len(self.seen[name]))
        if name == "facemesh468":
            weight[list(FACE_OVAL)] = CONTOUR
        else:
            weight[:17] = CONTOUR
        return weight

    # --- the finished maps --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def finished_maps(self) -> dict[str, np.ndarray]:
        size = self.settings.resolution
        atlas = self.atlas if size == MAP_SIZE else Atlas(self.model.topology, size)
        vertices, camera = self._vertices()[0], self._full_camera()
        whole = torch.maximum(self.mask, torch.maximum(self.eyes, self.mouth))
        seen = self._seen_texels(atlas, vertices, camera, self.mask)
        outline = closed(self._seen_texels(atlas, vertices, camera, whole), size // 8)
        # The tone is feathered wide: what shades the skin under a fringe is no skin. Features are kept to the mask's edge.
        border = feathered(outline, size // 34)
        soft = border * feathered(seen, size // 256)  # the photo itself is read on skin only: no tooth on a lip
        wide = _resized(feathered(outline, size // 22), TONE_SIZE)
        own = self.residual() * self.settings.likeness
        tone = _resized(own, TONE_SIZE)
        features = _resized(own - _resized(tone, own.shape[-1]), size)
        residual = _resized(spread(tone, wide), size) + features * border
        albedo = self.basis.albedo(self.skin, size) * residual.exp()
        if self.settings.likeness > 0:
            albedo = albedo * (self.settings.likeness * self._photo_detail(atlas, albedo, vertices, camera, soft)).exp()
        albedo = albedo.clamp(0.004, 0.97)
        painted = self._maps(albedo, self._relief(albedo), EYE_MAP)
        specular = painted["skin"].specular
        if self.settings.likeness > 0:
            places = torch.from_numpy(brow_places(self.model.topology, size)).float()[None, None]
            specular = own_shine(specular, albedo, places)
        maps = {
            "diffuse": _stored_colour(albedo),
            "specular": stored(specular[0, 0].numpy()),
            "normal": stored((0.5 + 0.5 * painted["skin"].normal)[0].permute(1, 2, 0).numpy()),
        }
        return maps | {f"{name}_diffuse": _stored_colour(painted[name].diffuse) for name in ("eyes", "teeth", "mouth")}

    def _relief(self, albedo: Tensor) -> Tensor:
        """A drawn skin brings its own; what the photo adds to its colour adds to it."""
        if self.drawn is None:
            return relief(albedo)
        size = albedo.shape[-1]
        added = relief(albedo / self.basis.albedo(self.skin, size)) * albedo.new_tensor([1.0, 1.0, 0.0]).view(
            1, 3, 1, 1
        )
        return F.normalize(_resized(self.drawn.normal, size) + added, dim=1)

    def _seen_texels(self, atlas: Atlas, vertices: Tensor, camera: Camera, shown: Tensor) -> Tensor:
        """(1, 1, S, S) how far the photo shows each texel's skin: mask, angle, and nothing in between."""
        window = crop_camera(camera, self.crop)
        projected = window.project(vertices[None])
        face = self.renderer(vertices[None], {}, window, self.light).face
        depth = depth_picture(face, projected.screen[0], projected.depth[0], self.triangles)
        normals = vertex_normals(vertices[None], self.renderer.mesh)[0]
        angle = ((facing(atlas, vertices, normals, camera) - 0.15) / 0.25).clamp(0, 1)
        mask = read_photo(shown, texels_in_photo(atlas, vertices, window))
        open_ = ~unseen_by_camera(atlas, vertices, depth, window)
        return (2 * atlas.picture(angle * mask * open_)).clamp(
            max=1
        )  # half sure is seen: masks are soft inside as well

    def _photo_detail(self, atlas: Atlas, albedo: Tensor, vertices: Tensor, camera: Camera, soft: Tensor) -> Tensor:
        """Finer than the fit's own picture: read from the photo itself where that is sharper."""
        photo = self.analysis.image
        linear = to_linear(photo)
        places = texels_in_photo(atlas, vertices, camera)
        observed = atlas.picture(read_photo(linear, places))
        # Divide by the shading that the fit has there: what it renders over its albedo, at the same places.
        rendering = self.renderer(vertices[None], self._maps(self._albedo()), self._camera(), self.light, self.shade)
        fitted = read_photo(rendering.image, texels_in_photo(atlas, vertices, self._camera()))
        own = _resized(self._albedo(), albedo.shape[-1])
        shading = atlas.picture(fitted) / own.clamp(min=0.02)
        return fine_detail(observed, albedo * shading, soft, radius=max(3, atlas.size // 100))

    # --- the result ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def avatar(self, maps: dict[str, np.ndarray], seed: int) -> Avatar:
        camera = self._full_camera()
        numbers = self.light[0].tolist()
        colour = np.array(numbers[3:6])
        preview = self._preview(maps, camera)
        return avatar_from_model(
            self.model,
            identity=self.identity[0],
            expression=self.expression[0],
            gaze=self.gaze[0],
            arkit=named(to_arkit(self.model, self.expression[0].numpy())),
            light=Light(
                ambient=numbers[0],
                diffuse=numbers[1],
                specular=numbers[2],
                colour=tuple(colour.tolist()),
                direction=tuple((np.array(numbers[6:]) / np.linalg.norm(numbers[6:])).tolist()),
            ),
            camera=stored_camera(camera),
            maps=maps,
            engine=NAME,
            seed=seed,
            settings=flattened(asdict(self.settings)),
            metrics=self._metrics(),
            preview=preview,
            photo=self.analysis.photo.pixels,
        )

    @torch.no_grad()
    def _metrics(self) -> dict[str, float]:
        rendering = self.renderer(self._vertices(), self._maps(self._albedo()), self._camera(), self.light, self.shade)
        rendered = to_srgb(rendering.over(to_linear(self.photo)))
        mask = (self.mask + self.eyes).clamp(max=1) * rendering.alpha
        features = self.recogniser.embed(self._on_grey(rendered, mask), self.mesh_points).embedding
        name, wanted = next(iter(self.seen.items()))
        projected = self._camera().project(self.model.landmarks(self._vertices(), name)).screen[0]
        missed = (projected - wanted).norm(dim=1)[self._trust(name) == 1]
        return {
            "identity_guide": 1 - float(losses.cosine(features, self.wanted[1])),
            "photometric": float(losses.photometric(rendered, self.photo, self._visible_mask(rendering))),
            "landmarks_mean_percent": 100 * float(missed.mean()) / self.unit,
        }

    def _preview(self, maps: dict[str, np.ndarray], camera: Camera) -> np.ndarray:
        from PIL import Image

        from .base_maps import renderable

        photo, side = self.analysis.photo, self.settings.preview_side
        scale = min(1.0, side / max(photo.width, photo.height))
        width, height = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
        small = np.asarray(Image.fromarray(photo.pixels).resize((width, height), Image.Resampling.LANCZOS))
        background = to_linear(torch.from_numpy(small.transpose(2, 0, 1).copy())[None] / 255.0)
        view = camera.resized((height, width))
        rendering = self.renderer(self._vertices(), renderable(maps, self.light), view, self.light, self.shade)
        return to_bytes(rendering.over(background))[0]


def _resized(maps: Tensor, size: int) -> Tensor:
    if maps.shape[-1] == size:
        return maps
    return F.interpolate(maps, (size, size), mode="bilinear", align_corners=False, antialias=maps.shape[-1] > size)


def _stored_colour(linear: Tensor) -> np.ndarray:
    return stored_diffuse(linear[0].permute(1, 2, 0).numpy())


def flattened(settings: dict) -> dict:
    """Nested settings flattened to names with dots, as the manifest keeps them."""
    flat: dict = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": v for inner, v in flattened(value).items()}
        else:
            flat[name] = value
    return flat
