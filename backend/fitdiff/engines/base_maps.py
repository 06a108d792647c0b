"""A head's maps between the renderer and the avatar folder, and the maps of a head whose skin nobody has fitted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..avatar import linear_from_srgb, stored, stored_diffuse
from ..face.appearance import PLAIN, Paint, head_maps
from ..face.model import MorphableModel
from ..face.skin import HAEMOGLOBIN, MELANIN, has_skin_basis, load_skin
from ..render.maps import UNPAINTED, Maps

EYE_SIZE = 512  # of a stored map: the iris is an eighth of it


def mean_albedo(model: MorphableModel, melanin: float = 0.0, haemoglobin: float = 0.0) -> Tensor:
    """(1, 3, S, S) linear: the mean skin with these pigments; one colour for models with a layout of their own."""
    if has_skin_basis(model):
        skin = load_skin()
        coefficients = torch.zeros(1, skin.count)
        coefficients[0, 0], coefficients[0, 1] = melanin, haemoglobin
        return skin.albedo(coefficients)
    plain = np.array(UNPAINTED["skin"][0]) * np.exp(melanin * MELANIN + haemoglobin * HAEMOGLOBIN)
    return torch.from_numpy(plain).float().view(1, 3, 1, 1).expand(1, 3, PLAIN, PLAIN).clamp(0, 0.95)


def base_maps(
    model: MorphableModel, melanin: float, haemoglobin: float, iris: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """All maps of an avatar, 8 bits, as it stores them; iris (3,) linear, None for brown eyes."""
    with torch.no_grad():
        skin = mean_albedo(model, melanin, haemoglobin)
        paint = Paint(None if iris is None else skin.new_tensor(iris)[None])
        return stored_maps(head_maps(model, skin, paint, EYE_SIZE))


def stored_maps(maps: Mapping[str, Maps]) -> dict[str, np.ndarray]:
    """The first person of what the renderer reads -> an avatar's 8-bit maps."""

    def picture(values: Tensor) -> np.ndarray:
        return values[0].detach().double().cpu().numpy().transpose(1, 2, 0)

    skin = maps["skin"]
    result = {
        "diffuse": stored_diffuse(picture(skin.diffuse)),
        "specular": stored(picture(skin.specular).mean(-1)),
        "normal": stored(picture(skin.normal) * 0.5 + 0.5),
    }
    for region in ("eyes", "teeth", "mouth"):
        if region in maps:
            result[f"{region}_diffuse"] = stored_diffuse(picture(maps[region].diffuse))
    return result


def renderable(maps: Mapping[str, np.ndarray], like: Tensor) -> dict[str, Maps]:
    """An avatar's 8-bit maps -> what the renderer reads, region by region."""

    def picture(values: np.ndarray) -> Tensor:
        values = values[..., None] if values.ndim == 2 else values
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None].to(like)

    skin = Maps(
        picture(linear_from_srgb(maps["diffuse"] / 255.0)),
        picture(maps["specular"] / 255.0),
        picture(maps["normal"] / 255.0 * 2 - 1),
    )
    result = {"skin": skin}
    for region in ("eyes", "teeth", "mouth"):
        if f"{region}_diffuse" in maps:
            diffuse = picture(linear_from_srgb(maps[f"{region}_diffuse"] / 255.0))
            result[region] = Maps.plain(*UNPAINTED[region], like=like)._replace(diffuse=diffuse)
    return result
