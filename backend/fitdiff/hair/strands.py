"""Makes the strands of hair between a groom's guides. Blender's nodes do the same (blender_fitdiff/scene/groom_nodes.py), and
docs/avatar-format.md says how, so that every client has equal hair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..avatar import Groom
from .chance import Chance
from .pigment import LEAST, WHITE, reflectance

Array = NDArray[Any]

NUMBER, FIRST, SECOND, PLACE, SLOW, QUICK, SORT, TWIST, AXIS, SHADE, OWN_TWIST = range(11)  # seeds of random numbers
PER_STRAND = 16  # a strand's seeds are these plus its number among its guide's times this; the ID is the guide's row
ROOTS = 4  # nearest roots whose mean distance is a guide's spacing
AWAY = 1.6  # of the spacing: how far from a guide's root its neighbours are looked for
LOCKS = 0.06  # metres: shorter hair draws together less
PARTED = 0.6  # of a guide's span: neighbours whose tips are further off than their roots, by more than this, do not mix
SHORTER = 0.3  # by what share the shortest strands are cut
GROWS = 0.03  # metres from the root over which strands begin to wander
SLOW_WAVE, QUICK_WAVE = 0.06, 0.034  # metres, of the two waves in which strands wander
STRAY, STRAYS = 7.0, 24.0  # how much further the wildest strand wanders, and how rare such strands are
TOGETHER = 0.2  # of a turn: how far strands of one guide differ in their curl
DARKER = 0.25  # by what share the pigment of single strands differs


@dataclass(frozen=True, eq=False)
class Strands:
    """N strands of P points on the neutral head, metres, Y up; guides without strands have none."""

    points: Array  # (N, P, 3) float32, the root first
    guide: Array  # (N,) the guide that each belongs to
    colour: Array  # (N, P, 3) float32 linear, of a mass of such hair
    radius: Array  # (P,) float32 metres


def strands_of(groom: Groom, share: float = 1.0) -> Strands:
    """share: of the strands at full density; those of a smaller share are among those of a greater one."""
    turned = groom.points[..., (0, 2, 1)] * np.array(
        [1, -1, 1], np.float32
    )  # as Blender's axes lie: random vectors are meant so
    points, guides, colours = [], [], []
    for kind in np.unique(groom.kind):
        rows = np.flatnonzero(groom.kind == kind)
        count = np.floor(groom.strands[rows] * np.float32(share) + Chance(rows).value(NUMBER)).astype(int)
        of = np.repeat(np.arange(len(rows)), count)
        number = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
        guide = rows[of]
        chance = Chance(guide, PER_STRAND * number)
        points.append(_shapes(groom, turned[rows], rows, of, chance))
        guides.append(guide)
        colours.append(_colours(groom, guide, chance))
    along = _along(groom)
    made = np.concatenate(points)[..., (0, 2, 1)] * np.array([1, 1, -1], np.float32)
    root, tip = groom.radius
    return Strands(made, np.concatenate(guides), np.concatenate(colours), root + (tip - root) * along**2)


def _along(groom: Groom) -> Array:
    """(P,) 0 at the root, 1 at the tip."""
    return np.linspace(0, 1, groom.points.shape[1], dtype=np.float32)


def _shapes(groom: Groom, guides: Array, rows: Array, of: Array, chance: Chance) -> Array:
    """guides (G, P, 3) of one kind, `rows` of the groom; of (N,) which of them each strand belongs to -> (N, P, 3)."""
    along = _along(groom)
    row = rows[of]
    share, mixed = _mix(groom, guides, rows, of, chance)
    own = guides[of]
    length = np.linalg.norm(np.diff(guides, axis=1), axis=2).sum(1)[of]
    clump = np.clip(groom.clump[row], 0, 1) * np.minimum(length / np.float32(LOCKS), 1)
    drawn = 1 - clump[:, None] * along
    points = own + drawn[..., None] * (
        share[:, :1, None] * (guides[mixed[0]] - own) + share[:, 1:, None] * (guides[mixed[1]] - own)
    )
    short, wild, _ = chance.vector(SORT).T
    reach = 1 - SHORTER * short**2
    points = _cut(points, reach)
    far = (reach * length)[:, None] * along  # metres from the root
    frizz = groom.frizz[row] * (1 + STRAY * wild**STRAYS)
    curled = np.flatnonzero(groom.curl[row, 0] > 0)
    twist = _curl(groom, points[curled], row[curled], chance[curled], far[curled])
    turn = np.float32(2 * np.pi)
    wander = np.sin(turn * chance.vector(SLOW)[:, None] + (turn / SLOW_WAVE * far)[..., None])
    wander += 0.5 * np.sin(turn * chance.vector(QUICK)[:, None] + (turn / QUICK_WAVE * far)[..., None])
    points += (frizz[:, None] * np.minimum(far / np.float32(GROWS), 1))[..., None] * wander
    points[curled] += twist
    return points


def _mix(groom: Groom, guides: Array, rows: Array, of: Array, chance: Chance) -> tuple[Array, tuple[Array, Array]]:
    """Shares (N, 2) of two neighbours in each strand, and which guides they are: the own one where they must not mix."""
    roots, tips = guides[:, 0], guides[:, -1]
    tree = cKDTree(roots)
    if len(rows) > 1:
        spacing = tree.query(roots, min(ROOTS + 1, len(rows)))[0][:, 1:].mean(1).astype(np.float32)
    else:
        spacing = np.zeros(1, np.float32)
    side, span = groom.side[rows], np.linalg.norm(tips - roots, axis=1)
    found = []
    for seed in (FIRST, SECOND):
        way = chance.vector(seed) - np.float32(0.5)
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        near = tree.query(roots[of] + AWAY * spacing[of, None] * way)[1]
        apart = np.linalg.norm(tips[near] - tips[of], axis=1) - np.linalg.norm(roots[near] - roots[of], axis=1)
        found.append(np.where((side[near] == side[of]) & (apart < PARTED * span[of]), near, of))
    out, across, _ = chance.vector(PLACE).T
    out = np.sqrt(out)
    return np.stack([out * (1 - across), out * across], 1), (found[0], found[1])


def _cut(points: Array, reach: Array) -> Array:
    """(N, P, 3) -> (N, P, 3), only the first `reach` (N,) of each strand."""
    last = points.shape[1] - 1
    at = reach[:, None] * np.arange(last + 1, dtype=np.float32)
    low = np.floor(at).astype(int)
    strand = np.arange(len(points))[:, None]
    start = points[strand, low]
    return np.asarray(start + (at - low)[..., None] * (points[strand, np.minimum(low + 1, last)] - start))


def _curl(groom: Groom, points: Array, row: Array, chance: Chance, far: Array) -> Array:
    """What a helix round each strand adds, (N, P, 3); its radius grows over the first turn."""
    forward = np.concatenate([points[:, 1:], points[:, -1:]], 1) - np.concatenate([points[:, :1], points[:, :-1]], 1)
    axis = Chance(row).vector(AXIS) - np.float32(0.5)
    across = _unit(np.cross(forward, axis[:, None]))
    beside = _unit(np.cross(forward, across))
    radius, wave = groom.curl[row].T[:, :, None]
    turns = far / wave + Chance(row).value(TWIST)[:, None] + TOGETHER * chance.value(OWN_TWIST)[:, None]
    angle = np.float32(2 * np.pi) * turns
    size = radius * np.minimum(far / wave, 1)
    return np.asarray((size * np.cos(angle))[..., None] * across + (size * np.sin(angle))[..., None] * beside)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-20))


def _colours(groom: Groom, guide: Array, chance: Chance) -> Array:
    """(N, P, 3) linear."""
    along = _along(groom)
    white = chance.vector(SORT)[:, 2] < groom.grey[guide]
    more = 1 - DARKER + 2 * DARKER * chance.value(SHADE)
    melanin, redness = (ends[guide, :1] + np.diff(ends[guide]) * along for ends in (groom.melanin, groom.redness))
    melanin = 1 - np.maximum(1 - melanin, np.float32(LEAST)) ** more[:, None]
    melanin[white], redness[white] = WHITE, 0
    return reflectance(melanin, redness).astype(np.float32) * groom.tint
