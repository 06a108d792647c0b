"""From which end a strand grows: the lines that a photo shows, given a direction from roots to tips.

One smooth field of vectors is solved for: along the lines where they are sure, away from the skin at the hairline, onto the
skin under a fringe, away from the parting and, lower, down. Only the field decides the sign of each line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from scipy.sparse import bmat, coo_matrix, diags
from scipy.sparse.linalg import cg

from .vectors import unit

Array = NDArray[np.float64]

SHRINK = 4  # pixels of the field for one of the solve
NEAR = 10.0  # pixels from skin within which hair begins, or a fringe ends
HAIRLINE, FRINGE = (
    0.75,
    0.5,
)  # of the way from the brows to the forehead's top: roots above the first, tips below the second
ROOT, FALL, AWAY = 2.5, 0.08, 0.02  # weights of beginning at the hairline, of falling, of leaving the parting
LINE = 4.0  # weight of a sure line beside smoothness, which has 1


def see_direction(angle: Array, sure: Array, hair: Array, skin: Array, points: Array) -> Array:
    """angle, sure (N, N) of lines; hair, skin (N, N) shares; points (468, 2) in their pixels -> (N, N, 2) unit, x and y,
    from roots to tips."""
    inside = hair > 0.5
    if not inside.any():
        return np.broadcast_to(np.array([0.0, 1.0]), (*hair.shape, 2)).copy()
    parting = part_column(angle, sure, inside, points)
    wish, weight = _wishes(inside, skin > 0.5, points, parting)
    coarse = [_shrunk(value) for value in (inside.astype(float), wish[..., 0] * weight, wish[..., 1] * weight, weight)]
    lines = [_shrunk(value * sure * inside) for value in (np.cos(2 * angle), np.sin(2 * angle))]
    field = _solved(coarse[0] > 0.25, np.stack(coarse[1:3], -1), coarse[3], np.stack(lines, -1))
    smooth = np.stack([zoom(field[..., k], SHRINK, order=1, grid_mode=True, mode="nearest") for k in (0, 1)], -1)
    smooth = unit(smooth)
    line = np.stack([np.cos(angle), np.sin(angle)], -1)
    along = (line * smooth).sum(-1, keepdims=True)
    return unit(line * np.where(along < 0, -1, 1) * sure[..., None] + 0.3 * smooth)


def part_column(angle: Array, sure: Array, inside: NDArray[np.bool_], points: Array) -> float:
    """The column from which hair over the forehead leaves to either side, as it falls."""
    top = np.flatnonzero(inside.any(1))[0]
    face = np.ptp(points[:, 0])
    middle = float(points[10, 0])
    low = int(np.clip(points[10, 1] + 0.05 * face, top + 4, len(angle)))
    columns = np.arange(max(int(middle - 0.4 * face), 0), min(int(middle + 0.4 * face), angle.shape[1]))
    if len(columns) < 3:
        return middle
    weight = (sure * inside)[top:low, columns]
    across = np.cos(angle)[top:low, columns]  # sin of the angle is never negative: the line as it falls
    push = (weight * across * np.sin(angle)[top:low, columns]).sum(0)
    score = np.cumsum(-push) + np.cumsum(push[::-1])[::-1]
    score -= 0.3 * weight.sum() * ((columns - middle) / face) ** 2
    return float(columns[int(score.argmax())]) if weight.sum() > 30 else middle


def _wishes(inside: NDArray[np.bool_], skin: NDArray[np.bool_], points: Array, parting: float) -> tuple[Array, Array]:
    """(N, N, 2) unit and (N, N): where hair would run without the lines, and how much that counts."""
    rows, columns = np.indices(inside.shape).astype(float)
    brows, forehead, chin = points[9, 1], points[10, 1], points[152, 1]
    top = float(np.flatnonzero(inside.any(1))[0])
    line = np.clip(rows, top, max(forehead, top))  # the parting runs from the top to the forehead
    from_parting = np.stack([columns - parting, rows - line + 0.25 * (line - top)], -1)
    lower = np.clip((rows - brows) / max(chin - brows, 1.0), 0, 1)
    weight = AWAY + FALL * (0.1 + lower)
    wish = AWAY * unit(from_parting) + (FALL * (0.1 + lower))[..., None] * np.array([0.0, 1.0])
    if (skin & ~inside).any():
        away = distance_transform_edt(~(skin & ~inside))
        smooth = gaussian_filter(away, 2.0)
        out = unit(np.stack([np.gradient(smooth, axis=1), np.gradient(smooth, axis=0)], -1))
        height = (brows - rows) / max(brows - forehead, 1.0)
        kind = np.clip(
            (height - FRINGE) / (HAIRLINE - FRINGE) * 2 - 1, -1, 1
        )  # 1 at a hairline, -1 over a fringe's end
        between = (columns > points[127, 0]) & (columns < points[356, 0]) & (rows < brows + 0.2 * (chin - brows))
        begins = ROOT * np.exp(-((away / NEAR) ** 2)) * np.abs(kind) * between * np.clip(-out[..., 1], 0.1, 1)
        wish = wish + out * (begins * np.sign(kind))[..., None]
        weight = weight + begins
    return wish / weight[..., None], weight


def _shrunk(values: Array) -> Array:
    count = len(values) // SHRINK
    return np.asarray(values.reshape(count, SHRINK, count, SHRINK).mean((1, 3)))


def _solved(inside: NDArray[np.bool_], pull: Array, weight: Array, lines: Array) -> Array:
    """Least squares: smooth within the hair, near pull / weight, and nothing across lines (double angles)."""
    number = np.full(inside.shape, -1)
    count = int(inside.sum())
    number[inside] = np.arange(count)
    pairs = []
    for a, b in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1])):
        both = (a >= 0) & (b >= 0)
        pairs.append(np.stack([a[both], b[both]]))
    first, second = np.concatenate(pairs, 1)
    ones = np.ones(len(first))
    joined = coo_matrix((ones, (first, second)), (count, count)).tocsr()
    joined = joined + joined.T
    laplace = diags(np.asarray(joined.sum(1)).ravel()) - joined
    strength = np.hypot(lines[inside, 0], lines[inside, 1])
    cosine, sine = lines[inside].T
    kept = weight[inside]
    xx = diags(kept + LINE * (strength - cosine) / 2)
    yy = diags(kept + LINE * (strength + cosine) / 2)
    xy = diags(-LINE * sine / 2)
    matrix = bmat([[laplace + xx, xy], [xy, laplace + yy]], format="csr")
    right = np.concatenate([pull[inside, 0], pull[inside, 1]])
    scale = diags(1 / matrix.diagonal())
    found, _ = cg(matrix, right, rtol=1e-3, maxiter=300, M=scale)
    field = np.zeros((*inside.shape, 2))
    field[inside] = found.reshape(2, count).T
    nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return np.asarray(field[tuple(nearest)])
