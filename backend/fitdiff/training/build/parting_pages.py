"""The portraits that the parting network may learn from, prepared once and kept in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from ... import tensor_files
from ...held_back import held_back
from ...perception import Perception
from ...progress import Progress, Report, silent
from . import portrait_labels
from .parting_lessons import Page
from .parting_truth import Portrait, parted

TAKEN = (0, 1, 11, 33, 36, 37, 40, 55, 57, 64, 70, 85, 97, 100, 124, 128)
ROUND = tuple(f"gov_{number:03d}" for number in TAKEN)
"""Photos with a round border, which their mattes take for the person's."""
CHOOSING = 10  # one in so many of the taught is kept for choices


def for_choices(name: str) -> bool:
    """Whether this portrait is of those that choices between trainings are made on."""
    return hashlib.sha256(name.encode()).digest()[1] % CHOOSING == 0


def fit(name: str, label: portrait_labels.Portrait) -> bool:
    """Whether its masks tell the person from the background."""
    return name not in ROUND and "background" not in label.hair_mask and "matte" not in label.hair_mask


def names(portraits: Path) -> list[str]:
    return sorted(path.stem for path in (portraits / "photo").glob("*.jpg"))


def photo(portraits: Path, name: str) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB."""
    return np.asarray(Image.open(portraits / "photo" / f"{name}.jpg").convert("RGB"))


def points(pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """(468, 3) of a photo's largest face."""
    faces = Perception.load().detect(pixels)
    if not faces:
        return None
    return np.asarray(max(faces, key=lambda face: float(np.ptp(face.landmarks468[:, 0]))).landmarks468, np.float32)


def prepare(portraits: Path, folder: Path, report: Report = silent) -> None:
    """Write the files that are missing: photo, shares without glasses and covers, landmarks."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted, labels = names(portraits), portrait_labels.read()
    for number, name in enumerate(wanted, 1):
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            pixels = photo(portraits, name)
            places = points(pixels)
            if places is None:
                continue
            shares = parted(Portrait.read(portraits, name, places), labels[name])
            columns = {"photo": pixels, "shares": (shares * 255).round().astype(np.uint8), "points": places}
            tensor_files.write_unchecked(path, columns, {"name": name})
        report(Progress("preparing portraits", number, len(wanted)))


def page(folder: Path, name: str, label: portrait_labels.Portrait) -> Page:
    columns = {key: value.numpy() for key, value in load_file(folder / f"{name}.safetensors").items()}
    pixels, shares = columns["photo"], columns["shares"]
    return Page(name, pixels, shares, _before(label, shares, pixels.shape[:2]), columns["points"][:, :2].astype(float))


def pages(folder: Path, choosing: bool = False) -> list[Page]:
    """Those that are taught, or those of them that choices are made on; none that are held back."""
    labels = portrait_labels.read()
    known = (path.stem for path in sorted(folder.glob("*.safetensors")))
    mine = [name for name in known if not held_back(name) and fit(name, labels[name]) and for_choices(name) == choosing]
    return [page(folder, name, labels[name]) for name in mine]


def _before(label: portrait_labels.Portrait, shares: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(2, H, W): glasses (the frame, and glass that is dark or mirrors) and covers; (2, 0, 0) without any."""
    if not (label.glasses or label.covers):
        return np.zeros((2, 0, 0), np.uint8)
    matte, hair = (
        np.asarray(Image.fromarray(share).resize(size[::-1], Image.Resampling.BILINEAR), np.float32) / 255
        for share in (255 - shares[0], shares[2])
    )
    drawn = portrait_labels.draw(label, size, matte, hair)
    dark = any(pair.glass != "clear" for pair in label.glasses)
    glasses = drawn["frame"] + (drawn["lens"] if dark else 0)
    covers = np.sum([drawn[name] for name in portrait_labels.COVERS], 0).clip(max=1) * (1 - glasses.clip(max=1))
    return (np.stack([glasses, covers]).clip(0, 1) * 255).round().astype(np.uint8)
