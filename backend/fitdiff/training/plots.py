"""Curves of a run's log as one picture: one small plot per quantity, drawn with Pillow alone."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image, ImageDraw

WIDTH, HEIGHT, COLUMNS, MARGIN = 300, 170, 4, 14
NOT_SHOWN = ("step", "seconds", "steps_per_second")
BACK, FRAME, LINE, TEXT = (250, 250, 248), (205, 205, 200), (196, 84, 36), (60, 60, 60)


def curves(log: list[dict[str, Any]]) -> Image.Image:
    names = list(dict.fromkeys(name for line in log for name in line if name not in NOT_SHOWN))
    rows = max(1, math.ceil(len(names) / COLUMNS))
    picture = Image.new("RGB", (COLUMNS * WIDTH, rows * HEIGHT), BACK)
    draw = ImageDraw.Draw(picture)
    for number, name in enumerate(names):
        points = [(line["step"], line[name]) for line in log if name in line]
        _plot(draw, name, points, (number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT))
    return picture


def _plot(draw: ImageDraw.ImageDraw, name: str, points: list[tuple[float, float]], corner: tuple[int, int]) -> None:
    left, top = corner[0] + MARGIN, corner[1] + 2 * MARGIN
    right, bottom = corner[0] + WIDTH - MARGIN, corner[1] + HEIGHT - MARGIN
    draw.rectangle((left, top, right, bottom), outline=FRAME)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    draw.text((left, corner[1] + 8), f"{name}  {ys[-1]:.4g}   ({low:.3g} to {high:.3g})", fill=TEXT)
    across, up = max(max(xs) - min(xs), 1e-9), max(high - low, 1e-12)
    line = [
        (left + (x - min(xs)) / across * (right - left), bottom - (y - low) / up * (bottom - top)) for x, y in points
    ]
    if len(line) > 1:
        draw.line(line, fill=LINE, width=2)
