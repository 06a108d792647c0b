"""`fitdiff complete`: complete a partial diffuse map, with specular and normal maps."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fitdiff.errors import FitDiffError
from fitdiff.regular_file import NotAFile, read_regular

from ..skin_maps import LEARNED, SKIN_MAPS
from .sample import seed_of, within

if TYPE_CHECKING:
    import numpy as np

HELP = "complete a partial diffuse map, and add specular and normal maps"

FILES = {f"{name}.png" for name in LEARNED}
SIZES = (64, 4096)  # texels a side
MOST_BYTES = 256 << 20  # of a map's file: more than 4096 x 4096 texels of 16-bit RGBA


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("diffuse", type=Path, metavar="DIFFUSE", help="PNG of the skin tile, square, sRGB")
    parser.add_argument("mask", type=Path, metavar="MASK", help="PNG of the same size, white where DIFFUSE is kept")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="folder for diffuse, specular, normal PNG"
    )
    parser.add_argument("--photo", metavar="PHOTO", help="photo of the person, so that the new parts suit the face")
    parser.add_argument(
        "--face", metavar="N", type=int, help="which face of the photo, as `fitdiff inspect` numbers them"
    )
    parser.add_argument("--seed", metavar="N", type=seed_of, default=0)
    parser.add_argument("--steps", metavar="N", type=within(1000), default=25, help="default 25")
    parser.add_argument("--stack", choices=("embedded", "research"), default="embedded", help="default: embedded")
    parser.add_argument("--overwrite", action="store_true", help="replace existing maps")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    import torch

    from ..atomic_write import atomic_folder
    from ..avatar.convert import map_to_avatar
    from ..avatar.images import encode
    from ..colour import linear_from_srgb
    from ..generation.complete import complete
    from ..generation.generator import Generator
    from ..perception import Perception
    from ..perception.analyse import analyse
    from ..photo import open_photo
    from ..progress_bar import progress_bar

    diffuse, mask = _picture(args.diffuse, "RGB"), _picture(args.mask, "L")
    if diffuse.shape[:2] != mask.shape[:2]:
        raise FitDiffError(
            "map-size", "The map and its mask must be of one size.", details=f"{diffuse.shape}, {mask.shape}"
        )
    if not (mask > 127).any():
        raise FitDiffError("map-empty", "The mask keeps nothing: paint white what is known of the map.")
    _refuse_to_lose(args.out, args.overwrite)
    perception = Perception.load(args.stack)
    generator = Generator.load(perception)
    condition = None
    if args.photo is not None:
        condition = generator.condition(analyse(open_photo(args.photo), args.face, perception=perception).conditioning)
    known = torch.from_numpy(mask > 127).float()[None, None]
    partial = torch.from_numpy(linear_from_srgb(diffuse / 255.0)).permute(2, 0, 1)[None].float()
    with progress_bar(console) as bar:
        skin = complete(generator, partial, known, args.seed, args.steps, condition, bar.show)

    maps = {name: map_to_avatar(name, getattr(skin, name)) for name in LEARNED}
    try:
        with atomic_folder(args.out) as folder:
            for name, pixels in maps.items():
                (folder / f"{name}.png").write_bytes(encode(pixels, srgb=SKIN_MAPS[name].kind == "colour"))
    except OSError as error:
        raise FitDiffError(
            "write-maps", f"{args.out} cannot be written: choose another place.", details=str(error)
        ) from error
    console.print(
        f"{args.out}: {', '.join(f'{name}.png' for name in maps)}", markup=False, highlight=False, soft_wrap=True
    )
    return {"maps": {name: str(args.out / f"{name}.png") for name in maps}, "kept": float((mask > 127).mean())}


def _refuse_to_lose(out: Path, overwrite: bool) -> None:
    """Raise map-exists unless `out` is new, or holds only such maps and overwriting was requested."""
    if not out.exists() and not out.is_symlink():
        return
    own = out.is_dir() and not out.is_symlink() and {path.name for path in out.iterdir()} <= FILES
    if not own or (any(out.iterdir()) and not overwrite):
        raise FitDiffError(
            "map-exists", f"“{out.name}” exists already. Choose another name, or allow it with --overwrite."
        )


def _picture(path: Path, mode: str) -> np.ndarray:
    import numpy as np
    from PIL import Image

    try:
        data = read_regular(path, MOST_BYTES)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.width != picture.height or not SIZES[0] <= picture.width <= SIZES[1]:
                raise _wrong_size(path)
            return np.array(picture.convert(mode))
    except NotAFile as error:
        raise FitDiffError("map-unreadable", f"{path.name} is {error.what}: give a PNG picture.") from error
    except Image.DecompressionBombError as error:
        raise _wrong_size(path) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise FitDiffError(
            "map-unreadable", f"{path.name} cannot be read as a PNG picture.", details=str(error)
        ) from error


def _wrong_size(path: Path) -> FitDiffError:
    return FitDiffError("map-size", f"{path.name} must be square, {SIZES[0]} to {SIZES[1]} texels a side.")
