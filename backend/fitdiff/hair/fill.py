"""Further guides for hair that the photo shows and no guide reaches, such as locks that are drawn before a shoulder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter1d
from scipy.spatial import cKDTree

from .field import HairField
from .head_shape import HeadShape
from .volume import Volume

Array = NDArray[np.float64]

MOST = 120  # further guides
REACHED = 4  # pixels of the field round a guide that its strands cover
APART = 7  # pixels between further guides
STRIDE, UP, DOWN = 3.0, 50, 50  # pixels of a step along the photo's lines, and steps towards root and tip
JOINS = 40.0  # pixels from the end of a line to the guide that it is joined to, at most
BEHIND = -0.03  # metres towards the camera: guides further back are not what the photo shows
HAIR = 0.5  # share of hair that is hair
EVEN = 3.0  # points over which a joint is smoothed
FINE = 4  # places on each piece of a guide that are marked as covered


def fill(
    shape: HeadShape, volume: Volume, field: HairField, points: Array
) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Local guides (G, P, 3) -> local paths (N, S, 3), the last step of each (N,), and the guide that each leaves (N,).

    A line is followed through the photo's flow from hair that no guide covers up to a guide, and down to where hair ends.
    """
    pixels, depth = shape.project(volume.places(points))
    inside = field.window.inside(pixels.reshape(-1, 2)).reshape(pixels.shape)
    covered = _covered(inside, field.hair.shape)
    missing = np.argwhere((field.hair > HAIR) & ~covered)
    if not len(missing):
        return np.zeros((0, 2, 3)), np.zeros(0, np.intp), np.zeros(0, np.intp)
    _, first = np.unique(missing // APART, axis=0, return_index=True)
    seeds = missing[first][:, ::-1] + 0.5
    seeds = seeds[np.linspace(0, len(seeds) - 1, min(MOST, len(seeds))).astype(int)]
    up, down = _line(field, seeds, -1, UP, covered), _line(field, seeds, 1, DOWN, None)
    front = np.argwhere(points[..., 2] > BEHIND)
    distance, near = cKDTree(inside[front[:, 0], front[:, 1]]).query([line[-1] for line in up])
    paths, guides = [], []
    for k in np.flatnonzero(distance < JOINS):
        guide, at = front[near[k]]
        line = np.concatenate([up[k][::-1], down[k][1:]])
        lifted = _lifted(shape, volume, field, line, float(depth[guide, at]))
        path = np.concatenate([points[guide, : at + 1], lifted])
        if len(path) > 3:
            smooth = gaussian_filter1d(path, EVEN, axis=0, mode="nearest")
            paths.append(np.concatenate([path[:1], smooth[1:]]))
            guides.append(guide)
    last = np.array([len(path) - 1 for path in paths], np.intp)
    longest = int(last.max(initial=1)) + 1
    padded = [np.concatenate([path, np.repeat(path[-1:], longest - len(path), 0)]) for path in paths]
    return np.array(padded).reshape(-1, longest, 3), last, np.array(guides, np.intp)


def _covered(inside: Array, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Window places of guides (G, P, 2) -> the pixels that their strands cover."""
    share = np.linspace(0, 1, FINE, endpoint=False)[:, None]
    between = inside[:, :-1, None] * (1 - share) + inside[:, 1:, None] * share
    columns, rows = np.floor(between.reshape(-1, 2)).astype(int).T
    marked = np.zeros(size, bool)
    good = (rows >= 0) & (columns >= 0) & (rows < size[0]) & (columns < size[1])
    marked[rows[good], columns[good]] = True
    return np.asarray(binary_dilation(marked, iterations=REACHED))


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
        forward = at + sign * STRIDE * towards
        column, row = np.floor(forward).astype(int).clip(0, side - 1).T
        going &= ((forward > 1) & (forward < side - 1)).all(1) & (field.hair[row, column] > HAIR)
        at = np.where(going[:, None], forward, at)
        length += going
        track.append(at)
        if until is not None:
            going &= ~until[row, column]
    whole = np.stack(track, 1)
    return [line[:end] for line, end in zip(whole, length, strict=True)]


def _lifted(shape: HeadShape, volume: Volume, field: HairField, line: Array, depth: float) -> Array:
    """Window places (S, 2) -> local places (S, 3) at this distance from the camera, metres."""
    pixels = line @ field.window.axes.T + field.window.origin
    middle, away = shape.project(volume.middle[None])
    focal, centre = float(shape.camera.focal[0]), shape.camera.principal[0].double().numpy()
    flat = (pixels - centre) / focal * depth - (middle - centre) / focal * away
    return np.column_stack([flat[:, 0], -flat[:, 1], np.full(len(line), float(away[0]) - depth)])
