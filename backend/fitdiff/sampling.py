"""Draw people without a photo from the diffusion model: called by `fitdiff sample`, `fitdiff vary` and the service.

Quick to import: torch and the networks are loaded when people are drawn.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from .errors import FitDiffError

if TYPE_CHECKING:
    from .progress import Report

MOST_PEOPLE = 500
MOST_SAMPLING_STEPS = 1000
SHEET = "sheet.png"
COLUMNS = 6

Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_PEOPLE)]
Steps = Annotated[int, msgspec.Meta(ge=1, le=MOST_SAMPLING_STEPS)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of sampling. Without a count, `out` becomes the avatar folder of person `seed`; with one it holds
    person-SEED, person-SEED+1 ... and a sheet of them."""

    out: str
    count: Count | None = None
    seed: Seed = 0
    steps: Steps = 25
    face_model: str | None = None
    stack: Literal["embedded", "research"] = "embedded"
    overwrite: bool = False


class Variation(Sampling, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of sampling people who share something with an existing avatar."""

    avatar: str
    keep: Literal["shape", "reflectance", "identity"] = "identity"


def sample(order: Sampling | Variation, report: Report) -> dict[str, Any]:
    """Draw people and write their avatars, each atomically. If `report` raises, avatars written so far stay."""
    from .avatar import read_avatar, refuse_to_lose, write_avatar
    from .face.registry import load_face_model
    from .generation import people
    from .generation.generator import Generator
    from .perception import Perception
    from .progress import Progress

    started = time.perf_counter()
    seeds = [order.seed + k for k in range(order.count or 1)]
    out = Path(order.out)
    folders = [out] if order.count is None else [out / f"person-{seed}" for seed in seeds]
    for folder in folders:
        refuse_to_lose(folder, order.overwrite)
    report(Progress("loading the model", 0, 0))
    model = load_face_model(order.face_model)
    generator = Generator.load(Perception.load(order.stack))
    generator.refuse_other_faces(model)
    if isinstance(order, Variation):
        original = read_avatar(order.avatar)
        if original.manifest.face_model.name != model.name:
            raise FitDiffError(
                "face-model-other",
                f"This avatar was made on the face model {original.manifest.face_model.name}: "
                "give that one with --face-model.",
            )
        person = people.latent_of(original, generator)
        drawn = people.variations(generator, person, order.keep, seeds, order.steps, report)
    else:
        drawn = people.people(generator, seeds, order.steps, report)
    engine = "vary" if isinstance(order, Variation) else "sample"
    pictures = []
    for number, (seed, folder, z) in enumerate(zip(seeds, folders, drawn, strict=True)):
        avatar = people.avatar_of(model, generator, z, engine, seed, order.steps)
        report(Progress("writing", number, len(seeds), avatar.preview))
        write_avatar(avatar, folder, overwrite=order.overwrite)
        pictures.append(avatar.preview)
    sheet = None if order.count is None else _write_sheet(out / SHEET, pictures, seeds)
    return {
        "avatars": [str(folder) for folder in folders],
        "seeds": seeds,
        "sheet": sheet,
        "timings": {"total": time.perf_counter() - started},
    }


def _write_sheet(path: Path, pictures: list, seeds: list[int]) -> str:
    import numpy as np
    from PIL import Image

    from .atomic_write import atomic_file
    from .pictures.contact_sheet import Row, contact_sheet

    small = [np.asarray(Image.fromarray(one).resize((240, 240), Image.Resampling.LANCZOS)) for one in pictures]
    rows = [
        Row(small[start : start + COLUMNS], captions=[str(seed) for seed in seeds[start : start + COLUMNS]])
        for start in range(0, len(small), COLUMNS)
    ]
    try:
        with atomic_file(path) as half_done:
            Image.fromarray(contact_sheet(rows)).save(half_done, format="PNG")
    except OSError as error:
        raise FitDiffError(
            "write-picture", f"{path} cannot be written: choose another place.", details=str(error)
        ) from error
    return str(path)
