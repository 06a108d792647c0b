"""Draws the pictures of hair cards: bundles of strands side by side, as colour with alpha and as normals. Needs no bpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIZE = 2048  # texels of the atlas's side
COLUMNS, ROWS = 16, 2  # tiles of the atlas
VARIANTS = 4  # tiles of one look, which differ in their strands
LOOKS = COLUMNS * ROWS // VARIANTS  # at most
WIDTH, HEIGHT = SIZE // COLUMNS, SIZE // ROWS  # texels of a tile
MARGIN = 4  # texels at a tile's sides that stay clear, so that neighbours do not bleed in
THICK = (1.2, 2.2)  # texels: half of a strand's width at its root, least and most
COVER = 108  # texels: together, half of the widths of a tile's strands
RAGGED = 0.04  # share of the length within which strands begin
SEED = 31


@dataclass(frozen=True)
class Look:
    """What the strands of a bundle look like. Widths are shares of the card's width, along it they are shares of its length."""

    root: np.ndarray  # (3,) linear RGB
    tip: np.ndarray  # (3,) linear RGB
    white: np.ndarray  # (3,) linear RGB of strands without pigment
    thick: float = THICK[0]  # texels: half of a strand's width at its root
    grey: float = 0.0  # share of those
    clump: float = 0.5  # how far strands draw together at the tip
    frizz: float = 0.05  # share of the width that strands wander
    wave: float = 0.0  # share of the width: half of a wave's height
    turns: float = 0.0  # waves along the card


@dataclass(frozen=True, eq=False)
class Atlas:
    """Pictures, row 0 at v = 0 as Blender keeps them."""

    colour: np.ndarray  # (SIZE, SIZE, 4) float32: linear RGB and alpha
    normal: np.ndarray  # (SIZE, SIZE, 3) float32: 0.5 + 0.5 n in tangent space


def tile_box(tile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) numbers of tiles -> their low and high corners, (N, 2) u and v; roots are at the high v."""
    low = np.stack([tile % COLUMNS * WIDTH + MARGIN / 2, tile // COLUMNS * HEIGHT + MARGIN / 2], -1)
    return low / SIZE, (low + [WIDTH - MARGIN, HEIGHT - MARGIN]) / SIZE


def draw_atlas(looks: Sequence[Look]) -> Atlas:
    """At most LOOKS looks; tiles VARIANTS * n to VARIANTS * n + 3 show look n, the rest of the atlas stays empty."""
    random = np.random.default_rng(SEED)
    colour = np.zeros((SIZE, SIZE, 4), np.float32)
    normal = np.full((SIZE, SIZE, 3), (0.5, 0.5, 1.0), np.float32)
    for tile in range(VARIANTS * len(looks)):
        x, y = tile % COLUMNS * WIDTH, tile // COLUMNS * HEIGHT
        place = np.s_[y : y + HEIGHT, x : x + WIDTH]
        colour[place], normal[place] = _draw_bundle(looks[tile // VARIANTS], random)
    return Atlas(colour, normal)


def _draw_bundle(look: Look, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(HEIGHT, WIDTH, 4) colour and alpha, (HEIGHT, WIDTH, 3) normal. Strands are laid over each other from the deepest up."""
    along = 1 - (np.arange(HEIGHT) + 0.5) / HEIGHT  # 0 at the root, which is in the last row
    base = look.root + (look.tip - look.root) * along[:, None]
    # Where there is no strand the colour is the hair's own: smaller pictures of the atlas then have no rim.
    colour = np.repeat(np.concatenate([0.7 * base, np.zeros((HEIGHT, 1))], 1)[:, None], WIDTH, 1)
    normal = np.full((HEIGHT, WIDTH, 3), (0.0, 0.0, 1.0))
    phase, rows = random.uniform(0, 2 * np.pi), np.arange(HEIGHT)[:, None]
    count = round(COVER / look.thick)
    for number in range(count):
        across, half = _path(look, along, phase, random)
        columns = np.floor(across)[:, None].astype(int) + np.arange(-2, 3)  # (HEIGHT, 5)
        off = columns + 0.5 - across[:, None]
        cover = np.clip(half[:, None] + 0.5 - np.abs(off), 0, 1) * (half > 0)[:, None]
        cover *= (columns >= MARGIN) & (columns < WIDTH - MARGIN)
        columns = columns.clip(0, WIDTH - 1)
        shade = random.uniform(0.8, 1.2) * (0.65 + 0.35 * number / (count - 1))
        own = (np.broadcast_to(look.white, base.shape) if random.random() < look.grey else base) * shade
        under, ridge = colour[rows, columns], normal[rows, columns]
        opaque = np.concatenate([own, np.ones((HEIGHT, 1))], 1)[:, None]
        colour[rows, columns] = under + (opaque - under) * cover[..., None]
        side = 0.8 * (off / np.maximum(half[:, None], 0.5)).clip(-1, 1)
        round_ = np.stack([side, np.zeros_like(side), np.sqrt(1 - side**2)], -1)
        normal[rows, columns] = ridge + (round_ - ridge) * cover[..., None]
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return colour.clip(0, 1).astype(np.float32), (0.5 + 0.5 * normal).astype(np.float32)


def _path(look: Look, along: np.ndarray, phase: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(HEIGHT,) texels across and half widths of one strand; the width is 0 beyond its tip."""
    lane = 0.42 * random.uniform(-1, 1) * random.uniform(0.6, 1)
    drawn = 1 - 0.7 * look.clump * along**1.5
    bend = random.uniform(0, 2 * np.pi, 2)
    wander = look.frizz * along * (np.sin(5 * along + bend[0]) + 0.5 * np.sin(13 * along + bend[1]))
    turn = phase + random.normal(0, 0.35)
    wave = look.wave * np.minimum(4 * along, 1) * np.sin(2 * np.pi * look.turns * along + turn)
    across = WIDTH * (0.5 + lane * (1 - 2 * min(look.wave, 0.3)) * drawn + wander + wave)
    end = 1 - abs(random.normal(0, 0.18))
    half = look.thick * np.sqrt(np.clip(1 - along / max(end, 0.3), 0, 1))
    return across, np.where((half > 0) & (along > random.uniform(0, RAGGED)), half.clip(0.45), 0)
