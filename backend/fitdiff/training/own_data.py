"""A data set of the user's own: one folder per person, as docs/training.md describes.

    person/photo.*  diffuse.png  specular.png  normal.png  person.json

person.json holds identity (158), expression (25), light (9) and camera {rotation 3 x 3, translation 3, focal, principal 2},
in the units of the avatar folder: metres, pixels of the upright photo, nine light numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..diffusion.latent import BLOCKS
from ..errors import FitDiffError
from ..perception.bundle import Perception
from ..photo import open_photo
from ..skin_maps import LEARNED, SKIN_MAPS
from .latents import PhotographedPeople, Source
from .synthetic import mirrored

LENGTHS = {name: length for name, length in BLOCKS.items() if name != "texture"}


def people_of(folder: Path) -> list[Path]:
    found = sorted(path.parent for path in folder.glob("*/person.json"))
    if not found:
        raise FitDiffError(
            "training-no-data", f"{folder} holds no people: each person needs a folder with a person.json."
        )
    return found


def read_maps(person: Path, size: int) -> Tensor:
    """(9, size, size) as the autoencoder reads them."""
    parts = []
    for name in LEARNED:
        path = person / f"{name}.png"
        try:
            with Image.open(path, formats=("PNG",)) as picture:
                picture = picture.convert("RGB")
                if picture.size != (size, size):
                    picture = picture.resize((size, size), Image.Resampling.BOX)
                pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1
        except OSError as error:
            raise FitDiffError(
                "training-data", f"{path} cannot be read as a PNG picture.", details=str(error)
            ) from error
        parts.append(torch.nn.functional.normalize(pixels, dim=0) if SKIN_MAPS[name].kind == "direction" else pixels)
    return torch.cat(parts)


class MapFolder:
    """Batches of maps for the autoencoder, drawn by step and mirrored half of the time."""

    def __init__(self, folder: Path, size: int, device: torch.device, seed: int = 0) -> None:
        self.people, self.size, self.device, self.seed = people_of(folder), size, device, seed

    def batch(self, step: int, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(len(self.people), (count,), generator=generator).tolist()
        flip = torch.rand(count, generator=generator) < 0.5
        maps = torch.stack([read_maps(self.people[row], self.size) for row in rows])
        return torch.where(flip[:, None, None, None], mirrored(maps), maps).to(self.device)


def source(folder: Path, perception: Perception, size: int, device: torch.device) -> Source:
    """The folder as a source for latents; faces are detected as in any photo."""
    people = people_of(folder)

    def read(first: int, count: int) -> tuple[Tensor, list[PhotographedPeople]]:
        chosen = people[first : first + count]
        maps = torch.stack([read_maps(person, size) for person in chosen]).to(device)
        rows = [_view(person, perception, device) for person in chosen]
        return maps, [PhotographedPeople(*(torch.cat(column) for column in zip(*rows, strict=True)))]

    return Source(read, len(people), f"{len(people)} people of {folder.name}")


def _view(person: Path, perception: Perception, device: torch.device) -> PhotographedPeople:
    numbers = _numbers(person / "person.json")
    photos = sorted(path for path in person.glob("photo.*"))
    if not photos:
        raise FitDiffError("training-data", f"{person} has no photo: put one there as photo.jpg or photo.png.")
    photo = open_photo(photos[0])
    faces = perception.detect(photo.pixels)
    if not faces:
        raise FitDiffError("training-data", f"No face was found in {photos[0]}: leave this person out.")
    recogniser: Any = perception.conditioner
    image = torch.from_numpy(photo.pixels).to(device).permute(2, 0, 1)[None].float() / 255
    marks = torch.from_numpy(faces[0].landmarks468[None, :, :2]).to(device).float()
    height, width = photo.pixels.shape[:2]
    camera, side = numbers["camera"], float(max(height, width))
    # Training renders squares, as large as the photo's longer side, with the same middle.
    shift = [(side - width) / 2, (side - height) / 2]
    packed = [*np.ravel(camera["rotation"]), *camera["translation"], camera["focal"] / side]
    packed += [(value + off) / side for value, off in zip(camera["principal"], shift, strict=True)]
    points = (recogniser.five_points(marks) + torch.tensor(shift, device=device)) / side
    identity, expression, light = (
        torch.tensor([numbers[name]], dtype=torch.float32, device=device) for name in LENGTHS
    )
    return PhotographedPeople(
        identity,
        expression,
        light,
        recogniser.crop(image, marks),
        torch.tensor([packed], dtype=torch.float32, device=device),
        points,
    )


def _numbers(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        camera = found["camera"]
        lengths = {name: len(found[name]) for name in LENGTHS}
        fine = (
            np.shape(camera["rotation"]) == (3, 3) and len(camera["translation"]) == 3 and len(camera["principal"]) == 2
        )
        float(camera["focal"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FitDiffError("training-data", f"{path} lacks something: {error}.", details=repr(error)) from error
    if lengths != LENGTHS or not fine:
        raise FitDiffError("training-data", f"{path} should hold {LENGTHS} numbers and a camera; it holds {lengths}.")
    return found
