"""From a photo's hair to a groom: where it is, how far it stands from the head, its guides, and their colour."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..avatar import Groom
from ..avatar.groom_rules import KINDS
from ..face.hairline import has_hairline
from ..perception.analyse import Analysis
from ..render.camera import Camera
from .beard import grow_beard
from .colour import HairColour, as_dark_as, cropped, hair_colour
from .field import see_field
from .grow import HANGS, grow
from .head_shape import head_shape
from .pigment import WHITE, reflectance
from .scalp import DARKEST, PALEST, PhotoHair
from .style import see_style
from .volume import hair_volume

STRANDS, SHORT_STRANDS = 60_000, 100_000  # of a head of long hair, and of short hair, through which skin would show
RADIUS, SHORT_RADIUS = (0.00005, 0.00002), (0.00006, 0.00004)  # metres, at root and tip
NEIGHBOURS, THINNED = 6, (0.8, 4.0)  # guides that are compared; bounds of how much denser strands stand
BEARD_STRANDS = 19_000
CLUMP = 0.35  # how far a beard's strands draw together
FRIZZ, BEARD_FRIZZ = 0.0008, 0.0012  # metres by which strands wander


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
    random = np.random.default_rng(seed)
    style = see_style(field, float(volume.lowest.max()))
    short = bool(volume.lowest.max() < HANGS)
    grown = {
        "scalp": grow(shape, volume, field, style, random) if volume.seen.any() else None,
        "beard": grow_beard(shape, volume, field, style.points, random),
    }
    parts = {kind: guides for kind, guides in grown.items() if guides is not None}
    if not parts:
        return None
    strands = {"scalp": SHORT_STRANDS if short else STRANDS, "beard": BEARD_STRANDS}
    share = {"scalp": field.hair, "beard": field.beard}
    colours: list[HairColour] = []
    for kind, guides in parts.items():
        tint = colours[0].tint if colours else None
        colours.append(hair_colour(guides.points, shape, volume, field, share[kind], pixels, np.array(light), tint))
    if len(parts) == 2 and cropped(parts["scalp"].points):
        colours[0] = as_dark_as(*colours)

    def each(values: Mapping[str, float]) -> np.ndarray:
        return np.concatenate([np.full(len(guides.root), values[kind]) for kind, guides in parts.items()])

    root = np.concatenate([guides.root for guides in parts.values()])
    points = np.concatenate([guides.points for guides in parts.values()])
    per_guide = [strands[kind] * guides.density * _thinned(guides.points) for kind, guides in parts.items()]
    curl = np.array([style.radius, style.length]) * each({"scalp": 1.0, "beard": 0.0})[:, None]
    return Groom(
        points=(points + (shape.neutral[root] - shape.place[root])[:, None]).astype(np.float32),
        uv=shape.uv[root].astype(np.float32),
        kind=each({kind: KINDS.index(kind) for kind in parts}).astype(np.uint8),
        side=np.concatenate([guides.side for guides in parts.values()]),
        strands=np.concatenate(per_guide).astype(np.uint16),
        clump=each({"scalp": style.clump, "beard": CLUMP}).astype(np.float32),
        frizz=each({"scalp": FRIZZ, "beard": BEARD_FRIZZ}).astype(np.float32),
        curl=curl.astype(np.float32),
        melanin=np.concatenate([colour.melanin for colour in colours]).astype(np.float32),
        redness=np.concatenate([colour.redness for colour in colours]).astype(np.float32),
        grey=np.concatenate([colour.grey for colour in colours]).astype(np.float32),
        tint=colours[0].tint.astype(np.float32),
        radius=np.array(SHORT_RADIUS if short else RADIUS, np.float32),
    )


def painted_scalp(groom: Groom) -> PhotoHair | None:
    """The paint that hides skin between the strands, in their colour; None where no hair grows on the scalp."""
    scalp = groom.kind == KINDS.index("scalp")
    if not scalp.any():
        return None
    melanin, redness = (np.median(values[scalp], 0).mean() for values in (groom.melanin, groom.redness))
    white = groom.grey[scalp].mean()
    colour = (1 - white) * reflectance(melanin, redness) + white * reflectance(np.asarray(WHITE), np.asarray(0.0))
    return PhotoHair(torch.tensor(np.clip(colour * groom.tint, DARKEST, PALEST), dtype=torch.float32))


def _thinned(points: np.ndarray) -> np.ndarray:
    """(G, P, 3) -> (G,) each guide's share of the strands: more where guides part, as at the whorl, so that no skin shows."""
    distance, near = cKDTree(points[:, 0]).query(points[:, 0], k=min(NEIGHBOURS + 1, len(points)))
    parts = points[:, [points.shape[1] * k // 4 for k in (1, 2, 3)]]
    apart = np.linalg.norm(parts[near[:, 1:]] - parts[:, None], axis=-1).mean(1).max(-1)
    parted = apart / distance[:, 1:].mean(1).clip(1e-4)
    weight = np.clip(parted, *THINNED)
    return np.asarray(weight / weight.sum())
