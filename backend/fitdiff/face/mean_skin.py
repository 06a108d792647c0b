"""The mean skin, darker or redder, for heads whose own skin is not known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..render.maps import UNPAINTED
from .appearance import PLAIN
from .model import MorphableModel
from .skin import HAEMOGLOBIN, MELANIN, has_skin_basis, load_skin


def mean_albedo(model: MorphableModel, melanin: float = 0.0, haemoglobin: float = 0.0) -> Tensor:
    """(1, 3, S, S) linear: the mean skin with these pigments; one colour for models that the skin basis does not fit."""
    if has_skin_basis(model):
        skin = load_skin()
        coefficients = torch.zeros(1, skin.count)
        coefficients[0, 0], coefficients[0, 1] = melanin, haemoglobin
        return skin.albedo(coefficients)
    plain = np.array(UNPAINTED["skin"][0]) * np.exp(melanin * MELANIN + haemoglobin * HAEMOGLOBIN)
    return torch.from_numpy(plain).float().view(1, 3, 1, 1).expand(1, 3, PLAIN, PLAIN).clamp(0, 0.95)
