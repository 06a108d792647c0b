"""What comes out of a fit: the finished maps, and the avatar with its figures and its preview."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..avatar import Avatar, Groom, Hair, avatar_from_model
from ..avatar.convert import camera_to_avatar, light_to_avatar, maps_from_avatar, maps_to_avatar
from ..face.appearance import EYE_MAP
from ..face.arkit import named, to_arkit
from ..face.brows import brow_places
from ..face.hairline import has_hairline
from ..face.skin import relief
from ..hair.brows import stored_brows
from ..hair.drawing import posed_strands, with_hair
from ..hair.groom import groom_of
from ..hair.scalp import hair_like_brows, photo_hair, stored_hair, with_photo_hair
from ..render.atlas import Atlas
from ..render.camera import Camera
from ..render.geometry import vertex_normals
from ..render.preview import over_photo
from ..render.projection import HeadInPhoto, seen_texels
from ..render.renderer import Rendering
from ..resize import resized
from .energy import drawn_over, metrics
from .evidence import Evidence
from .finish import finished_albedo
from .folds import bare_skin, read_folds
from .head import DARKEST, MAP_SIZE, PALEST, FitHead
from .settings import FitSettings
from .shine import own_shine
from .tooth_shade import tooth_shade

HAIR_UNSEEN = (
    "The photo does not show the hair: it is given the brows' colour and a usual hairline.",
    "The photo does not show the hair, and the brows are too pale to go by: the head is bald.",
)


class Finished(NamedTuple):
    """An avatar's 8-bit maps, its hair, and notes of what was guessed."""

    maps: dict[str, np.ndarray]
    hair: Hair | None
    notes: tuple[str, ...]


@torch.no_grad()
def finished_maps(head: FitHead, evidence: Evidence, size: int) -> Finished:
    """size: of the skin's maps, texels."""
    atlas = head.atlas if size == MAP_SIZE else Atlas(head.model.topology, size)
    prior, fitted = head.prior(size), head.albedo()
    seen = _in_photo(head, evidence, evidence.analysis.image)
    albedo = finished_albedo(seen, prior, fitted, head.beyond(), head.likeness, atlas).clamp(DARKEST, PALEST)
    normal = _relief(head, albedo, prior)
    if head.likeness > 0:
        bare = seen_texels(seen, atlas, seen.skin) * bare_skin(head.model.topology, size).to(albedo)
        folds = read_folds(albedo, prior, head.likeness * bare)
        normal = F.normalize(normal + folds.bend, dim=1)
        albedo = (albedo * folds.paint.exp()).clamp(DARKEST, PALEST)
    painted = head.maps(albedo, normal, EYE_MAP)
    specular, found, notes = painted["skin"].specular, None, []
    if head.likeness > 0:
        shade = tooth_shade(evidence.photo, evidence.inside, evidence.tone, head.rendered())
        whiter = painted["teeth"].diffuse * shade.view(1, 3, 1, 1)
        painted["teeth"] = painted["teeth"]._replace(diffuse=whiter.clamp(max=PALEST))
        places = torch.from_numpy(brow_places(head.model.topology, size)).to(albedo)[None, None]
        specular = own_shine(specular, albedo, places)
        found = photo_hair(seen, fitted, head.model, head.atlas)
        if found is None and has_hairline(head.model.topology):
            found = hair_like_brows(albedo, head.model)
            notes.append(HAIR_UNSEEN[found is None])
        if found is not None:
            albedo = with_photo_hair(albedo, found, head.model, head.likeness)
    hair, where = stored_hair(found, head.model, size)
    skin = painted["skin"]._replace(diffuse=albedo, specular=specular)
    return Finished(maps_to_avatar(painted | {"skin": skin}) | where, hair, tuple(notes))


def _in_photo(head: FitHead, evidence: Evidence, photo: Tensor) -> HeadInPhoto:
    vertices, rendering = head.vertices(), head.rendered()
    return HeadInPhoto(
        photo=photo,
        camera=head.camera(),
        window=head.window(),
        skin=evidence.skin,
        features=torch.maximum(evidence.eyes, evidence.mouth),
        hair=evidence.hair,
        head=evidence.head,
        face=rendering.face,
        fitted=rendering.image,
        vertices=vertices[0],
        normals=vertex_normals(vertices, head.renderer.mesh)[0],
        triangles=head.renderer.mesh.triangles,
    )


@torch.no_grad()
def shown_texels(head: FitHead, evidence: Evidence) -> Tensor:
    """(1, 1, MAP_SIZE, MAP_SIZE) how far the photo shows each texel."""
    seen = _in_photo(head, evidence, evidence.photo)
    return seen_texels(seen, head.atlas, torch.maximum(seen.skin, seen.features))


def _relief(head: FitHead, albedo: Tensor, prior: Tensor) -> Tensor:
    """The normal map: a drawn skin's own, bent further by what the photo adds to its colour."""
    if head.drawn is None:
        return relief(albedo)
    added = relief(albedo / prior) * albedo.new_tensor([1.0, 1.0, 0.0]).view(1, 3, 1, 1)
    return F.normalize(resized(head.drawn.normal.to(albedo), albedo.shape[-1]) + added, dim=1)


@torch.no_grad()
def avatar_of(
    head: FitHead,
    evidence: Evidence,
    finished: Finished,
    engine: str,
    seed: int,
    settings: FitSettings,
) -> Avatar:
    analysis = evidence.analysis
    identity, expression, gaze = (values[0].cpu() for values in (head.identity, head.expression, head.gaze))
    maps, hair, notes = finished
    brows, where = stored_brows(head.model, maps["diffuse"])
    with torch.no_grad():
        neutral = head.model.vertices(head.identity)[0]
        groom = groom_of(analysis, head.vertices()[0], neutral, head.camera(), head.light[0].tolist(), seed)
    avatar = avatar_from_model(
        analysis.model,
        identity=identity,
        expression=expression,
        gaze=gaze,
        arkit=named(to_arkit(analysis.model, expression.numpy())),
        light=light_to_avatar(head.light[0].tolist()),
        camera=camera_to_avatar(head.camera().to("cpu")),
        maps=maps | where,
        hair=hair,
        brows=brows,
        groom=groom,
        engine=engine,
        seed=seed,
        settings=flattened(asdict(settings)),
        metrics=metrics(drawn_over(evidence, head.rendered(), head.vertices(), head.window()), evidence),
        preview=_preview(head, analysis.photo.pixels, maps, settings.preview_side, groom, neutral),
        photo=analysis.photo.pixels,
    )
    return replace(avatar, notes=notes)


def _preview(
    head: FitHead, pixels: np.ndarray, maps: dict[str, np.ndarray], side: int, groom: Groom | None, neutral: Tensor
) -> np.ndarray:
    """(H, W, 3) uint8: the head with its finished maps and its hair over the photo, no side longer than this."""
    shown, vertices, light = maps_from_avatar(maps, head.light), head.vertices(), head.light[0].tolist()
    strands = None if groom is None else posed_strands(groom, neutral.cpu().numpy(), vertices[0].cpu().numpy())

    def draw(view: Camera) -> Rendering:
        drawn = head.renderer(vertices, shown, view, head.light, head.shade)
        return with_hair(strands, drawn, vertices[0], head.renderer.mesh.triangles, view, light)

    return over_photo(pixels, side, head.camera(), draw)


def flattened(settings: dict) -> dict:
    """Nested settings flattened to names with dots, as the manifest keeps them."""
    flat: dict = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": v for inner, v in flattened(value).items()}
        else:
            flat[name] = value
    return flat
