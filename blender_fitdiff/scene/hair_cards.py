"""Hair cards: flat strips along a groom's guides, for formats and engines that draw no strands. Needs no bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .card_atlas import LOOKS, THICK, VARIANTS, WIDTH, Atlas, Look, draw_atlas, tile_box
from .groom_arrays import GroomArrays
from .hair_pigment import WHITE, albedo

TRIANGLE_LIMIT = 20_000
SEGMENT = 0.018  # metres that one segment of a card covers, where there are triangles enough
SEGMENTS = (2, 10)  # of a card, least and most
OVERLAP = 2.2  # a card's width over the distance between guides
WIDTHS = ((0.005, 0.03), (0.002, 0.012))  # metres, narrowest and widest card of scalp and beard
SQUARE = (0.7, 0.5)  # a card's width over its length, at most, of scalp and beard
AT_ROOT = 0.8  # share of its width that a card has at its root, so that the hairline is not made of steps
TOWARDS_ROOT = 1.35  # power of a card's divisions: above 1 they are closer at the root, where hair bends most
TILT = 0.35  # radians: standard deviation by which cards are turned about their guides
STRAND = 5e-5  # metres: half of the width that a strand seems to have
SUNK = 0.001  # metres that roots lie under the skin, so that no gap shows
BESIDE = 3  # neighbours of a guide between which cards may lie
SEED = 37


@dataclass(frozen=True, eq=False)
class Cards:
    """C cards as one mesh in head space: metres, Y up."""

    points: np.ndarray  # (V, 3) float32
    normals: np.ndarray  # (V, 3) float32 unit: out of the hair's volume, for soft shading
    uv: np.ndarray  # (V, 2) float32 in the atlas
    quads: np.ndarray  # (Q, 4) int32
    card: np.ndarray  # (V,) int32: which card a vertex belongs to
    roots: np.ndarray  # (C, 3) float32: where the cards' guides meet the skin
    atlas: Atlas


def make_cards(groom: GroomArrays) -> Cards | None:
    """At most TRIANGLE_LIMIT triangles; None where no guide has strands. Equal grooms give equal cards."""
    if not groom.strands.any():
        return None
    random = np.random.default_rng(SEED)
    lines = _centre_lines(groom, random)
    looks, look_of = _looks(groom, lines)
    tile = VARIANTS * look_of + random.integers(0, VARIANTS, len(look_of))
    low, high = tile_box(tile)
    flipped = random.random(len(tile)) < 0.5
    left, right = np.where(flipped, high[:, 0], low[:, 0]), np.where(flipped, low[:, 0], high[:, 0])
    points, normals, uv, quads, card = [], [], [], [], []
    centre = _centre(groom)
    start = 0
    for count in np.unique(lines.segments):
        rows = np.flatnonzero(lines.segments == count)
        along = np.linspace(0, 1, count + 1) ** TOWARDS_ROOT
        path, width = _resample(lines.points[rows], along), _resample(lines.width[rows], along)
        out = _outwards(path, centre)
        path[:, 0] -= SUNK * out[:, 0]
        across, facing = _frames(path, out, random)
        edges = np.stack([path - 0.5 * width * across, path + 0.5 * width * across], 2)  # (R, count + 1, 2, 3)
        points.append(edges.reshape(-1, 3))
        soft = _unit(0.7 * out + 0.3 * facing)
        normals.append(np.repeat(soft[:, :, None], 2, 2).reshape(-1, 3))
        down = high[rows, 1, None] + (low[rows, 1] - high[rows, 1])[:, None] * along
        sides = np.stack([left[rows], right[rows]], -1)[:, None].repeat(count + 1, 1)
        uv.append(np.stack([sides, np.repeat(down[..., None], 2, -1)], -1).reshape(-1, 2))
        first = start + 2 * (np.arange(len(rows))[:, None] * (count + 1) + np.arange(count))
        quads.append(np.stack([first, first + 1, first + 3, first + 2], -1).reshape(-1, 4))
        card.append(np.repeat(rows, 2 * (count + 1)))
        start += 2 * (count + 1) * len(rows)
    return Cards(
        points=np.concatenate(points).astype(np.float32),
        normals=np.concatenate(normals).astype(np.float32),
        uv=np.concatenate(uv).astype(np.float32),
        quads=np.concatenate(quads).astype(np.int32),
        card=np.concatenate(card).astype(np.int32),
        roots=lines.points[:, 0].astype(np.float32),
        atlas=draw_atlas(looks),
    )


@dataclass(frozen=True, eq=False)
class _Lines:
    """The C lines that cards are built along."""

    points: np.ndarray  # (C, P, 3)
    width: np.ndarray  # (C, P, 1) metres
    guide: np.ndarray  # (C,) the guide that says what the card looks like
    segments: np.ndarray  # (C,)


def _centre_lines(groom: GroomArrays, random: np.random.Generator) -> _Lines:
    """Along every guide, and between neighbours while there are triangles left. Guides are thinned out where there are more
    than the triangles allow, and cards are widened for that."""
    guide = np.flatnonzero(groom.strands > 0)
    most = TRIANGLE_LIMIT // (2 * SEGMENTS[0])
    spread = 1.0
    if len(guide) > most:
        spread = np.sqrt(len(guide) / most)
        guide = np.sort(random.permutation(guide)[:most])
    points = groom.points[guide].astype(np.float64)
    other, cell = _neighbours(points[:, 0], groom.side[guide].astype(int) * 2 + groom.kind[guide])
    length = np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1)
    segments = np.clip(np.ceil(length / SEGMENT), *SEGMENTS).astype(int)
    if 2 * segments.sum() > TRIANGLE_LIMIT:
        spare = (TRIANGLE_LIMIT / 2 - SEGMENTS[0] * len(guide)) / (segments - SEGMENTS[0]).sum()
        segments = SEGMENTS[0] + np.floor((segments - SEGMENTS[0]) * spare).astype(int)
    strands = groom.strands[guide]
    fullness = np.sqrt(strands / np.median(strands)).clip(0.5, 1.3)
    narrowest, widest = np.array(WIDTHS)[groom.kind[guide]].T
    width = np.clip(
        OVERLAP * spread * cell * fullness,
        narrowest,
        np.minimum(widest, np.array(SQUARE)[groom.kind[guide]] * length).clip(narrowest),
    )
    # Cards widen towards their tips as guides part from each other there, and narrow as these meet.
    apart = np.linalg.norm(points - points[other[:, 0]], axis=2)  # (C, P)
    widening = (apart[:, -1:] / apart[:, :1].clip(1e-4)).clip(0.7, 1.6)
    along = np.linspace(0, 1, points.shape[1])
    widths = width[:, None] * (1 + (widening - 1) * along) * np.interp(along, (0, 0.2), (AT_ROOT, 1))
    row, share = _between(points, other)
    room = np.cumsum(segments[row[:, 0]]) <= TRIANGLE_LIMIT // 2 - segments.sum()
    row, share = row[room], share[room]
    middle = np.einsum("nk,nkpc->npc", share, points[row])
    one = row[:, 0]
    return _Lines(
        np.concatenate([points, middle]),
        np.concatenate([widths, widths[one]])[..., None],
        np.concatenate([guide, guide[one]]),
        np.concatenate([segments, segments[one]]),
    )


def _between(points: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines between guides (C, P, 3) and their neighbours (C, BESIDE) that run beside them: the three rows that each is mixed
    from, and their shares, (N, 3) both. First half-way between two, then between three, then closer to one."""
    itself = np.arange(len(points))
    one, next_to = np.tile(itself, BESIDE), other.T.ravel()
    _, first = np.unique(np.sort(np.stack([one, next_to], 1), 1), axis=0, return_index=True)
    pair = np.stack([one, next_to], 1)[np.sort(first)]
    pair = pair[_runs_beside(points, *pair.T)]
    three = np.stack([itself, other[:, 0], other[:, 1]], 1)
    three = three[_runs_beside(points, itself, other[:, 0]) & _runs_beside(points, itself, other[:, 1])]
    two = pair[:, [0, 1, 1]]
    mixes = ((two, (0.5, 0.5, 0)), (three, (0.4, 0.3, 0.3)), (two, (0.75, 0.25, 0)), (two, (0.25, 0.75, 0)))
    return np.concatenate([rows for rows, _ in mixes]), np.concatenate(
        [np.tile(s, (len(rows), 1)) for rows, s in mixes]
    )


def _runs_beside(points: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    gap = np.linalg.norm(points[one] - points[other], axis=2)
    return (one != other) & (gap.max(1) < 3 * np.maximum(gap[:, 0], 0.01))


def _neighbours(roots: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """roots (C, 3) -> (C, BESIDE) the nearest other roots of the same group, itself where there are fewer, and (C,) metres
    between roots nearby."""
    nearest, cell = np.tile(np.arange(len(roots))[:, None], BESIDE), np.full(len(roots), WIDTHS[0][0])
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        if len(rows) < 2:
            continue
        for part in np.array_split(rows, len(rows) // 256 + 1):
            distance = np.linalg.norm(roots[part, None] - roots[rows], axis=2)
            distance[part[:, None] == rows] = np.inf
            order = np.argsort(distance, 1)[:, : min(BESIDE, len(rows) - 1)]
            nearest[part, : order.shape[1]] = rows[order]
            # The third nearest of points strewn at random is about as far as the side of the square that each has.
            cell[part] = np.take_along_axis(distance, order[:, -1:], 1)[:, 0]
    return nearest, cell


def _looks(groom: GroomArrays, lines: _Lines) -> tuple[list[Look], np.ndarray]:
    """At most LOOKS kinds of bundles, and (C,) which of them each card has: guides of like colour, curl and kind share one."""
    colour = albedo(groom.melanin, groom.redness, groom.tint)  # (G, 2, 3)
    length = np.linalg.norm(np.diff(groom.points.astype(np.float64), axis=1), axis=2).sum(1)
    width = np.zeros(len(length))
    width[lines.guide] = lines.width[:, 0, 0]
    wave = (groom.curl[:, 0] / width.clip(1e-3)).clip(0, 0.35)
    turns = np.where(groom.curl[:, 0] > 0, length / groom.curl[:, 1].clip(1e-3), 0).clip(0, 40)
    features = np.concatenate(
        [
            np.sqrt(colour).reshape(len(length), 6),
            groom.grey[:, None],
            groom.kind[:, None],
            wave[:, None],
            turns[:, None] / 40,
        ],
        1,
    )
    used = np.unique(lines.guide)
    label = np.zeros(len(length), int)
    label[used] = _grouped(features[used], LOOKS)
    white = albedo(np.array(WHITE), np.array(0.0), groom.tint)
    looks = []
    for one in range(label[used].max() + 1):
        of = used[label[used] == one]
        root, tip = colour[of].mean(0)
        frizz = float((groom.frizz[of] / width[of].clip(1e-3)).mean().clip(0, 0.15))
        thick = float((STRAND * WIDTH / width[of].mean()).clip(*THICK))
        grey, clump = float(groom.grey[of].mean()), float(groom.clump[of].mean())
        wave_of, turns_of = float(wave[of].mean()), float(np.median(turns[of]))
        looks.append(Look(root, tip, white, thick, grey, clump, frizz, wave_of, turns_of))
    return looks, label[lines.guide]


def _grouped(features: np.ndarray, most: int) -> np.ndarray:
    """(N, F) -> (N,) labels from 0: groups about rows that are far from each other, by k-means."""
    centres = [features.mean(0)]
    gap = np.linalg.norm(features - centres[0], axis=1)
    while len(centres) < most and gap.max() > 0.05:
        centres.append(features[gap.argmax()])
        gap = np.minimum(gap, np.linalg.norm(features - centres[-1], axis=1))
    middle = np.array(centres)
    for _ in range(8):
        label = np.linalg.norm(features[:, None] - middle, axis=2).argmin(1)
        kept = np.unique(label)
        middle = np.array([features[label == one].mean(0) for one in kept])
    label = np.linalg.norm(features[:, None] - middle, axis=2).argmin(1)
    return np.unique(label, return_inverse=True)[1]


def _centre(groom: GroomArrays) -> np.ndarray:
    """(3,) about the middle of the skull: between the roots of scalp hair, or behind those of a beard."""
    roots = groom.points[:, 0].astype(np.float64)
    scalp = groom.kind == 0
    if scalp.any():
        return 0.5 * (roots[scalp].min(0) + roots[scalp].max(0))
    return roots.mean(0) - [0, 0, 0.08]


def _outwards(path: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(R, P, 3) -> unit vectors away from the skull; below it, away from the axis of head and neck."""
    away = path - centre
    away[..., 1] = away[..., 1].clip(0)
    return _unit(away)


def _frames(path: np.ndarray, out: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors across the cards and out of their faces, (R, P, 3) each: faces look outwards, turned a little, and turn
    smoothly where the hair itself grows outwards."""
    way = _unit(np.gradient(path, axis=1))
    angle = random.normal(0, TILT, (len(path), 1))
    before = np.cross(random.normal(0, 1, (len(path), 3)), way[:, 0])
    across = []
    for number in range(path.shape[1]):
        along = way[:, number]
        wanted = np.cross(along, out[:, number])
        side = wanted + 0.35 * _unit(before)
        before = _unit(side - (side * along).sum(1, keepdims=True) * along)
        across.append(before * np.cos(angle) + np.cross(along, before) * np.sin(angle))
    turned = np.stack(across, 1)
    return turned, np.cross(turned, way)


def _resample(values: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(R, P, C) at even places -> (R, N, C) at the places (N,), from 0 to 1."""
    place = along * (values.shape[1] - 1)
    low = np.minimum(place.astype(int), values.shape[1] - 2)
    share = (place - low)[:, None]
    return values[:, low] * (1 - share) + values[:, low + 1] * share


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)
