"""A head's maps between the renderer and the avatar folder, and the maps of a head whose skin nobody has fitted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..avatar import linear_from_srgb, stored, stored_diffuse
from ..face.appearance import head_maps, toned_skin
from ..face.model import MorphableModel
from ..render.maps import UNPAINTED, Maps

EYE_SIZE = 512  # of a stored map: the iris is an eighth of it


def base_maps(model: MorphableModel, tone: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """As an avatar stores them. tone: linear RGB albedo of cheek skin."""
    with torch.no_grad():
        return stored_maps(head_maps(model, toned_skin(model, model.mean.new_tensor([tone])), eye_size=EYE_SIZE))


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
