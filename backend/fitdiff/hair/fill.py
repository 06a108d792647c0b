"""Further guides for hair that the photo shows and no guide reaches, such as locks that are drawn before a shoulder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter1d
from scipy.spatial import cKDTree

from .field import HairField
from .head_shape import HeadShape
from .hiding import FAR, HIDDEN, hiding_depth
from .volume import Volume

Array = NDArray[np.float64]

MOST = 300  # further guides
REACHED = 4  # pixels of the field round a guide that its strands cover
APART = 7  # pixels between further guides
TUFT = 5  # steps: shorter lines are tufts at the hairline
STRIDE, UP, DOWN = 3.0, 60, 110  # pixels of a step along the photo's lines, and steps towards root and tip
JOINS = 40.0  # pixels from the end of a line to the guide that it is joined to, at most
BEHIND = -0.03  # metres towards the camera: guides further back are not what the photo shows
RIM = 8.0  # pixels from the edge beside the head in which no line begins: it would be a loose lock from other sides
MARGIN = 1.0  # pixels that lines keep inside the hair's edge: their strands lie on both sides
ASTRAY, MAY_STRAY = 6.0, 0.3  # pixels outside of the hair where lines do not run, and for what share of them they may
SPREAD = 0.03  # metres over which lines beside the head lie behind each other: else they are one wire
GOLDEN = 0.618034  # its multiples fill that range evenly
OVER = 0.006  # metres that lines keep before the head, and go beyond the hair's volume at most
FREELY = -0.06  # metres above the skull's middle, from where down hair hangs and does not close over jaw and neck
NEARER, FARTHER = 0.5, 1.2  # metres by which a line comes nearer, and goes off, on a metre of its way
SHIFT = 0.006  # metres from the guide's root to the line's, at most
EVEN, BETWEEN = 3.0, 0.003  # points over which a joint is smoothed, and metres between them
FINE = 4  # places on each piece of a guide that are marked as covered


def fill(
    shape: HeadShape, volume: Volume, field: HairField, points: Array
) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Local guides (G, P, 3) -> local paths (N, S, 3), the last step of each (N,), and the samples they are rooted on (N,).

    A line is followed through the photo's flow from hair that no guide covers up to a guide, and down to where hair ends. It
    is rooted beside that guide: strands are mixed from guides with near roots, and so from its neighbours among the lines.
    """
    pixels, depth = shape.project(volume.places(points))
    inside = field.window.inside(pixels.reshape(-1, 2)).reshape(pixels.shape)
    covers = hiding_depth(shape, field)
    shown = depth < field.at(covers, pixels)
    covered = _covered(inside, shown, field.hair.shape)
    deep = np.where(covers < FAR / 2, -MARGIN, -RIM)
    missing = np.argwhere((field.outside < deep) & ~covered)
    front = np.argwhere(shown & (points[..., 2] > BEHIND))
    if not len(missing) or not len(front):
        return np.zeros((0, 2, 3)), np.zeros(0, np.intp), np.zeros(0, np.intp)
    _, first = np.unique(missing // APART, axis=0, return_index=True)
    seeds = missing[first][:, ::-1] + 0.5
    seeds = seeds[np.linspace(0, len(seeds) - 1, min(MOST, len(seeds))).astype(int)]
    up, down = _line(field, seeds, -1, UP, covered), _line(field, seeds, 1, DOWN, None)
    distance, near = cKDTree(inside[front[:, 0], front[:, 1]]).query([line[-1] for line in up])
    scalp = np.flatnonzero(shape.inside > 0)
    ground = volume.local(shape.place[scalp])
    tree = cKDTree(ground)
    paths, roots = [], []
    between = (inside[front[near, 0], front[near, 1]] + np.array([line[-1] for line in up])) / 2
    joins = (distance < JOINS) & (_at(field.outside, between) < ASTRAY)
    for k in np.flatnonzero(joins):
        guide, at = front[near[k]]
        line = np.concatenate([up[k][::-1], down[k][1:]])
        if len(line) < TUFT:
            continue
        behind = SPREAD * (k * GOLDEN % 1)
        lifted = _lifted(shape, volume, field, line, float(depth[guide, at]), covers, behind)
        beside = lifted[0] - points[guide, at]
        towards = beside * min(1.0, SHIFT / max(float(np.linalg.norm(beside)), 1e-9))
        root = tree.query(points[guide, 0] + towards)[1]
        share = (np.arange(1, at + 1) / max(at, 1))[:, None]
        led = points[guide, 1 : at + 1] + (1 - share) * (ground[root] - points[guide, 0]) + share * beside
        path = np.concatenate([ground[None, root], led, lifted])
        if len(path) > 3 and not _strays(shape, volume, field, path, covers):
            paths.append(_smoothed(path))
            roots.append(scalp[root])
    last = np.array([len(path) - 1 for path in paths], np.intp)
    longest = int(last.max(initial=1)) + 1
    padded = [np.concatenate([path, np.repeat(path[-1:], longest - len(path), 0)]) for path in paths]
    return np.array(padded).reshape(-1, longest, 3), last, np.array(roots, np.intp)


def _strays(shape: HeadShape, volume: Volume, field: HairField, path: Array, covers: Array) -> bool:
    """Whether a path (S, 3) runs where the photo shows no hair."""
    pixels, depth = shape.project(volume.places(path))
    shown = (depth < field.at(covers, pixels)) & field.in_photo(pixels)
    return bool((field.at(field.outside, pixels)[shown] > ASTRAY).sum() > MAY_STRAY * len(path))


def _at(picture: Array, places: Array) -> Array:
    column, row = np.floor(places).astype(int).clip(0, len(picture) - 1).T
    return np.asarray(picture[row, column])


def _smoothed(path: Array) -> Array:
    """(S, 3) -> (N, 3), BETWEEN apart, without the joint's corner; both ends stay."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    places = np.linspace(0, length[-1], max(4, int(length[-1] / BETWEEN)))
    even = np.stack([np.interp(places, length, path[:, axis]) for axis in range(3)], 1)
    turned = np.concatenate([2 * even[0] - even[:0:-1], even, 2 * even[-1] - even[-2::-1]])
    return np.asarray(gaussian_filter1d(turned, EVEN, axis=0)[len(even) - 1 : 2 * len(even) - 1])


def _covered(inside: Array, shown: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Window places of guides (G, P, 2), which of them the head does not hide -> the pixels that their strands cover."""
    share = np.linspace(0, 1, FINE, endpoint=False)[:, None]
    between = inside[:, :-1, None] * (1 - share) + inside[:, 1:, None] * share
    columns, rows = np.floor(between.reshape(-1, 2)).astype(int).T
    marked = np.zeros(size, bool)
    good = (rows >= 0) & (columns >= 0) & (rows < size[0]) & (columns < size[1])
    good &= np.repeat(shown[:, 1:].reshape(-1), FINE)
    marked[rows[good], columns[good]] = True
    return np.asarray(binary_dilation(marked, iterations=REACHED))


def _inwards(field: HairField, places: Array) -> Array:
    """Window places (N, 2), those at the hair's edge moved to where lines may run: so lines follow the edge, as hair does."""
    column, row = np.floor(places).astype(int).clip(0, len(field.hair) - 1).T
    slope = field.slope[:, row, column].T
    slope = slope / np.linalg.norm(slope, axis=1, keepdims=True).clip(1e-6)
    return np.asarray(places - slope * np.clip(field.outside[row, column] + MARGIN + 1, 0, STRIDE)[:, None])


def _line(field: HairField, seeds: Array, sign: int, steps: int, until: NDArray[np.bool_] | None) -> list[Array]:
    """Window places (N, 2) -> a line from each along the flow (sign 1) or against it (-1), to the hair's end or `until`."""
    side = field.hair.shape[0]
    at, going = seeds.copy(), np.ones(len(seeds), bool)
    track, length = [at], np.ones(len(seeds), int)
    back = np.linalg.inv((field.window.axes / field.window.step).T)
    way = field.way @ back
    for _ in range(steps):
        column, row = np.floor(at).astype(int).clip(0, side - 1).T
        towards = way[row, column]
        towards = towards / np.linalg.norm(towards, axis=1, keepdims=True).clip(1e-9)
        forward = _inwards(field, at + sign * STRIDE * towards)
        column, row = np.floor(forward).astype(int).clip(0, side - 1).T
        going &= ((forward > 1) & (forward < side - 1)).all(1) & (field.outside[row, column] < -MARGIN)
        at = np.where(going[:, None], forward, at)
        length += going
        track.append(at)
        if until is not None:
            going &= ~until[row, column]
    whole = np.stack(track, 1)
    return [line[:end] for line, end in zip(whole, length, strict=True)]


def _lifted(
    shape: HeadShape, volume: Volume, field: HairField, line: Array, depth: float, covers: Array, behind: float
) -> Array:
    """Window places (S, 2) -> local places (S, 3), which lie right from every side: from this distance to the camera on, close
    over the head; once past the head, so far behind where it was left, and within the hair's volume."""
    pixels = line @ field.window.axes.T + field.window.origin
    middle, away = shape.project(volume.middle[None])
    focal, centre = float(shape.camera.focal[0]), shape.camera.principal[0].double().numpy()
    seen = (pixels - centre) / focal
    height = (middle - centre)[:, 1] / focal * away - seen[:, 1] * depth
    head = np.where(height > FREELY, field.at(covers, pixels) - HIDDEN - OVER, FAR)
    stride = STRIDE * field.window.step * depth / focal
    far, left = np.full(len(line), depth), depth
    for k in range(1, len(line)):
        over = head[k] < FAR / 2
        wanted = head[k] if over else left + behind
        far[k] = far[k - 1] + np.clip(wanted - far[k - 1], -NEARER * stride, FARTHER * stride)
        left = far[k] if over else left
    flat = seen * far[:, None] - (middle - centre) / focal * away
    lifted = np.column_stack([flat[:, 0], -flat[:, 1], float(away[0]) - far])
    radius, way = volume.radial(lifted)
    beyond = np.clip(radius - volume.bounds(lifted)[1] - OVER, 0, None) * (head > FAR / 2)
    return np.asarray(lifted - way * beyond[:, None])
