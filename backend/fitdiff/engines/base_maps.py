"""Maps for a head whose skin nobody has fitted: the mean skin, brought to a tone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ..avatar import linear_from_srgb, stored, stored_diffuse
from ..face.model import MorphableModel
from ..render.maps import UNPAINTED, Maps

PLAIN = 64  # side of a map that holds one colour


def base_maps(model: MorphableModel, tone: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """As an avatar stores them. tone: linear RGB albedo of cheek skin."""
    extras: Mapping[str, np.ndarray] = getattr(model, "extras", {})
    maps = {
        "diffuse": _flat_diffuse(tone),
        "specular": stored(np.full((PLAIN, PLAIN), UNPAINTED["skin"][1])),
        "normal": stored(np.broadcast_to(np.array([0.5, 0.5, 1.0]), (PLAIN, PLAIN, 3))),
    }
    for region in ("eyes", "teeth", "mouth"):
        painted = extras.get(f"map.{region}")
        maps[f"{region}_diffuse"] = _flat_diffuse(UNPAINTED[region][0]) if painted is None else np.asarray(painted)
    return maps


def renderable(maps: Mapping[str, np.ndarray], like: torch.Tensor) -> dict[str, Maps]:
    """An avatar's 8-bit maps -> what the renderer reads, region by region."""

    def picture(values: np.ndarray) -> torch.Tensor:
        values = values[..., None] if values.ndim == 2 else values
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None].to(like)

    skin = Maps(
        picture(linear_from_srgb(maps["diffuse"] / 255.0)),
        picture(maps["specular"] / 255.0),
        picture(maps["normal"] / 255.0 * 2 - 1),
    )
    result = {"skin": skin}
    for region in ("eyes", "teeth", "mouth"):
        diffuse = picture(linear_from_srgb(maps[f"{region}_diffuse"] / 255.0))
        plain = Maps.plain(*UNPAINTED[region], like=like)
        result[region] = plain._replace(diffuse=diffuse)
    return result


def _flat_diffuse(linear: tuple[float, float, float]) -> np.ndarray:
    return stored_diffuse(np.broadcast_to(np.array(linear), (PLAIN, PLAIN, 3)))
