"""Short hair over the scalp in the colour that the photo shows there: all that a head without strands can have of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..face import texels
from ..face.brows import draw_scalp, with_hair
from ..face.topology import Topology
from ..likeness.detail import depth_picture, facing, read_photo, texels_in_photo, unseen_by_camera
from ..likeness.finish import Explained
from ..render.atlas import Atlas
from ..render.colour import to_linear

FACING = 0.35  # cosine to the camera from which on a texel tells: past the outline lies what is behind the head
LEAST = 1 / 400  # of all texels: so much scalp has to be seen
COVER = 1.1  # some of it is thinner by itself
DARKEST, PALEST = 0.006, 0.6  # linear, of any channel
WARM = (0.85, 0.8)  # hair is no less red than this share of its green, and no less green than this of its blue,
REDDEST = 4.0  # and no redder than this times its green: what is, is a hat or what stands behind


def with_photo_hair(albedo: Tensor, colour: Tensor, topology: Topology, strength: float = 1.0) -> Tensor:
    """albedo (1, 3, S, S) linear -> the same with hair of this colour (3,) where it grows; strength 0 to 1."""
    alpha = draw_scalp(topology, COVER, albedo.shape[-1], np.random.default_rng(0))
    cover = strength * torch.from_numpy(alpha).to(albedo)[None, None].clamp(max=1)
    return with_hair(albedo, cover, colour[None])


def hair_colour(seen: Explained, albedo: Tensor, topology: Topology, atlas: Atlas) -> Tensor | None:
    """(3,) linear, with the light taken out of it that falls there; None where the photo shows too little of the scalp or
    what covers it has no colour of hair. A bald head's is its skin's. albedo: what `seen.fitted` was drawn with."""
    size, side = atlas.size, seen.fitted.shape[-1]
    places = texels_in_photo(atlas, seen.vertices, seen.window)
    trust = _scalp_in_view(seen, topology, atlas, places, side)
    if trust.sum() < LEAST * size**2:
        return None
    observed = read_photo(to_linear(seen.photo), texels_in_photo(atlas, seen.vertices, seen.camera))
    own = albedo[0].permute(1, 2, 0)[atlas.covered.to(albedo.device)]
    shading = (read_photo(seen.fitted, places) / own.clamp(min=0.02)).clamp(min=0.05)
    colour = torch.stack([_median(channel, trust) for channel in (observed / shading).unbind(1)])
    colour = colour.clamp(DARKEST, PALEST)
    red, green, blue = colour.tolist()
    hairy = WARM[0] * green <= red <= REDDEST * green and WARM[1] * blue <= green
    return colour if hairy else None


def _scalp_in_view(seen: Explained, topology: Topology, atlas: Atlas, places: Tensor, side: int) -> Tensor:
    """(M,) how far each texel is scalp that the photo shows, as nothing but hair or skin can cover it."""
    mask = texels.bake(topology, topology.vertex_masks["scalp"][:, None].astype(float), atlas.size)[..., 0]
    scalp = torch.from_numpy(mask).to(places)[atlas.covered.to(places.device)]
    projected = seen.window.project(seen.vertices[None])
    depth = depth_picture(seen.face, projected.screen[0], projected.depth[0], seen.triangles)
    towards = facing(atlas, seen.vertices, seen.normals, seen.camera)[:, 0]
    hidden = unseen_by_camera(atlas, seen.vertices, depth, seen.window)[:, 0]
    inside = ((places > 1) & (places < side - 1)).all(1)
    return ((scalp - 0.5) / 0.4).clamp(0, 1) * (towards > FACING) * ~hidden * inside


def _median(values: Tensor, weight: Tensor) -> Tensor:
    order = values.argsort()
    total = weight[order].cumsum(0)
    return values[order][torch.searchsorted(total, 0.5 * total[-1:])[0]]
