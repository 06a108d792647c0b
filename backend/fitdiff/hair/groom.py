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
from .grow import grow
from .head_shape import head_shape
from .volume import hair_volume

STRANDS = 60_000  # of a head of hair
RADIUS = (0.00004, 0.000015)  # metres, at root and tip
CLUMP, FRIZZ = 0.35, 0.0012  # of hair that nothing else is known of; frizz in metres


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
    guides = grow(shape, volume, field, np.random.default_rng(seed))
    if guides is None:
        return None
    colour = hair_colour(guides.points, shape, volume, field, pixels, np.array(light))
    count = len(guides.root)
    moved = shape.neutral[guides.root] - shape.place[guides.root]
    return Groom(
        points=(guides.points + moved[:, None]).astype(np.float32),
        uv=shape.uv[guides.root].astype(np.float32),
        kind=np.zeros(count, np.uint8),
        side=guides.side,
        strands=np.full(count, STRANDS // count, np.uint16),
        clump=np.full(count, CLUMP, np.float32),
        frizz=np.full(count, FRIZZ, np.float32),
        curl=np.zeros((count, 2), np.float32),
        melanin=colour.melanin.astype(np.float32),
        redness=colour.redness.astype(np.float32),
        grey=colour.grey.astype(np.float32),
        tint=colour.tint.astype(np.float32),
        radius=np.array(RADIUS, np.float32),
    )
