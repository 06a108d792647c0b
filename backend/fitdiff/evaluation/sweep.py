"""Plot figures over the scale of the paper's guidance, as Figure 3 of its supplement does for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .engine_variants import scale_of
from .metrics import COSINE, DISTANCE

WIDTH, HEIGHT, FINER = 380, 300, 2  # of a plot in pixels, and its oversampling
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 36, 44
BACK, FRAME, GRID, INK = (250, 250, 248), (190, 190, 186), (228, 228, 224), (60, 60, 60)
COLUMNS = 2
COLOURS = ((196, 84, 36), (38, 98, 160), (70, 130, 70))
PALE = 0.6  # how far single photos' lines are faded towards the background
TITLES = {COSINE: "identity in view, cosine", DISTANCE: "identity in view, distance"}
OTHERS = {"landmarks_percent": "landmarks, % of inter-ocular", "photometric": "skin, mean absolute difference"}

Line = list[tuple[float, float]]


class Plot(NamedTuple):
    title: str
    lines: dict[str, list[Line]]  # by figure: the median, then each photo


def sweep(
    about: Mapping[str, Any], photos: Mapping[str, Mapping[str, Mapping[str, float | None]]]
) -> np.ndarray | None:
    """(H, W, 3) uint8, of a report's object and every photo's flat figures by engine; None unless two scales ran."""
    scales = sorted((scale, engine) for engine in about["medians"] if (scale := scale_of(engine)) is not None)
    if len(scales) < 2:
        return None

    def lines(key: str) -> list[Line]:
        middle = [(scale, about["medians"][engine][key].get("median")) for scale, engine in scales]
        each = [[(scale, own.get(engine, {}).get(key)) for scale, engine in scales] for own in photos.values()]
        return [[(x, y) for x, y in line if y is not None] for line in (middle, *each)]

    plots = []
    for measure, title in TITLES.items():
        shown = {
            name: lines(f"{name}.photo.inside") for name, one in about["networks"].items() if one["measure"] == measure
        }
        plots.append(Plot(title, shown))
    plots += [Plot(title, {"": lines(key)}) for key, title in OTHERS.items()]
    return _drawn([plot for plot in plots if any(found[0] for found in plot.lines.values())])


def _drawn(plots: list[Plot]) -> np.ndarray:
    rows = -(-len(plots) // COLUMNS)
    picture = Image.new("RGB", (FINER * WIDTH * min(len(plots), COLUMNS), FINER * HEIGHT * rows), BACK)
    for number, plot in enumerate(plots):
        row, column = divmod(number, COLUMNS)
        _draw(ImageDraw.Draw(picture), plot, FINER * WIDTH * column, FINER * HEIGHT * row)
    return np.asarray(picture.resize((picture.width // FINER, picture.height // FINER), Image.Resampling.BOX))


def _draw(draw: ImageDraw.ImageDraw, plot: Plot, x0: float, y0: float) -> None:
    font = ImageFont.load_default(13 * FINER)
    left, right = x0 + FINER * LEFT, x0 + FINER * (WIDTH - RIGHT)
    top, bottom = y0 + FINER * TOP, y0 + FINER * (HEIGHT - BOTTOM)
    points = [point for found in plot.lines.values() for line in found for point in line]
    across, up = (_ticks(min(values), max(values)) for values in zip(*points, strict=True))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - across[0]) / (across[-1] - across[0]) * (right - left),
            bottom - (y - up[0]) / (up[-1] - up[0]) * (bottom - top),
        )

    draw.text((left, top - FINER * 26), plot.title, INK, font)
    draw.text(((left + right) / 2, bottom + FINER * 24), "scale of the guidance", INK, font, anchor="ma")
    for x in across:
        draw.line([place(x, up[0]), place(x, up[-1])], GRID, FINER)
        draw.text((place(x, 0)[0], bottom + FINER * 5), f"{x:g}", INK, font, anchor="ma")
    for y in up:
        draw.line([place(across[0], y), place(across[-1], y)], GRID, FINER)
        draw.text((left - FINER * 6, place(0, y)[1]), f"{y:g}", INK, font, anchor="rm")
    draw.rectangle((left, top, right, bottom), outline=FRAME, width=FINER)
    ends = [place(*median[-1])[1] for median, *_ in plot.lines.values() if median]
    high = min(ends) > (top + bottom) / 2  # put names where no line ends
    first = top + FINER * 8 if high else bottom - FINER * (6 + 17 * len(plot.lines))
    for number, (name, (median, *each)) in enumerate(plot.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        pale = tuple(round(PALE * back + (1 - PALE) * own) for back, own in zip(BACK, colour, strict=True))
        for line in each:
            draw.line([place(*point) for point in line], pale, FINER)
        draw.line([place(*point) for point in median], colour, 3 * FINER, joint="curve")
        for point in median:
            x, y = place(*point)
            draw.ellipse((x - 3 * FINER, y - 3 * FINER, x + 3 * FINER, y + 3 * FINER), colour)
        draw.text((right - FINER * 8, first + FINER * 17 * number), name, colour, font, anchor="ra")


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers from at most the least to at least the largest."""
    size = max(high - low, 1e-9)
    step = next(step for step in _steps(10.0 ** np.floor(np.log10(size) - 1)) if size / step <= 6)
    return [round(float(step * k), 10) for k in range(int(np.floor(low / step)), int(np.ceil(high / step)) + 1)]


def _steps(unit: float) -> Iterable[float]:
    return (factor * unit for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100))
