"""Contact sheets: pictures in labelled rows on one dark ground, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GROUND = (52, 53, 57)  # render.preview's background in sRGB, so that the cells have no edges
INK, FAINT = (222, 222, 220), (148, 149, 152)
GAP = 6


@dataclass(frozen=True)
class Row:
    """One line of pictures (H, W, 3) uint8 of one height; the label stands left of them, a caption under each."""

    pictures: Sequence[np.ndarray]
    label: str = ""
    captions: Sequence[str] = ()


def contact_sheet(rows: Sequence[Row], title: str = "", footer: str = "") -> np.ndarray:
    """(H, W, 3) uint8 sRGB. The widths of label column, captions and title follow from what they hold."""
    height, width = rows[0].pictures[0].shape[:2]
    small_size, large_size = max(11, width // 17), max(16, width // 9)
    small, large = ImageFont.load_default(small_size), ImageFont.load_default(large_size)
    label_width = max((_width(small, line) for row in rows for line in row.label.split("\n")), default=0)
    label_width += 4 * GAP if label_width else 0
    below = [GAP + (int(1.6 * small_size) if row.captions else 0) for row in rows]
    across = max(sum(picture.shape[1] + GAP for picture in row.pictures) for row in rows)
    top = 2 * GAP + (int(1.9 * large_size) if title else 0)
    bottom = 2 * GAP + (int(1.8 * small_size) if footer else 0)
    total = (
        max(2 * GAP + label_width + across, _width(large, title) + 6 * GAP),
        top + len(rows) * height + sum(below) + bottom,
    )
    sheet = Image.new("RGB", total, GROUND)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((3 * GAP, 2 * GAP), title, INK, large)
    y = top
    for row, gap in zip(rows, below, strict=True):
        if row.label:
            draw.multiline_text((3 * GAP, y + height // 2), row.label, INK, small, anchor="lm", spacing=6)
        x = GAP + label_width
        for column, picture in enumerate(row.pictures):
            sheet.paste(Image.fromarray(picture), (x, y))
            if column < len(row.captions):
                draw.text(
                    (x + picture.shape[1] // 2, y + height + GAP), row.captions[column], FAINT, small, anchor="ma"
                )
            x += picture.shape[1] + GAP
        y += height + gap
    if footer:
        draw.text((3 * GAP, y + GAP), footer, FAINT, small)
    return np.asarray(sheet)


def _width(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> int:
    return int(np.ceil(font.getlength(text)))
