"""Hold a photo's parting against masks of hair and of the whole person that lie beside the photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..perception.parting import PARTS, Parting

HAIR, MATTE = "hair", "matte"  # folders beside the photos' own, with a grey PNG for each photo
HALF = 0.5
LEAST_HAIR = 0.005  # of the window: what has less, in mask and parting, has no hair to agree on
ROWS = (("hair, IoU", "parting.hair_iou", 3), ("person's matte, mean absolute error", "parting.matte_error", 4))


def parting_figures(parting: Parting, size: tuple[int, int], photo: Path) -> dict[str, float | None]:
    """size: (height, width) of the photo. Within the parting's window and the photo; None without a mask.

    hair_iou      hair and beards, which the masks do not tell apart, as areas of more than half a share
    matte_error   mean absolute difference of the person's share"""
    window = parting.window
    x, y = np.moveaxis(window.places(), -1, 0)
    inside = (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
    shares = parting.at(window.places(), window.step)
    hair, matte = (_mask(photo, kind, size) for kind in (HAIR, MATTE))
    figures: dict[str, float | None] = {"hair_iou": None, "matte_error": None}
    if hair is not None:
        found = (shares[PARTS.index("hair")] + shares[PARTS.index("beard")] > HALF)[inside]
        true = (window.read(hair) > HALF * 255)[inside]
        either = int((found | true).sum())
        if either > LEAST_HAIR * inside.sum():
            figures["hair_iou"] = float((found & true).sum() / either)
    if matte is not None:
        true_person = window.read(matte)[inside] / 255.0
        figures["matte_error"] = float(np.abs((1 - shares[0])[inside] - true_person).mean())
    return figures


def _mask(photo: Path, kind: str, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """(H, W) at the photo's size; None if there is none of this kind."""
    path = photo.parent.parent / kind / f"{photo.stem}.png"
    if not path.is_file():
        return None
    with Image.open(path) as mask:
        return np.asarray(mask.convert("L").resize(size[::-1], Image.Resampling.BICUBIC))
