"""Take out of a sampled skin the light that guidance has painted into it.

A dark chin can come from dark skin or from a lamp overhead, and guidance moves both at once. Pigment does not depend on which
way the skin faces, light does. So the part of a sample's difference from the unguided skin that follows the surface's normal
is shading: it is taken out, and the light has to explain it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..face.model import MorphableModel
from ..render.atlas import Atlas
from ..render.geometry import vertex_normals
from ..render.mesh import MeshTables
from ..resize import resized

SIZE = 128  # texels: light is broad
DARKEST = 0.004
FORWARD = 0.2  # least cosine to straight ahead of texels that count: a photo hardly shows the others
SCALP = 0.3  # share of scalp above which a texel is left out: hair may cover it
OUTLIER = 0.15  # log albedo: larger differences are features, such as a brow or a beard
ROUNDS = 6
SHARE = 0.5  # of the shading is taken out: nine light numbers cannot explain all that a real room does to a face


@torch.no_grad()
def deshade(skin: Tensor, unguided: Tensor, model: MorphableModel, mesh: MeshTables) -> Tensor:
    """skin, and the same person's unguided skin, (1, 3, S, S) linear ->
    skin of the same tone with less shading. mesh: the model's."""
    atlas = Atlas(model.topology, SIZE)
    rest = model.vertices(*(skin.new_zeros(1, count) for count in (model.identity_count, model.expression_count)))
    normals = vertex_normals(rest, mesh)[0]
    covered = atlas.covered.to(skin.device)
    apart = [resized(maps, SIZE).clamp(min=DARKEST).log().mean(1)[0][covered] for maps in (skin, unguided)]
    told = _told(model, atlas, normals)
    slope = _slope(atlas.gather(normals), apart[0] - apart[1], told)
    shading = SHARE * (normals @ slope)[:, None]
    tone = (atlas.gather(shading)[:, 0] * told).sum() / told.sum()
    return skin * resized(atlas.bake(tone - shading), skin.shape[-1]).exp()


def _told(model: MorphableModel, atlas: Atlas, normals: Tensor) -> Tensor:
    """(M,) 1 for texels that count: in front and not scalp."""
    told = atlas.gather(normals[:, 2:])[:, 0] > FORWARD
    if (scalp := model.topology.vertex_masks.get("scalp")) is not None:  # other faces' may be unknown
        told &= atlas.gather(torch.from_numpy(scalp).to(normals)[:, None])[:, 0] < SCALP
    return told.to(normals)


def _slope(normals: Tensor, apart: Tensor, weight: Tensor) -> Tensor:
    """(3,): how the difference grows with each component of the normal. Features weigh less (Geman-McClure), round by
    round."""
    terms = torch.cat([torch.ones_like(normals[:, :1]), normals], 1).double()
    apart, trust = apart.double(), weight.double()
    found = terms.new_zeros(4)
    for _ in range(ROUNDS):
        weighted = terms * trust[:, None]
        found = torch.linalg.solve(terms.T @ weighted, weighted.T @ apart)
        trust = weight / (1 + ((apart - terms @ found) / OUTLIER).square()).square()
    return found[1:].to(normals)
