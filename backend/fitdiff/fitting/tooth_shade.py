"""The teeth's shade, read between the lips and compared with the model's teeth in the fitted light.

One colour for all teeth, within the range of real ones. The photo itself is not painted on them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..render.colour import to_linear
from ..render.renderer import Rendering
from ..topology import REGIONS

LEAST = 60  # pixels of tooth, in the photo and on the head
BRIGHT = 0.4  # of the skin's brightness: darker is the mouth behind the teeth
PALE = 0.7  # of the skin's red over blue: redder are lips, gums and tongue
BETTER_LIT = 0.5  # share of the pixels that is compared: what the lips do not shade
LIGHTNESS = (0.8, 1.05)  # times the model's teeth, of shade A1: from A3 to bleached
BLUE = (0.88, 1.07)  # times blue beside that: teeth are more or less yellow, and nothing else


@torch.no_grad()
def tooth_shade(photo: Tensor, inside: Tensor, skin_tone: tuple[float, float, float], rendering: Rendering) -> Tensor:
    """photo (1, 3, h, h) sRGB, inside (1, 1, h, h) what lies between the lips, the skin's linear colour in the photo, the
    head as it is drawn there -> (3,) linear factors for the colour of the model's teeth; 1 where few are seen."""
    tone = photo.new_tensor(skin_tone)
    seen = to_linear(photo)[0].permute(1, 2, 0)[inside[0, 0] > 0.99]
    red_over_blue = seen[:, 0] / seen[:, 2].clamp(min=1e-3)
    tooth = (seen.mean(1) > BRIGHT * tone.mean()) & (red_over_blue < PALE * tone[0] / tone[2].clamp(min=1e-3))
    teeth = rendering.surface.region == REGIONS.index("teeth")
    drawn = rendering.image.permute(0, 2, 3, 1).reshape(-1, 3)[rendering.pixel[teeth]]
    if min(int(tooth.sum()), len(drawn)) < LEAST:
        return torch.ones_like(tone)
    ratio = _better_lit(seen[tooth]) / _better_lit(drawn.clamp(max=1)).clamp(min=1e-3)
    lightness = (ratio[0] * ratio[1]).sqrt()
    blue = (ratio[2] / lightness).clamp(*BLUE)
    return lightness.clamp(*LIGHTNESS) * torch.stack([torch.ones_like(blue), torch.ones_like(blue), blue])


def _better_lit(colours: Tensor) -> Tensor:
    """(N, 3) -> (3,) the median of the brighter ones."""
    brightness = colours.mean(1)
    bright = brightness >= torch.quantile(brightness, BETTER_LIT)
    return torch.from_numpy(np.median(colours[bright].cpu().numpy(), axis=0)).to(colours)
