"""Compare two maps: squared error, PSNR, SSIM, and an albedo's error split into level and hue."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .. import resize
from .metrics import LEAST_ERROR, LUMINANCE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

WINDOW = 1.5  # deviation of SSIM's window, texels
STEADY = (0.01**2, 0.03**2)  # SSIM's constants for values from 0 to 1
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(1)  # D65


def resized(picture: NDArray, size: int) -> Array:
    """(H, W) or (H, W, C) -> (size, size, ...), antialiased."""
    values = torch.from_numpy(np.ascontiguousarray(picture, np.float64))
    planes = values[None] if values.dim() == 2 else values.permute(2, 0, 1)
    planes = resize.resized(planes[None], size)[0]
    return (planes[0] if values.dim() == 2 else planes.permute(1, 2, 0)).numpy()


def likeness(first: Array, second: Array, mask: Mask) -> dict[str, float]:
    """Figures of two maps (H, W) or (H, W, C), values 0 to 1 as stored, over the mask (H, W)."""
    error = max(float(np.square(first - second)[mask].mean()), LEAST_ERROR)
    return {"psnr": -10 * math.log10(error), "ssim": ssim(first, second, mask), "mse": error}


def ssim(first: Array, second: Array, mask: Mask) -> float:
    """Wang's structural similarity with its Gaussian window, channel by channel, averaged over the mask."""
    planes = [picture.reshape(*mask.shape, -1) for picture in (first, second)]

    def blurred(values: Array) -> Array:
        return gaussian_filter(values, (WINDOW, WINDOW, 0), truncate=3.5)

    a, b = planes
    mean_a, mean_b = blurred(a), blurred(b)
    spread_a, spread_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    together = blurred(a * b) - mean_a * mean_b
    one, two = STEADY
    score = (2 * mean_a * mean_b + one) * (2 * together + two)
    score /= (mean_a**2 + mean_b**2 + one) * (spread_a + spread_b + two)
    return float(score[mask].mean())


def lab(linear: Array) -> Array:
    """(..., 3) linear sRGB -> CIE L*a*b* under D65."""
    ratio = linear @ TO_XYZ.T / WHITE
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def albedo_error(found: Array, truth: Array, mask: Mask) -> dict[str, float]:
    """Linear albedo (H, W, 3) on the texels of the mask.

    delta_e  mean CIE76 difference, texel by texel
    level    mean difference of log2 luminance, stops; above 0 where the found skin is too light
    hue      CIE76 difference of the mean colours at equal luminance
    """
    mine, own = found[mask], truth[mask]
    weights = np.array(LUMINANCE)
    light = [np.maximum(values @ weights, 1e-4) for values in (mine, own)]
    means = [values.mean(0) for values in (mine, own)]
    equal = [values / (values @ weights) * (means[1] @ weights) for values in means]
    return {
        "delta_e": float(np.linalg.norm(lab(mine) - lab(own), axis=1).mean()),
        "level": float(np.log2(light[0] / light[1]).mean()),
        "hue": float(np.linalg.norm(lab(equal[0]) - lab(equal[1]))),
    }


def lightness(albedo: Array, mask: Mask) -> float:
    """L* of the mean colour, by which skins are ordered."""
    return float(lab(albedo[mask].mean(0))[0])


def degrees(first: Array, second: Array) -> Array:
    """Angle between vectors (..., 3) of any length."""
    cosine = (first * second).sum(-1) / (np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
