"""From a photo's hair to a groom: where it is, how far it stands from the head, its guides, and their colour."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..avatar import Groom
from ..face.hairline import has_hairline
from ..perception.analyse import Analysis
from ..render.camera import Camera
from .colour import hair_colour
from .field import see_field
from .grow import HANGS, grow
from .head_shape import head_shape
from .style import see_style
from .volume import hair_volume

STRANDS, SHORT_STRANDS = 60_000, 100_000  # of a head of long hair, and of short hair, through which skin would show
RADIUS, SHORT_RADIUS = (0.00005, 0.00002), (0.00005, 0.000035)  # metres, at root and tip
CLUMP, FRIZZ = 0.35, 0.0008  # how far strands draw together, and metres by which they wander


def groom_of(
    analysis: Analysis, posed: Tensor, neutral: Tensor, camera: Camera, light: list[float], seed: int = 0
) -> Groom | None:
    """posed, neutral (V, 3) metres: the head as it lies in the photo, and at rest; light: the photo's nine numbers.

    None where the photo shows no hair, and for face models whose hairline is not known.
    """
    if not has_hairline(analysis.model.topology):
        return None
    pixels = analysis.photo.pixels
    shape = head_shape(analysis.model, posed, neutral, camera)
    field = see_field(pixels, analysis.parting, analysis.face.landmarks468)
    volume = hair_volume(shape, field)
    if not volume.seen.any():
        return None
    style = see_style(field, float(volume.lowest.max()))
    guides = grow(shape, volume, field, style.points, np.random.default_rng(seed))
    if guides is None:
        return None
    colour = hair_colour(guides.points, shape, volume, field, pixels, np.array(light))
    count, short = len(guides.root), volume.lowest.max() < HANGS
    moved = shape.neutral[guides.root] - shape.place[guides.root]
    return Groom(
        points=(guides.points + moved[:, None]).astype(np.float32),
        uv=shape.uv[guides.root].astype(np.float32),
        kind=np.zeros(count, np.uint8),
        side=guides.side,
        strands=np.full(count, (SHORT_STRANDS if short else STRANDS) // count, np.uint16),
        clump=np.full(count, CLUMP, np.float32),
        frizz=np.full(count, FRIZZ, np.float32),
        curl=np.tile(np.array([style.radius, style.length], np.float32), (count, 1)),
        melanin=colour.melanin.astype(np.float32),
        redness=colour.redness.astype(np.float32),
        grey=colour.grey.astype(np.float32),
        tint=colour.tint.astype(np.float32),
        radius=np.array(SHORT_RADIUS if short else RADIUS, np.float32),
    )
