"""Hold a head's hair against the photo's: its outline, what it leaves uncovered, the way it runs, and its colour."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_closing

from ..avatar import Avatar
from ..avatar.convert import camera_from_avatar, light_from_avatar
from ..colour import linear_from_srgb
from ..hair.field import see_field
from ..perception.analyse import Analysis
from ..perception.parting import PARTS
from ..pictures.relight import Head, backdrop, portrait
from ..render.preview import to_bytes
from .map_figures import lab

SIDE = 512  # pixels of the photo's long side at which hair is compared
HALF, COVERED = 0.5, 0.3  # shares of a pixel from which it is of the hair in the photo, and in the drawing
LEAST = 0.01  # of the pixels: a photo with less hair, on a head without, has nothing to compare
CHIN = 152  # of FaceMesh's points
CLOSED = 2  # pixels: gaps between strands that are not holes
SURE = 0.5  # of a line's direction in the photo
TURNS = (-90, 180)  # degrees, of the pictures to look at
ROOM, FINER = 2.0, 2  # of the head's larger side; how many times larger they are drawn
STUDIO, LAMP = (0.5, 0.7, 0.7, 1.0, 1.0, 1.0), (-0.4, 0.6, 0.7)  # light numbers, and the lamp's way from the camera


def hair_figures(
    avatar: Avatar, analysis: Analysis, mask: NDArray[np.floating] | None = None
) -> dict[str, float | None]:
    """mask (h, w) 0 to 1: where the photo shows hair, as another eye than the parting has it; None: the parting's own.

    outline     IoU of head and hair in the photo's view, drawn and seen. Skin counts down to the chin, since necks end
                where meshes do; hair counts all the way
    uncovered   share of the photo's hair that no hair lies on
    direction   degrees between drawn and seen lines, median where both are sure
    colour      CIE76 between the middle colours of both, in the photo's light
    """
    height, width = analysis.photo.pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = (round(height * scale), round(width * scale))
    camera = camera_from_avatar(avatar).resized(size)
    head = Head(avatar)
    bald = Head(avatar, hair=False).draw(camera)
    skull = bald.alpha[0, 0].numpy() > HALF
    rows, columns = np.indices(size)
    places = np.stack([columns + 0.5, rows + 0.5], -1) / scale
    shares = analysis.parting.at(places, 1 / scale)
    share = dict(zip(PARTS, shares, strict=True))
    seen = share["hair"] > HALF
    if mask is not None:
        seen = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)) > HALF
        seen &= share["beard"] + share["brows"] < HALF  # such masks hold both at times
    above = rows < scale * analysis.face.landmarks468[CHIN, 1]
    face = (share["skin"] + share["brows"] + share["beard"] + share["glasses"] > HALF) & above
    if avatar.groom is None:
        if seen.mean() < LEAST:
            return {}
        covered = np.zeros(size, bool)
    else:
        drawn = head.draw_hair(bald, camera, light_from_avatar(avatar))
        covered = binary_closing(drawn.alpha > COVERED, iterations=CLOSED)
    figures: dict[str, float | None] = {
        "outline": _overlap(covered | (skull & above), seen | face),
        "bald_outline": _overlap(skull & above, seen | face),
        "uncovered": float((seen & ~covered).sum() / max(seen.sum(), 1)),
        "direction": None,
        "colour": None,
    }
    if avatar.groom is None:
        return figures
    field = see_field(analysis.photo.pixels, analysis.parting, analysis.face.landmarks468)
    both = seen & (drawn.alpha > 0.8) & (share["hair"] > 0.8)
    strength = np.linalg.norm(drawn.way, axis=-1) / drawn.alpha.clip(1e-3)
    sure = both & (field.at(field.sure, places) > SURE) & (strength > SURE)
    if sure.sum() > 100:
        way = np.stack([field.at(field.way[..., k], places) for k in range(2)], -1)
        cosine = np.abs(
            (way * drawn.way).sum(-1) / (np.linalg.norm(way, axis=-1) * np.linalg.norm(drawn.way, axis=-1)).clip(1e-9)
        )
        figures["direction"] = float(np.median(np.degrees(np.arccos(cosine[sure].clip(0, 1)))))
    if both.sum() > 100:
        small = np.asarray(Image.fromarray(analysis.photo.pixels).resize(size[::-1], Image.Resampling.BOX)) / 255.0
        mine = drawn.image[both] / drawn.alpha[both][:, None]
        colours = [np.median(values, 0).astype(np.float32) for values in (linear_from_srgb(small[both]), mine)]
        figures["colour"] = float(np.linalg.norm(lab(colours[0]) - lab(colours[1])))
    return figures


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def hair_views(avatar: Avatar, side: int) -> list[NDArray[np.uint8]]:
    """(side, side, 3) uint8 each, with room for hair: in the photo's view and light; under a studio's lamp turned by each of
    TURNS."""
    head = Head(avatar)
    camera = portrait(avatar, side * FINER, ROOM)
    row = []
    for turn in (0, *TURNS):
        view = head.turned(camera, turn) if turn else camera
        light = None if not turn else [*STUDIO, *(view.rotation[0].T @ torch.tensor(LAMP)).tolist()]
        large = to_bytes(head.draw(view, light, shadowed=True).over(backdrop()))[0]
        row.append(np.asarray(Image.fromarray(large).resize((side, side), Image.Resampling.BOX)))
    return row
