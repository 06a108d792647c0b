"""The maps of a head's regions, and reading them at the visible pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..topology import REGIONS
from . import texture
from .interpolate import Fragments
from .mesh import MeshTables


class Maps(NamedTuple):
    """The maps of one region of the head; B or 1 of each, square or not, of any size."""

    diffuse: Tensor  # (B, 3, H, W) linear RGB
    specular: Tensor  # (B, 1 or 3, H, W) data, 0.5 is skin
    normal: Tensor  # (B, 3, H, W) tangent-space vectors, not 0.5 + 0.5 n
    occlusion: Tensor | None = None  # (B, 1, H, W), 1 is open
    translucency: Tensor | None = None  # (B, 1, H, W), 0 is opaque

    @property
    def flat(self) -> bool:
        """Whether the normal map is one texel that points straight up, so that tangents are not needed."""
        return self.normal.shape[2:] == (1, 1) and not (self.normal.requires_grad or bool(self.normal[:, :2].any()))

    def detached(self) -> Maps:
        """The same without gradients, for losses that must not change the maps."""
        occlusion, translucency = (
            part if part is None else part.detach() for part in (self.occlusion, self.translucency)
        )
        return Maps(self.diffuse.detach(), self.specular.detach(), self.normal.detach(), occlusion, translucency)

    @staticmethod
    def plain(diffuse: tuple[float, float, float], specular: float = 0.5, like: Tensor | None = None) -> Maps:
        """One colour, one gloss, no relief: maps of a single texel, on the device and in the dtype of `like`."""
        like = torch.empty(0) if like is None else like
        return Maps(*(like.new_tensor(x).view(1, -1, 1, 1) for x in (diffuse, [specular], [0.0, 0.0, 1.0])))


UNPAINTED = {
    "skin": ((0.50, 0.31, 0.24), 0.5),
    "eyes": ((0.70, 0.68, 0.66), 0.15),
    "teeth": ((0.78, 0.71, 0.60), 0.6),
    "mouth": ((0.24, 0.07, 0.06), 0.5),
}
"""Linear colour and gloss of regions without maps."""


class Painted(NamedTuple):
    """The maps' values at every visible pixel, M rows; the fields of Maps."""

    diffuse: Tensor  # (M, 3)
    specular: Tensor  # (M, 1 or 3)
    normal: Tensor  # (M, 3), as long as the map's
    occlusion: Tensor  # (M, 1)
    translucency: Tensor  # (M, 1)


def read(maps: Mapping[str, Maps], fragment: Fragments, uv: Tensor, mesh: MeshTables, mipmaps: bool) -> Painted:
    """uv (M, 2) inside each pixel's tile; the fragments must be sorted by region."""
    count = torch.bincount(mesh.region.index_select(0, fragment.face), minlength=len(REGIONS)).tolist()
    parts, start = [], 0
    for name, seen in zip(REGIONS, count, strict=True):
        if seen:
            own = maps.get(name) or Maps.plain(*UNPAINTED[name], like=uv)
            parts.append(_read_region(own, _rows(fragment, start, seen), uv[start : start + seen], mesh, mipmaps))
        start += seen
    if not parts:
        return Painted(*(uv.new_zeros(0, width) for width in (3, 1, 3, 1, 1)))
    coloured = max(part.specular.shape[1] for part in parts)
    parts = [part._replace(specular=part.specular.expand(-1, coloured)) for part in parts]
    return Painted(*(torch.cat([one.T for one in column], 1).T for column in zip(*parts, strict=True)))


def _rows(fragment: Fragments, start: int, count: int) -> Fragments:
    return Fragments(*(values[start : start + count] for values in fragment))


def _read_region(maps: Maps, fragment: Fragments, uv: Tensor, mesh: MeshTables, mipmaps: bool) -> Painted:
    """Maps of one size are read together, so that addresses are computed once."""
    groups = defaultdict(list)
    for name, one in zip(Maps._fields, maps, strict=True):
        if one is not None:
            groups[one.shape[0], one.shape[2], one.shape[3]].append((name, one))
    found = {"occlusion": torch.ones_like(uv[:, :1]), "translucency": torch.zeros_like(uv[:, :1])}
    for (_, height, width), members in groups.items():
        level = None
        if mipmaps and height * width > 1:
            level = texture.level_of(
                mesh.uv_area.index_select(0, fragment.face) * (height * width), fragment.area.abs()
            )
        stacked = torch.cat([one for _, one in members], 1)
        values = texture.sample(stacked, uv, fragment.image, level)
        split = values.split([one.shape[1] for _, one in members], 1)
        found.update(zip([name for name, _ in members], split, strict=True))
    return Painted(**found)
