"""The skin with its mouth cavity and eye sockets: hm08's mesh laid on ICT's neutral, and every mode carried over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..closest import Surface
from ..geometry import boundary_loops
from .hm08 import Hm08
from .ict import Ict, triangulate
from .registration import Match, extend, register, similarity, vertex_normals

DRAFT = Path(__file__).with_name("facemesh_draft.npy")
OPEN_MOUTH = 0.5  # weight of jawOpen on both heads while they are laid on each other
TRUSTED = 0.12  # cm: a vertex further from ICT's surface than this is continued smoothly instead
CAVITY_SLACK = np.array([0.9, 0.75, 0.85])  # hm08's mouth cavity shrunk, so that no mouth's shape lets it poke out
LID_OVERLAP = 0.06  # cm
LID_TRAVEL = 0.1  # cm: the margins are the lids' inner edges, whose gap is wider than the slit one sees
LID_CLEARANCE = 1.085  # of the eyeball's radius: above the cornea
SOCKET_RINGS = ((0.38, 0.9), (0.8, 0.45), (1.25, 0.1))
"""Rings behind each eyelid: radians round the eyeball from the lid margin, and how far they follow the lid."""

# FaceMesh points that stand for the 68 of iBUG (51 inner ones used here to start from).
IBUG_FROM_FACEMESH = np.array(
    [127, 234, 93, 132, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 361, 454]  # contour
    + [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]  # brows
    + [168, 197, 5, 4, 98, 97, 2, 326, 327]  # nose
    + [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]  # eyes
    + [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91]  # outer lips
    + [78, 81, 13, 311, 308, 402, 14, 178]  # inner lips
)


@dataclass(frozen=True)
class Head:
    """The outer mesh in ICT's centimetres, and how it hangs together with hm08 and ICT."""

    vertices: np.ndarray  # (V, 3)
    quads: np.ndarray  # (Q, 4)
    part: np.ndarray  # (Q,) "skin", "mouth", "socket"
    hm08: np.ndarray  # (V,) hm08 vertex, -1 for the socket rings made here
    match: Match  # on ICT's vertices, for the first rows (those with an hm08 vertex)
    scale: np.ndarray  # (3, 3) takes hm08 displacements (dm) to ICT's frame (cm)
    margins: list[tuple[np.ndarray, np.ndarray]]  # per eye (left first): lid margin rows, ring rows (3, n)
    eyes: list[np.ndarray]  # per eye: centre and radius

    @property
    def count(self) -> int:
        return len(self.match.trusted)

    def carry(self, field: np.ndarray, eye_motion: np.ndarray | None = None) -> np.ndarray:
        """A field on ICT's vertices (..., V, 3) -> (..., this mesh, 3).

        eye_motion (..., 2, 3) is what the sockets' depths follow; still where None.
        """
        rest, triangles = self.vertices[: self.count], self._triangles()
        own = extend(self.match.carry(field), self.match.trusted, rest, triangles)
        return self.follow_sockets(own, eye_motion)

    def carry_hm08(self, field: np.ndarray, eye_motion: np.ndarray | None = None) -> np.ndarray:
        """A displacement field on hm08's vertices (..., 19158, 3) in decimetres -> (..., this mesh, 3) in centimetres."""
        return self.follow_skin(field[..., self.hm08[: self.count], :] @ self.scale.T, eye_motion)

    def follow_skin(self, own: np.ndarray, eye_motion: np.ndarray | None = None) -> np.ndarray:
        """(..., count, 3) -> (..., V, 3): of an artist's target behind the lips and lids only that nothing pokes out."""
        skin = np.zeros(self.count, bool)
        skin[np.unique(self.quads[self.part == "skin"])] = True
        own = extend(own, skin, self.vertices[: self.count], self._triangles(), membrane=5.0)
        return self.follow_sockets(own, eye_motion)

    def follow_sockets(self, own: np.ndarray, eye_motion: np.ndarray | None) -> np.ndarray:
        total = np.zeros((*own.shape[:-2], len(self.vertices), 3))
        total[..., : self.count, :] = own
        for eye, (margin, rings) in enumerate(self.margins):
            depth = np.zeros((*own.shape[:-2], 1, 3)) if eye_motion is None else eye_motion[..., eye, None, :]
            for row, (_, follow) in zip(rings, SOCKET_RINGS, strict=True):
                total[..., row, :] = follow * own[..., margin, :] + (1 - follow) * depth
        return total

    def close_lids(self, shape: np.ndarray, eye: int) -> np.ndarray:
        """A blink (this mesh, 3) mended: the upper lid meets the lower one and neither cuts the eyeball.

        Carried from a finer mesh, the coarse lid's chords would show a line of iris between and through the lids.
        """
        margin, _ = self.margins[eye]
        posed = self.vertices + shape
        corners = margin[[self.vertices[margin, 0].argmin(), self.vertices[margin, 0].argmax()]]
        x, y = self.vertices[:, 0], self.vertices[:, 1]
        # Upper lid: what the blink lowers, above the line from corner to corner.
        line = np.interp(x, *np.sort(self.vertices[corners][:, :2], 0).T)
        upper = margin[(y[margin] > line[margin]) & (shape[margin, 1] < -0.2)]
        lower = np.setdiff1d(margin, upper)
        upper, lower = upper[np.argsort(posed[upper, 0])], lower[np.argsort(posed[lower, 0])]
        gap = posed[upper, 1] - np.interp(posed[upper, 0], posed[lower, 0], posed[lower, 1]) + LID_OVERLAP
        more = np.clip(gap, 0, LID_TRAVEL) / -shape[upper, 1]
        ends = np.sort(self.vertices[corners, 0])
        along = np.concatenate([ends[:1], posed[upper, 0], ends[1:]])
        lowered = np.clip(-shape[:, 1] / 0.5, 0, 1) * (y > line)
        factor = 1 + np.interp(posed[:, 0], along, np.concatenate([[0], more, [0]])) * lowered
        posed = self.vertices + shape * factor[:, None]
        centre, radius = self.eyes[eye][:3], self.eyes[eye][3]
        outward = posed - centre
        distance = np.linalg.norm(outward, axis=1)
        moving = (np.linalg.norm(shape, axis=1) > 0.02) & (outward[:, 2] > 0)
        moving[self.count :] = False
        inside = moving & (distance < radius * LID_CLEARANCE) & (distance > radius * 0.8)
        posed[inside] = centre + outward[inside] / distance[inside, None] * radius * LID_CLEARANCE
        return posed - self.vertices

    def _triangles(self) -> np.ndarray:
        return triangulate(self.quads[self.part != "socket"])


def facemesh_draft() -> np.ndarray:
    """(468,) the hm08 vertex nearest to every FaceMesh point, roughly: where a registration starts from."""
    return np.load(DRAFT, allow_pickle=False).astype(int)


def build_head(hm08: Hm08, ict: Ict, eyes: list[np.ndarray]) -> Head:
    """eyes: centre and radius, left first."""
    rows, part = hm08.head
    used, quads = np.unique(hm08.quads[rows], return_inverse=True)
    quads = quads.reshape(-1, 4)
    rest = hm08.vertices[used]
    opened = rest + OPEN_MOUTH * hm08.face_unit("jawOpen")[used]
    skin = np.unique(quads[part == "skin"])

    jaw_open = ict.arkit("jawOpen")
    assert jaw_open is not None
    target_triangles = ict.triangles("skin", "mouth", "socket")
    target_vertices = ict.neutral + OPEN_MOUTH * jaw_open
    target = Surface(target_vertices, target_triangles)

    chosen = np.array([k for k in range(17, 60) if k not in (49, 53)])
    near = hm08.vertices[facemesh_draft()[IBUG_FROM_FACEMESH[chosen]]]
    source_marks = skin[np.linalg.norm(near[:, None] - rest[skin][None], axis=-1).argmin(1)]
    target_marks = target_vertices[ict.landmarks68[chosen]]
    scale, rotation, shift = similarity(opened[source_marks], target_marks)
    placed = scale * opened @ rotation.T + shift

    weights = np.zeros(len(rest))
    weights[skin] = 1
    weights[_ear(rest)] = 0
    curves = _pair_loops(placed, quads[part == "skin"], target_vertices, ict.faces("skin"))
    triangles = triangulate(quads)
    moved = register(placed, triangles, target, weights, (source_marks, target_marks), curves)

    _, row, barycentric, distance = target.closest(moved, vertex_normals(moved, triangles))
    trusted = np.zeros(len(rest), bool)
    trusted[skin] = distance[skin] < TRUSTED

    kept = np.unique(quads[part != "socket"])
    lookup = np.full(len(rest), -1)
    lookup[kept] = np.arange(len(kept))
    quads, part = lookup[quads[part != "socket"]], part[part != "socket"]
    match = Match(target_triangles[row][kept], barycentric[kept], trusted[kept])
    start = (scale * rest @ rotation.T + shift)[kept]
    vertices = start + extend(match.carry(ict.neutral) - start, match.trusted, start, triangulate(quads))
    vertices = _symmetric(vertices, lookup[_local(hm08.mirror[used[kept]], used)])
    deep = _deep_cavity(quads, part)
    middle = vertices[deep].mean(0)
    vertices[deep] = middle + (vertices[deep] - middle) * CAVITY_SLACK
    match = _match_cavity(match, moved[kept], deep, ict, target_vertices)
    return _with_sockets(vertices, quads, part, used[kept], match, scale * rotation, eyes)


def _ear(rest: np.ndarray) -> np.ndarray:
    """hm08's auricles (decimetres): ICT's differ too much in their folds, so they only follow what is round them."""
    x, y, z = rest.T
    return (np.abs(x) > 0.78) & (y > 6.7) & (y < 7.6) & (z < 0.55)


def _pair_loops(source: np.ndarray, source_quads: np.ndarray, target: np.ndarray, target_quads: np.ndarray):
    """Lips and eyelid margins of one head with those of the other: (source rows, target polyline)."""
    loops = boundary_loops(target_quads)
    middles = np.array([target[loop].mean(0) for loop in loops])
    pairs = []
    for loop in boundary_loops(source_quads):
        gap = np.linalg.norm(middles - source[loop].mean(0), axis=1)
        if gap.min() < 2.5:  # cm; the neck's cuts lie further apart
            pairs.append((loop, target[loops[int(gap.argmin())]]))
    assert len(pairs) == 3, "expected one mouth and two eyes"
    return pairs


def _deep_cavity(quads: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Vertices of the mouth cavity behind the first ring, which is left to pass from skin to cavity."""
    mouth, skin = np.unique(quads[part == "mouth"]), np.unique(quads[part == "skin"])
    lips = np.intersect1d(mouth, skin)
    return np.setdiff1d(mouth, np.unique(quads[np.isin(quads, lips).any(1)]))


def _match_cavity(match: Match, posed: np.ndarray, deep: np.ndarray, ict: Ict, target: np.ndarray) -> Match:
    """Let the mouth cavity move like ICT's: not lying on it, each vertex takes the motion of the nearest point there."""
    triangles = ict.triangles("mouth")
    _, row, barycentric, _ = Surface(target, triangles).closest(posed[deep])
    corner, weight, trusted = match.triangle.copy(), match.barycentric.copy(), match.trusted.copy()
    corner[deep], weight[deep], trusted[deep] = triangles[row], barycentric, True
    return Match(corner, weight, trusted)


def _local(indices: np.ndarray, used: np.ndarray) -> np.ndarray:
    return np.searchsorted(used, indices)


def _symmetric(vertices: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return (vertices + vertices[mirror] * [-1, 1, 1]) / 2


def _with_sockets(vertices, quads, part, hm08, match, scale, eyes) -> Head:
    """Cup each eyeball from the lid margin backwards with three rings of quads."""
    loops = boundary_loops(quads)
    total, new_quads, new_part, margins = [vertices], [quads], [part], []
    count = len(vertices)
    for eye in eyes:
        centre, radius = eye[:3], eye[3]
        loop = min(loops, key=lambda candidate: float(np.linalg.norm(vertices[candidate].mean(0) - centre)))
        outward = vertices[loop] - centre
        distance = np.linalg.norm(outward, axis=1, keepdims=True)
        theta = np.arccos(np.clip(outward[:, 2:] / distance, -1, 1))
        around = outward[:, :2] / np.maximum(np.linalg.norm(outward[:, :2], axis=1, keepdims=True), 1e-9)
        rings, before = [], loop
        for angle, _ in SOCKET_RINGS:
            polar = np.minimum(theta + angle, np.pi * 0.8)
            shell = np.maximum(distance * (1 - angle / 1.6) + radius * 1.06 * angle / 1.6, radius * 1.05)
            ring = centre + shell * np.concatenate([np.sin(polar) * around, np.cos(polar)], 1)
            index = count + np.arange(len(loop))
            # The loop runs against its faces' direction, so these quads face into the head's inside, towards the eye.
            new_quads.append(np.stack([np.roll(before, -1), before, index, np.roll(index, -1)], 1))
            new_part.append(np.full(len(loop), "socket"))
            total.append(ring)
            rings.append(index)
            before, count = index, count + len(loop)
        margins.append((loop, np.stack(rings)))
    added = count - len(vertices)
    return Head(
        np.concatenate(total),
        np.concatenate(new_quads),
        np.concatenate(new_part),
        np.concatenate([hm08, np.full(added, -1)]),
        match,
        scale,
        margins,
        eyes,
    )
