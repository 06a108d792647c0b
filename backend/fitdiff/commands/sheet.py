"""`fitdiff sheet`: lay pictures with captions side by side into one PNG."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fitdiff.atomic_write import atomic_file
from fitdiff.errors import FitDiffError

if TYPE_CHECKING:
    from ..photo import Photo

HELP = "lay pictures side by side into one picture"

GAP, CAPTION = 12, 36  # pixels
MOST_PIXELS = 134_000_000  # of the sheet, as for photos
BACKGROUND, TEXT = (24, 24, 26), (225, 225, 225)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", type=Path, nargs="+", help="picture files, in reading order")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--columns", type=int, help="pictures in one row (default: as square as possible)")
    parser.add_argument("--height", type=int, default=512, help="pixels of one picture's height (default 512)")
    parser.add_argument("--captions", nargs="*", help="one per picture (default: the files' names)")


def run(args: argparse.Namespace, console: Console) -> dict:
    captions = args.captions or [path.stem.replace("_", " ") for path in args.pictures]
    if len(captions) != len(args.pictures):
        raise FitDiffError(
            "usage-captions", f"{len(captions)} captions were given for {len(args.pictures)} pictures: give one each."
        )
    columns = args.columns or math.ceil(math.sqrt(len(args.pictures)))
    if columns < 1 or not 16 <= args.height <= 8192:
        raise FitDiffError("usage-size", "A sheet needs at least one column, and pictures of 16 to 8192 pixels.")
    size = make_sheet(args.pictures, captions, args.out, columns, args.height)
    console.print(f"{len(args.pictures)} pictures in {args.out}", markup=False, highlight=False, soft_wrap=True)
    return {"sheet": str(args.out), "pictures": len(args.pictures), "width": size[0], "height": size[1]}


def make_sheet(pictures: list[Path], captions: list[str], out: Path, columns: int, height: int) -> tuple[int, int]:
    """Write the sheet atomically; returns its width and height in pixels."""
    from PIL import Image, ImageDraw, ImageFont

    tiles = []
    for path in pictures:
        picture = Image.fromarray(_read(path).pixels)
        width = max(1, round(picture.width * height / picture.height))
        _require_room(width, height)
        tiles.append(picture.resize((width, height), Image.Resampling.LANCZOS))
    cell = max(tile.width for tile in tiles)
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    size = (GAP + columns * (cell + GAP), GAP + rows * (height + CAPTION + GAP))
    _require_room(*size)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=20)
    for number, (tile, caption) in enumerate(zip(tiles, captions)):
        left = GAP + number % columns * (cell + GAP)
        top = GAP + number // columns * (height + CAPTION + GAP)
        sheet.paste(tile, (left + (cell - tile.width) // 2, top))
        draw.text((left + cell / 2, top + height + CAPTION / 2), caption, TEXT, font, anchor="mm")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as half_done:
        sheet.save(half_done, "PNG")
    return size


def _require_room(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise FitDiffError(
            "usage-size",
            f"The sheet would have {width} x {height} pixels or more, and {MOST_PIXELS / 1e6:.0f} million are the most:"
            " choose a smaller --height or fewer pictures.",
        )


def _read(path: Path) -> Photo:
    """Open a picture with a photo's checks, which refuse devices, bombs and damaged files."""
    from ..photo import open_photo

    try:
        return open_photo(path)
    except FitDiffError as error:
        code = "picture-too-large" if error.code == "photo-too-large" else "picture-unreadable"
        raise FitDiffError(code, error.sentence, details=error.details, data=error.data) from error
