"""How well a parting network tells the portraits apart that are held back, and pictures of what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ...colour import linear_from_srgb
from ...evaluation.parting_figures import agreement, on_masks
from ...held_back import held_back
from ...perception import regions
from ...perception.parting import PARTS, SIDE, WIDE, Parting, load, part
from ...perception.parting_network import PartingNetwork, guides
from ...perception.squeezenet import feature_network
from ...perception.window import Window
from ...progress import Progress, Report, silent
from ...render.outline import filled
from . import portrait_labels
from .parting_lessons import Page, read
from .parting_pages import fit, page

COLOURS = np.array(
    [[40, 40, 48], [235, 170, 140], [150, 60, 200], [220, 120, 30], [255, 230, 40], [0, 220, 255], [255, 30, 90]]
    + [[60, 170, 80]],
    np.float32,
)
"""Of PARTS, sRGB."""
TILE, COLUMNS, ROWS = 260, 4, 6
FOUND, ALARM = 0.5, 0.004  # share of a frame's pixels to find, and of the face that none may be taken for glasses


def coloured(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(len(PARTS), h, w) -> (h, w, 3)."""
    return np.einsum("khw,kc->hwc", shares, COLOURS).clip(0, 255).astype(np.uint8)


def measured(
    file: Path, portraits: Path, prepared: Path, sheets: Path | None = None, report: Report = silent
) -> dict[str, float]:
    """On the portraits held back. hair: IoU over all pixels against the hair masks, which have no beards; matte: mean absolute
    error; both also where the labels find no fault with the masks, and there for the third of the lightest and of the
    darkest faces. frames: share of the glasses of whose frame half is found; alarms: share of the others in which glasses
    are seen."""
    network, labels = load(file), portrait_labels.read()
    names = [path.stem for path in sorted(prepared.glob("*.safetensors"))]
    rows: list[dict[str, float]] = []
    tiles: dict[bool, list[Image.Image]] = {True: [], False: []}
    for number, name in enumerate(names, 1):
        back = held_back(name)
        if not (back or sheets):
            continue
        sheet_page = page(prepared, name, labels[name])
        parting = part(sheet_page.photo, sheet_page.points, network)
        if back:
            rows.append(_row(sheet_page, parting, portraits, labels[name]))
        if sheets:
            tiles[back].append(_tile(sheet_page, parting))
        report(Progress("looking at portraits", number, len(names)))
    if sheets:
        for back, kind in ((True, "held-back"), (False, "taught")):
            _write(tiles[back], sheets, kind)
    return _summary(rows)


def _row(sheet_page: Page, parting: Parting, portraits: Path, label: portrait_labels.Portrait) -> dict[str, float]:
    hair, matte = (
        np.asarray(Image.open(portraits / kind / f"{sheet_page.name}.png").convert("L"), np.float32) / 255
        for kind in ("hair", "matte")
    )
    height, width = hair.shape
    shares, seen, step = on_masks(parting, sheet_page.photo.shape[1], hair.shape)
    against = agreement(shares, seen, hair, matte)
    oval = filled(sheet_page.points[list(regions.OVAL)] / step, hair.shape) > 0.5
    cheeks = np.any([filled(sheet_page.points[list(p)] / step, hair.shape) > 0.5 for p in regions.SURE_SKIN], 0)
    small = np.asarray(Image.fromarray(sheet_page.photo).resize((width, height), Image.Resampling.BOX))
    glasses = shares[PARTS.index("glasses")]
    row = {
        "both": against["both"] or 0.0,
        "either": against["either"] or 0.0,
        "matte": against["matte_error"] or 0.0,
        "tone": float(np.median(linear_from_srgb(small[cheeks] / 255))),
        "frame": float("nan"),
        "alarm": float((glasses > 0.5)[oval].mean()),
        "right": float(fit(sheet_page.name, label) and not label.hair_mask),
    }
    if any(pair.place == "eyes" for pair in label.glasses):
        frame = portrait_labels.draw(label, sheet_page.photo.shape[:2])["frame"] > 0.5
        y, x = np.nonzero(frame)
        close = parting.at(np.stack([x, y], -1)[None] + 0.5, 1.0)[PARTS.index("glasses"), 0]
        row["frame"] = float((close > 0.35).mean()) if len(x) else 1.0
        row["alarm"] = float("nan")
    return row


def _summary(rows: list[dict[str, float]]) -> dict[str, float]:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    everybody = np.arange(len(rows))
    right = everybody[columns["right"] > 0]
    right = right[np.argsort(columns["tone"][right])]
    third = len(right) // 3

    def found(chosen: NDArray[np.integer], where: str) -> dict[str, float]:
        overlap = float(columns["both"][chosen].sum() / max(columns["either"][chosen].sum(), 1.0))
        return {f"hair, {where}": overlap, f"matte, {where}": float(columns["matte"][chosen].mean())}

    return {
        **found(everybody, "all"),
        **found(right, "right masks"),
        **found(right[:third], "darkest third"),
        **found(right[len(right) - third :], "lightest third"),
        "frames": float((columns["frame"][~np.isnan(columns["frame"])] > FOUND).mean()),
        "alarms": float((columns["alarm"][~np.isnan(columns["alarm"])] > ALARM).mean()),
    }


def _tile(sheet_page: Page, parting: Parting) -> Image.Image:
    """Photo beside parting, in the wide window."""
    side = TILE
    window = Window.around(sheet_page.points, 2 * side, WIDE)
    shares = parting.at(window.places(), window.step)
    tile = Image.new("RGB", (2 * side, side))
    for k, picture in enumerate((window.read(sheet_page.photo), coloured(shares))):
        tile.paste(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX), (k * side, 0))
    ImageDraw.Draw(tile).text((3, 3), sheet_page.name, fill=(255, 255, 0))
    return tile


def _write(tiles: list[Image.Image], folder: Path, kind: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(tiles), COLUMNS * ROWS):
        picture = Image.new("RGB", (2 * TILE * COLUMNS, TILE * ROWS))
        for k, tile in enumerate(tiles[first : first + COLUMNS * ROWS]):
            picture.paste(tile, (k % COLUMNS * 2 * TILE, k // COLUMNS * TILE))
        picture.save(folder / f"{kind}-{first // (COLUMNS * ROWS) + 1:02d}.jpg", quality=88)


@torch.no_grad()
def sheet(network: PartingNetwork, shown: list[Page], count: int = 8, side: int = SIDE // 2) -> Tensor:
    """(3, H, W): some wide and close windows, beside them what is taught and what the network says."""
    rows = []
    for number, sheet_page in enumerate(shown[:count]):
        window = Window.around(sheet_page.points, side, WIDE if number % 2 == 0 else 1.35)
        seen, shares = read(sheet_page, window)
        picture = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None].float() / 255
        guide = torch.from_numpy(guides(window.inside(sheet_page.points), side))[None]
        says = network(picture, guide, feature_network().features(picture)).softmax(1)[0].numpy()
        rows.append(np.concatenate([seen, coloured(shares), coloured(says)], 1))
    half = len(rows) // 2
    both = np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half : 2 * half])], 1)
    return torch.from_numpy(both).permute(2, 0, 1).float() / 255
