"""Avatar: the result of every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from .groom import Groom
from .manifest import Manifest
from .mesh import AvatarMesh


@dataclass(frozen=True, eq=False)
class Avatar:
    """One reconstructed head, with everything that Blender needs to build it.

    Pictures are (H, W) or (H, W, 3) arrays, uint8 or uint16, row 0 at the top (v = 1), as they are stored: `diffuse`
    and every map whose name ends in `_diffuse` in sRGB, all others as data, normals as 0.5 + 0.5 n.
    """

    manifest: Manifest
    mesh: AvatarMesh
    maps: Mapping[
        str, np.ndarray
    ]  # "diffuse", "specular", "normal", "eyes_diffuse", "teeth_diffuse", "mouth_diffuse", ...
    preview: np.ndarray | None = None  # (H, W, 3) uint8 sRGB: the render over the photo
    photo: np.ndarray | None = None  # (H, W, 3) uint8 sRGB: the upright photo that the camera belongs to
    groom: Groom | None = None  # hair and beard in strands
    notes: tuple[str, ...] = ()  # sentences about what was guessed, for the caller; not written to the folder

    def with_timings(self, seconds: Mapping[str, float]) -> Avatar:
        """The same avatar with the seconds of these stages added."""
        timings = {**self.manifest.timings, **{stage: float(value) for stage, value in seconds.items()}}
        return replace(self, manifest=msgspec.structs.replace(self.manifest, timings=timings))
