"""Maps for a head whose skin nobody has fitted: the mean skin with the right pigments, painted eyes, teeth and mouth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..avatar import linear_from_srgb, stored, stored_diffuse
from ..face.embedded import EmbeddedFace
from ..face.eyes import eye_map
from ..face.model import MorphableModel
from ..face.skin import HAEMOGLOBIN, MELANIN, load_skin, relief
from ..render.maps import UNPAINTED, Maps

PLAIN = 64  # side of a map that holds one colour


def mean_albedo(model: MorphableModel, melanin: float = 0.0, haemoglobin: float = 0.0) -> Tensor:
    """(1, 3, S, S) linear: the mean skin with these pigments; one colour for models with a layout of their own."""
    if isinstance(model, EmbeddedFace):
        skin = load_skin()
        coefficients = torch.zeros(1, skin.count)
        coefficients[0, 0], coefficients[0, 1] = melanin, haemoglobin
        return skin.albedo(coefficients)
    plain = np.array(UNPAINTED["skin"][0]) * np.exp(melanin * MELANIN + haemoglobin * HAEMOGLOBIN)
    return torch.from_numpy(plain).float().view(1, 3, 1, 1).expand(1, 3, PLAIN, PLAIN).clamp(0, 0.95)


def base_maps(model: MorphableModel, melanin: float, haemoglobin: float) -> dict[str, np.ndarray]:
    """All maps of an avatar, 8 bits, as it stores them."""
    albedo = mean_albedo(model, melanin, haemoglobin)
    normal = relief(albedo) if isinstance(model, EmbeddedFace) else torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    normal = normal.expand(1, 3, *albedo.shape[2:])
    maps = {
        "diffuse": stored_diffuse(_picture(albedo)),
        "specular": stored(np.full((PLAIN, PLAIN), UNPAINTED["skin"][1])),
        "normal": stored(0.5 + 0.5 * _picture(normal)),
    }
    painted: Mapping[str, np.ndarray] = model.extras if isinstance(model, EmbeddedFace) else {}
    for region in ("eyes", "teeth", "mouth"):
        if f"map.{region}" in painted:
            maps[f"{region}_diffuse"] = np.asarray(painted[f"map.{region}"])
        elif region == "eyes" and isinstance(model, EmbeddedFace):
            maps["eyes_diffuse"] = stored_diffuse(eye_map())
        else:
            maps[f"{region}_diffuse"] = stored_diffuse(np.broadcast_to(UNPAINTED[region][0], (PLAIN, PLAIN, 3)))
    return maps


def renderable(maps: Mapping[str, np.ndarray], like: Tensor) -> dict[str, Maps]:
    """An avatar's 8-bit maps -> what the renderer reads, region by region."""

    def linear(name: str) -> Tensor:
        return _tensor(linear_from_srgb(maps[name] / np.float32(255)), like)

    skin = Maps(
        linear("diffuse"),
        _tensor(maps["specular"][..., None] / np.float32(255), like),
        _tensor(maps["normal"] / np.float32(255) * 2 - 1, like),
    )
    others = {
        region: Maps.plain(*UNPAINTED[region], like=like)._replace(diffuse=linear(f"{region}_diffuse"))
        for region in ("eyes", "teeth", "mouth")
    }
    return {"skin": skin, **others}


def _picture(maps: Tensor) -> np.ndarray:
    return maps[0].permute(1, 2, 0).numpy()


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None].to(like)
