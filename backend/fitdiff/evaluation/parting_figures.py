"""Hold a photo's parting against masks of hair and of the whole person that lie beside the photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..perception.parting import PARTS, Parting

HAIR, MATTE = "hair", "matte"  # folders beside the photos' own, with a grey PNG for each photo
HALF = 0.5
LEAST_HAIR = 0.005  # of the pixels: with less in mask and parting there is no hair to agree on


def on_masks(
    parting: Parting, width: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], float]:
    """A parting on the pixels of a mask (h, w) of a photo so many pixels wide: shares (len(PARTS), h, w), which pixels lie
    in its window (h, w), and photo pixels a pixel."""
    step = width / shape[1]
    y, x = (np.indices(shape) + 0.5) * step
    places = np.stack([x, y], -1)
    at = parting.window.inside(places)
    seen = np.asarray(((at > 0) & (at < parting.window.side)).all(-1))
    return parting.at(places, step), seen, step


def agreement(
    shares: NDArray[np.floating], seen: NDArray[np.bool_], hair: NDArray[np.floating], matte: NDArray[np.floating]
) -> dict[str, float | None]:
    """shares (len(PARTS), h, w) against masks (h, w) 0..1, on the pixels that are seen (h, w).

    both, either  pixels that are more than half hair in mask and parting, and in one of them
    hair_iou      their ratio; None where there is no hair. Beards count in neither
    matte_error   mean absolute difference of the person's share"""
    found, true = (shares[PARTS.index("hair")] > HALF)[seen], (hair > HALF)[seen]
    both, either = float((found & true).sum()), float((found | true).sum())
    return {
        "both": both,
        "either": either,
        "hair_iou": both / either if either > LEAST_HAIR * seen.sum() else None,
        "matte_error": float(np.abs(1 - shares[0] - matte)[seen].mean()),
    }


def parting_figures(parting: Parting, width: int, photo: Path) -> dict[str, float | None]:
    """`agreement` with the masks of this photo, width pixels wide; empty where they are not there."""
    hair, matte = hair_mask(photo), _mask(photo, MATTE)
    if hair is None or matte is None:
        return {}
    shares, seen, _ = on_masks(parting, width, hair.shape)
    return agreement(shares, seen, hair, matte)


def hair_mask(photo: Path) -> NDArray[np.float32] | None:
    """(h, w) 0..1: the mask of hair that lies beside a portrait."""
    return _mask(photo, HAIR)


def _mask(photo: Path, kind: str) -> NDArray[np.float32] | None:
    path = photo.parent.parent / kind / f"{photo.stem}.png"
    if not path.is_file():
        return None
    return np.asarray(np.asarray(Image.open(path).convert("L")) / 255, np.float32)
