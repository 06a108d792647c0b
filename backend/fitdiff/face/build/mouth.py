"""The mouth at rest and the tongue: lips that meet in every person, and a tongue that can come out.

Scanned people part their lips a little, each their own way, and a coarse mesh parts them more. As identity that would
show teeth in every neutral face, so it is taken out: where lips part is an expression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from ..geometry import boundary_loops, rings_round
from .ict import triangulate
from .parts import GROUPS, Inner
from .surface import Head

RINGS = 5  # of vertices round the mouth, from the seam inside the lips outwards
CONTACT = slice(1, 5)  # of them, the ones that touch
UPPER_COLUMNS, LOWER_COLUMNS = 10, 6  # from the middle to the corner
PLACES = np.linspace(-2.0, 2.0, 17)  # cm, across the lips' contact
MIDDLE = 1e-3  # of any unit: what lies in the plane of symmetry
ROUNDS = 4  # of closing: a vertex between two places follows both
OVERLAP = 0.02  # cm: how far the lips of the mean press into each other
UPPER_SHARE = 0.4  # of a gap is closed by the upper lip
FULL, NONE = 0.35, 1.6  # cm from the lips' contact: up to here all of the correction, from there none

TONGUE_ROOT, TONGUE_TIP = 4.6, 9.2  # cm: in between its parts follow the tip more and more
TONGUE_REACH = 4.2  # cm that the tip comes out
TONGUE_LIFT = 0.72  # cm, over the lower teeth
TONGUE_FLATTER = 0.5  # of its height between the lips
TONGUE_JAW = 0.4  # of jawOpen goes with it


@dataclass(frozen=True)
class LipSeal:
    """A linear map on fields over the surface that closes the gap between the lips, place by place along them."""

    gap_rows: np.ndarray  # (S, V) upper lip less lower lip, of heights
    spread: np.ndarray  # (V, S): how far each vertex follows the gap at a place, upwards

    @staticmethod
    def of(head: Head) -> LipSeal:
        skin = head.quads[head.part == "skin"]
        inside = np.unique(head.quads[head.part == "mouth"])
        loop = next(loop for loop in boundary_loops(skin) if np.isin(loop, inside).all())
        rings = lip_rings(head.vertices, skin, loop)
        half = rings.shape[1] // 2
        side = np.arange(UPPER_COLUMNS)
        top = np.concatenate([-side[:0:-1], side])  # columns from the person's right to the left
        side = np.arange(LOWER_COLUMNS)
        bottom = np.concatenate([half + side[:0:-1], half - side])
        upper = _edge(head.vertices, rings[CONTACT][:, top], -1)
        lower = _edge(head.vertices, rings[CONTACT][:, bottom], 1)
        spread = np.zeros((len(head.vertices), len(PLACES)))
        distances = _along_surface(head, np.nonzero(upper.any(0))[0], np.nonzero(lower.any(0))[0])
        for distance, share in zip(distances, (-UPPER_SHARE, 1 - UPPER_SHARE), strict=True):
            t = np.clip((NONE - distance) / (NONE - FULL), 0, 1)
            weight = share * t * t * (3 - 2 * t)
            for place, column in enumerate(np.eye(len(PLACES))):
                spread[:, place] += weight * np.interp(head.vertices[:, 0], PLACES, column)
        return LipSeal(upper - lower, spread)

    def gap(self, field: np.ndarray) -> np.ndarray:
        """(..., V, 3) -> (..., S) how far the field draws the lips apart."""
        return field[..., 1] @ self.gap_rows.T

    def close(self, field: np.ndarray, gap: float = 0.0) -> np.ndarray:
        """The field with its gap brought to one value all along the lips."""
        closed = field.copy()
        for _ in range(ROUNDS):
            closed[..., 1] += (self.gap(closed) - gap) @ self.spread.T
        return closed


def _edge(vertices: np.ndarray, rings: np.ndarray, side: int) -> np.ndarray:
    """rings (K, C) of one lip -> (S, V) weights that read its lowest (side -1) or highest (1) height at each place."""
    x, y = vertices[rings, 0], vertices[rings, 1]
    heights = np.stack([np.interp(PLACES, a, b) for a, b in zip(x, y, strict=True)])
    weights = np.zeros((len(PLACES), len(vertices)))
    for place, ring in enumerate((side * heights).argmax(0)):
        for column, vertex in zip(np.eye(rings.shape[1]), rings[ring], strict=True):
            weights[place, vertex] += np.interp(PLACES[place], x[ring], column)
    return weights


def seal(head: Head) -> tuple[Head, LipSeal]:
    """The head with closed lips, and what closes those of its modes."""
    lips = LipSeal.of(head)
    return replace(head, vertices=lips.close(head.vertices, -OVERLAP)), lips


def lip_rings(vertices: np.ndarray, quads: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """The skin's quads and its boundary inside the lips -> (RINGS, C) vertices; column 0 is the middle of the upper lip,
    then to the person's left and round."""
    start = int(np.where(np.abs(vertices[loop, 0]) < MIDDLE, vertices[loop, 1], -np.inf).argmax())
    loop = np.roll(loop, -start)
    if vertices[loop[1], 0] < 0:
        loop = np.roll(loop[::-1], 1)
    return rings_round(quads, loop, RINGS)


def _along_surface(head: Head, upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) distances over the mesh from either lip's contact, infinite where the other lip is nearer."""
    corners = head.quads[head.part != "socket"]
    edges = np.stack([corners.ravel(), np.roll(corners, -1, 1).ravel()], 1)
    a, b = np.unique(np.sort(edges, 1), axis=0).T
    length, count = np.linalg.norm(head.vertices[a] - head.vertices[b], axis=1), len(head.vertices)
    graph = coo_matrix((length, (a, b)), (count, count)).tocsr()
    distances = [dijkstra(graph, directed=False, indices=rows, min_only=True) for rows in (upper, lower)]
    nearer = distances[0] <= distances[1]
    return np.where(nearer, distances[0], np.inf), np.where(nearer, np.inf, distances[1])


def with_tongue(inner: Inner) -> Inner:
    """The inner parts with the tongue handed from the jaw to a group of its own, softly from its root on."""
    tongue, group, jaw = tongue_rows(inner), GROUPS.index("tongue"), GROUPS.index("jaw")
    t = np.clip((inner.vertices[tongue, 2] - TONGUE_ROOT) / (TONGUE_TIP - TONGUE_ROOT), 0, 1)
    groups = inner.groups.copy()
    groups[tongue, group] = groups[tongue, jaw] * t * t * (3 - 2 * t)
    groups[tongue, jaw] -= groups[tongue, group]
    return replace(inner, groups=groups)


def tongue_rows(inner: Inner) -> np.ndarray:
    """The tongue is the piece of ICT's gums whose top lies in the middle of the mouth."""
    triangles = triangulate(inner.quads[inner.region == 3])
    count = len(inner.vertices)
    links = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), (count, count))
    _, piece = connected_components(graph, directed=False)
    used = np.unique(triangles)
    top = used[np.linalg.norm(inner.vertices[used] - [0, -3.0, 7.5], axis=1).argmin()]
    return np.nonzero(piece == piece[top])[0]


def tongue_out(jaw: np.ndarray) -> np.ndarray:
    """The tongue's affine map (3, 4) in tongueOut, over the jaw's own: flat, over the lower teeth and out."""
    middle = np.array([0.0, -3.8, TONGUE_TIP])
    linear = np.zeros((3, 3))
    linear[0, 0] = -0.22
    linear[1, 1] = TONGUE_FLATTER - 1
    shift = np.array([0.0, TONGUE_LIFT, TONGUE_REACH]) - linear @ middle
    return jaw + np.concatenate([linear, shift[:, None]], 1)
