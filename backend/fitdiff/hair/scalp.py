"""Short scalp hair in the photo's colour, behind the photo's hairline: where it grows, which way it lies, and its paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..avatar import Hair, stored
from ..face.brow_hair import brow_hair
from ..face.brows import draw_scalp, with_hair
from ..face.hairline import density, growth, has_hairline
from ..face.model import MorphableModel
from ..render.atlas import Atlas
from ..render.colour import to_linear
from ..render.projection import HeadInPhoto, depth_picture, facing, read_picture, texels_in_picture, unseen_by_camera

FACING = 0.35  # least cosine to the camera of texels that count: near the outline the background shows
LEAST = 1 / 400  # share of all texels that must be visible scalp
COVER = 1.1  # over 1, since the drawn hair is thin in places
DARKEST, PALEST = 0.006, 0.6  # linear, of any channel
RECEDED = np.arange(-0.012, 0.041, 0.002)  # metres, the hairline positions tried; negative lies lower
BEFORE = 0.004  # metres round the hairline that are left out
AHEAD = 0.018  # metres before it that are looked at: brows lie further down
FOREHEAD = (-0.03, -0.018)  # metres inside the hairline, negative before it: where the forehead's skin is its own
SHADED = -0.008  # from here on hair may shade it
BLUR = 100  # of the tile's side: what is coarser is shade
FRINGE = 0.5  # share of what is seen before the hairline: more hair there hides it
SHARE = 0.3  # of the scalp behind the line: less than this covered is bald
LENGTH = 0.006  # metres: shorn, whatever length the photo shows
SEED = 0  # of tufts and bends


@dataclass(frozen=True, eq=False)
class PhotoHair:
    """What the photo shows of the scalp, with its light taken out; colours (3,) linear."""

    colour: Tensor  # of the hair; of the skin where a head is bald
    receding: float = 0.0  # metres by which the hairline has gone back; negative where it lies lower than most
    bald: bool = False


def with_photo_hair(albedo: Tensor, hair: PhotoHair, model: MorphableModel, strength: float = 1.0) -> Tensor:
    """albedo (1, 3, S, S) linear -> the same with this hair where it grows; strength 0 to 1."""

    def cover(receding: float) -> Tensor:
        alpha = draw_scalp(model, COVER, albedo.shape[-1], np.random.default_rng(SEED), receding)
        return torch.from_numpy(alpha).to(albedo)[None, None].clamp(max=1)

    covered = cover(hair.receding)
    grown = growth(model, albedo.shape[-1])
    forehead = torch.from_numpy((grown.recedes > 0.9) & (grown.inside > FOREHEAD[0]) & (grown.inside < FOREHEAD[1]))
    skin = albedo[0, :, forehead.to(albedo.device)].median(1).values
    albedo = _without_shade(albedo, skin, strength * torch.from_numpy(grown.recedes * _ramp(grown.inside)).to(albedo))
    if hair.receding > 0:  # a drawn head may be shorn where this one is bare
        albedo = with_hair(albedo, strength * (2 * cover(0.0)).clamp(max=1) * (1 - covered), skin[None])
    return with_hair(albedo, strength * covered, hair.colour[None])


def _without_shade(albedo: Tensor, skin: Tensor, weight: Tensor) -> Tensor:
    """Hair that hung over the forehead, or a drawn scalp, leaves a soft shade before the line: with this weight (S, S) the
    albedo's low frequencies become this skin's (3,), its detail stays."""
    log = albedo.log()
    low = torch.from_numpy(gaussian_filter(log.cpu().numpy(), (0, 0, *(albedo.shape[-1] / BLUR,) * 2))).to(albedo)
    return (log + weight * (skin.log()[None, :, None, None] - low)).exp()


def _ramp(inside: np.ndarray) -> np.ndarray:
    """0 on the forehead, 1 at the hairline."""
    return np.clip((inside - FOREHEAD[1]) / (SHADED - FOREHEAD[1]), 0, 1)


def stored_hair(hair: PhotoHair | None, model: MorphableModel, size: int) -> tuple[Hair | None, dict[str, np.ndarray]]:
    """What an avatar says of its hair, and the map of it; nothing of none."""
    if hair is None or hair.bald:
        return None, {}
    grown = growth(model, size)
    thick = density(grown, np.random.default_rng(SEED), hair.receding)
    red, green, blue = hair.colour.tolist()
    return Hair(colour=(red, green, blue), length=LENGTH), {"hair": hair_map(grown.direction, thick)}


def hair_map(direction: np.ndarray, thick: np.ndarray) -> np.ndarray:
    """(S, S, 2) unit, (S, S) 0 to 1 -> the picture that an avatar keeps of hair."""
    return stored(np.concatenate([0.5 + 0.5 * direction, thick[..., None]], -1))


def photo_hair(seen: HeadInPhoto, albedo: Tensor, model: MorphableModel, atlas: Atlas) -> PhotoHair | None:
    """The light that falls there is taken out of it. None where the photo shows too little of the scalp. albedo: what
    `seen.fitted` was drawn with."""
    if not has_hairline(model.topology):
        return None
    size = atlas.size
    places = texels_in_picture(atlas, seen.vertices, seen.window)
    in_photo = texels_in_picture(atlas, seen.vertices, seen.camera)
    hair, head = (read_picture(part, places)[:, 0] > 0.5 for part in (seen.hair, seen.head))
    visible = _visible(seen, atlas, places) & _inside(in_photo, seen.photo) & head
    observed = read_picture(to_linear(seen.photo), in_photo)
    own = albedo[0].permute(1, 2, 0)[atlas.covered.to(albedo.device)]
    shading = (read_picture(seen.fitted, places) / own.clamp(min=0.02)).clamp(min=0.05)
    colours = (observed / shading).clamp(min=1e-3)

    grown = growth(model, size)
    covered = atlas.covered.numpy()
    inside, recedes = (torch.from_numpy(x[covered]).to(colours) for x in (grown.inside, grown.recedes))
    scalp = visible & (inside > BEFORE)
    if scalp.sum() < LEAST * size**2:
        return None
    receding = _receding(hair, inside, visible & (recedes > 0.5) & (inside > -AHEAD))
    behind = scalp & (inside > receding * recedes + BEFORE)
    bald = not behind.any() or bool(hair[behind].float().mean() < SHARE)
    telling = scalp & ~hair if bald else behind & hair
    colour = colours[telling].median(0).values.clamp(DARKEST, PALEST)
    return PhotoHair(_possible(colour), 0.0 if bald else receding, bald)


def _receding(hair: Tensor, inside: Tensor, front: Tensor) -> float:
    """Metres by which the hairline that parts hair from skin best lies behind the usual one; 0 where a fringe or a hat hides
    it. All (M,): which texels show hair, metres inside the usual line, which lie about it and are seen."""
    before = front & (inside < RECEDED[0])
    if not before.any() or hair[before].float().mean() > FRINGE:
        return 0.0
    wrong = [(hair != (inside > line))[front].sum().item() for line in RECEDED]
    return float(RECEDED[int(np.argmin(wrong))])


def hair_like_brows(albedo: Tensor, model: MorphableModel) -> PhotoHair | None:
    """albedo (1, 3, S, S) linear, the finished face. Where a photo ends at the forehead, or a hat begins there, hair is thought
    to be as the brows are and to begin where it usually does. None where brows are too pale to tell, and faces without."""
    brows = brow_hair(model, albedo[0].permute(1, 2, 0).cpu().numpy())
    return None if brows is None else PhotoHair(albedo.new_tensor(brows.colour).clamp(DARKEST, PALEST))


def _possible(colour: Tensor) -> Tensor:
    """(3,): from white over yellow and brown to black, no hair is greener than red or bluer than green. Light of a strong
    colour, taken out of pale hair, would leave the opposite of it."""
    red, green, blue = colour.unbind()
    return torch.stack([torch.maximum(red, green), green, torch.minimum(blue, green)])


def _visible(seen: HeadInPhoto, atlas: Atlas, places: Tensor) -> Tensor:
    """(M,) bool: texels that the photo shows, or whatever lies on them."""
    projected = seen.window.project(seen.vertices[None])
    depth = depth_picture(seen.face, projected.screen[0], projected.depth[0], seen.triangles)
    towards = facing(atlas, seen.vertices, seen.normals, seen.camera)[:, 0]
    hidden = unseen_by_camera(atlas, seen.vertices, depth, seen.window)[:, 0]
    return (towards > FACING) & ~hidden & _inside(places, seen.fitted)


def _inside(places: Tensor, picture: Tensor) -> Tensor:
    """(M, 2) pixels, (1, C, H, W) -> (M,) bool: beyond a picture's edge lies nothing, least of all hair."""
    edge = places.new_tensor(picture.shape[:1:-1])
    return ((places > 1) & (places < edge - 1)).all(1)
