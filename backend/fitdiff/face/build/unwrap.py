"""The skin's texture layout: one island, the face in the middle and large, one seam from the nape to the crown.

Tutte's embedding on a square starts without a flip; then the symmetric Dirichlet energy against a target size per face
(the front of the face several times larger than the back of the head) is lowered by steps that never flip one. With the
border fixed on the square, no two faces can overlap. Mouth and eyes are closed by fans meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from ..geometry import boundary_loops

MARGIN = 0.006  # of the map, all round
FRONT, BACK = 1.0, 0.25  # relative size of the face and of the back of the head
FEATURES = 1.5  # of eyes, nose and mouth
SEAM_SIDE = 0.72  # of the seam runs up the side of the square, the rest along its top
ITERATIONS = 400


@dataclass(frozen=True)
class Layout:
    uv: np.ndarray  # (U, 2)
    uv_quads: np.ndarray  # (Q, 4)


def unwrap_skin(vertices: np.ndarray, quads: np.ndarray, mirror: np.ndarray, eye_height: float) -> Layout:
    """vertices (V, 3) with X to the person's left, Y up, face along +Z; quads: the skin's only; mirror (V,)."""
    neck, *holes = boundary_loops(quads)
    seam = _seam(vertices, quads, mirror, neck)
    uv_quads, twin = _cut(vertices, quads, seam)
    owner = np.concatenate([np.arange(len(vertices)), list(twin)]).astype(int)  # uv row -> vertex
    used = np.unique(uv_quads)
    points = vertices[owner]

    triangles = np.concatenate([uv_quads[:, [0, 1, 2]], uv_quads[:, [0, 2, 3]]])
    size = _target_size(points, triangles, eye_height, [vertices[hole].mean(0) for hole in holes])
    fans, middles = _fans(holes, len(points))
    points = np.concatenate([points, [vertices[hole].mean(0) for hole in holes]])
    all_triangles = np.concatenate([triangles, fans])
    size = np.concatenate([size, np.full(len(fans), FEATURES)])

    border, positions = _border(vertices, neck, seam, twin, len(vertices))
    active = np.concatenate([used, middles])
    lookup = np.full(len(points), -1)
    lookup[active] = np.arange(len(active))
    start = _tutte(points[active], lookup[all_triangles], lookup[border], positions)
    solved = _relax(start, points[active], lookup[all_triangles], size, lookup[border])

    uv = np.full((len(owner), 2), np.nan)
    uv[used] = solved[lookup[used]]
    rows, packed = np.unique(uv_quads, return_inverse=True)
    return Layout(MARGIN + (1 - 2 * MARGIN) * uv[rows], packed.reshape(-1, 4))


def _seam(vertices, quads, mirror, neck) -> np.ndarray:
    """Vertices from the neck's back up the middle to the crown, along edges of the plane of symmetry."""
    middle = np.nonzero(mirror == np.arange(len(vertices)))[0]
    on = np.zeros(len(vertices), bool)
    on[middle] = True
    follow: dict[int, set[int]] = {int(v): set() for v in middle}
    for k in range(4):
        a, b = quads[:, k], quads[:, (k + 1) % 4]
        for p, q in zip(a[on[a] & on[b]], b[on[a] & on[b]], strict=True):
            follow[int(p)].add(int(q))
            follow[int(q)].add(int(p))
    start = min((int(v) for v in neck if on[v]), key=lambda v: vertices[v, 2])
    crown = int(middle[vertices[middle, 1].argmax()])
    path, seen = [start], {start}
    while path[-1] != crown:
        ahead = [v for v in follow[path[-1]] if v not in seen and v not in set(neck.tolist())]
        path.append(max(ahead, key=lambda v: vertices[v, 1]))
        seen.add(path[-1])
    return np.array(path)


def _cut(vertices, quads, seam) -> tuple[np.ndarray, list[int]]:
    """Quads with the seam's vertices (all but the last) doubled on the person's right side."""
    twin = [int(v) for v in seam[:-1]]
    row = {v: len(vertices) + i for i, v in enumerate(twin)}
    uv_quads = quads.copy()
    right = vertices[quads].mean(1)[:, 0] < 0
    for v, new in row.items():
        uv_quads[(quads == v) & right[:, None]] = new
    return uv_quads, twin


def _target_size(points, triangles, eye_height, features) -> np.ndarray:
    """Relative length per face: large where the face looks forward, small behind, smaller inside folds."""
    corners = points[triangles]
    centre = corners.mean(1) - [0, eye_height - 2.0, 2.0]
    angle = np.degrees(np.arccos(np.clip(centre[:, 2] / np.linalg.norm(centre, axis=1), -1, 1)))
    t = np.clip((angle - 50) / 65, 0, 1)
    size = FRONT + (BACK - FRONT) * t * t * (3 - 2 * t)
    nearness = sum(np.exp(-(((corners.mean(1) - feature) ** 2).sum(1)) / 2 / 2.2**2) for feature in features)
    size = size * (1 + (FEATURES - 1) * np.minimum(nearness, 1))
    below = np.clip((eye_height - 13.5 - corners.mean(1)[:, 1]) / 4, 0, 1)  # under the chin
    return size * (1 - 0.45 * below)


def _fans(holes, first) -> tuple[np.ndarray, np.ndarray]:
    fans = []
    for i, hole in enumerate(holes):
        fans.append(np.stack([np.roll(hole, -1), hole, np.full(len(hole), first + i)], 1))
    return np.concatenate(fans), first + np.arange(len(holes))


def _border(vertices, neck, seam, twin, count) -> tuple[np.ndarray, np.ndarray]:
    """UV rows round the square and where they lie: neck along the bottom, the seam up both sides to the top's middle.

    Left in the map is the person's right, as in a photo.
    """
    start = int(np.nonzero(neck == seam[0])[0][0])
    ring = np.roll(neck, -start)
    if vertices[ring[len(ring) // 4], 0] > 0:  # go round by the person's right
        ring = np.concatenate([ring[:1], ring[:0:-1]])
    seam_length = _progress(vertices[seam])
    neck_length = _progress(vertices[np.concatenate([ring, ring[:1]])])
    row = {v: count + i for i, v in enumerate(twin)}

    def climb(t, right):
        side = t < SEAM_SIDE
        x = np.where(side, 0.0, (t - SEAM_SIDE) / (1 - SEAM_SIDE) * 0.5)
        y = np.where(side, t / SEAM_SIDE, 1.0)
        return np.stack([1 - x if right else x, y], 1)

    rows = [row[int(ring[0])], *map(int, ring[1:]), int(ring[0])]
    places = [np.stack([neck_length, np.zeros_like(neck_length)], 1)]
    rows += [row[int(v)] for v in seam[1:-1]] + [int(v) for v in seam[1:]]
    places += [climb(seam_length, False)[1:-1], climb(seam_length, True)[1:]]
    return np.array(rows), np.concatenate(places)


def _progress(points) -> np.ndarray:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0], np.cumsum(steps)]) / steps.sum()


def _tutte(points, triangles, border, positions) -> np.ndarray:
    """Mean value weights are positive, so every interior vertex lies inside its neighbours: no face flips."""
    count = len(points)
    rows, columns, values = [], [], []
    for k in range(3):
        i, j, o = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        for a, b, c in ((i, j, o), (i, o, j)):
            u, w = points[b] - points[a], points[c] - points[a]
            length = np.linalg.norm(u, axis=1)
            angle = np.arctan2(np.linalg.norm(np.cross(u, w), axis=1), (u * w).sum(1))
            rows.append(a)
            columns.append(b)
            values.append(np.tan(angle / 2) / length)
    weights = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    ).tocsr()
    free = np.setdiff1d(np.arange(count), border)
    uv = np.zeros((count, 2))
    uv[border] = positions
    system = (coo_matrix((np.asarray(weights.sum(1)).ravel(), (range(count), range(count)))) - weights).tocsc()
    uv[free] = splu(system[free][:, free]).solve(-(system[free][:, border] @ positions))
    return uv


def _relax(uv, points, triangles, size, border) -> np.ndarray:
    """Lower the symmetric Dirichlet energy; Laplacian-preconditioned steps, halved until nothing flips."""
    corners = points[triangles]
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.linalg.norm(e1, axis=1)
    x2 = (e2 * e1).sum(1) / length
    y2 = np.linalg.norm(np.cross(e1, e2), axis=1) / length
    area = length * y2 / 2 * size**2
    scale = 1 / np.sqrt(area.sum())
    length, x2, y2 = (v * size * scale for v in (length, x2, y2))
    weight = area / area.sum()
    # Gradients of the three hat functions in the target triangle: J = sum uv_k g_k^T.
    g = np.stack(
        [
            np.stack([-1 / length, (x2 - length) / (length * y2)], 1),
            np.stack([1 / length, -x2 / (length * y2)], 1),
            np.stack([np.zeros_like(length), 1 / y2], 1),
        ],
        1,
    )
    stiff = np.einsum("fka,fla->fkl", g, g) * weight[:, None, None]
    index = np.broadcast_to(triangles[:, :, None], stiff.shape), np.broadcast_to(triangles[:, None, :], stiff.shape)
    matrix = coo_matrix((stiff.ravel(), (index[0].ravel(), index[1].ravel())), (len(points), len(points))).tocsc()
    free = np.setdiff1d(np.arange(len(points)), border)
    solver = splu(
        matrix[free][:, free] + 1e-9 * coo_matrix((np.ones(len(free)), (range(len(free)), range(len(free))))).tocsc()
    )

    def energy(uv, gradient=False):
        jacobian = np.einsum("fki,fka->fia", uv[triangles], g)
        det = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        if (det <= 1e-9).any():
            return np.inf, None
        squared = (jacobian**2).sum((1, 2))
        total = (weight * squared * (1 + det**-2)).sum()
        if not gradient:
            return total, None
        cofactor = np.stack(
            [
                np.stack([jacobian[:, 1, 1], -jacobian[:, 1, 0]], 1),
                np.stack([-jacobian[:, 0, 1], jacobian[:, 0, 0]], 1),
            ],
            1,
        )
        slope = 2 * jacobian * (1 + det**-2)[:, None, None] - 2 * (squared * det**-3)[:, None, None] * cofactor
        per_corner = np.einsum("fia,fka->fki", slope * weight[:, None, None], g)
        out = np.zeros_like(uv)
        for k in range(3):
            np.add.at(out, triangles[:, k], per_corner[:, k])
        return total, out

    step = 0.1
    momentum = np.zeros((len(free), 2))
    for _ in range(ITERATIONS):
        now, gradient = energy(uv, True)
        direction = -solver.solve(gradient[free])
        momentum = 0.8 * momentum + direction
        for attempt in (momentum, direction):
            trial_step = step * 2
            while trial_step > 1e-7:
                trial = uv.copy()
                trial[free] += trial_step * attempt
                after, _ = energy(trial)
                if after < now:
                    break
                trial_step /= 2
            if trial_step > 1e-7:
                break
            momentum[:] = 0
        else:
            break
        uv, step = trial, min(trial_step, 1.0)
    return uv
