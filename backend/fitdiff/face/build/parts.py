"""What lies behind the skin: eyeballs made here, teeth, gums and tongue from ICT-FaceKit, and how all of it follows.

These vertices are not stored component by component. Each belongs to a few rigid groups (skull, jaw, left and right
eye, tongue); every component of the face moves a group by one affine map, found by least squares from ICT's own motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...render.camera import Projected
from ...render.visibility import visible_faces
from ..appearance import IRIS_ANGLE
from .ict import Ict
from .teeth import shoulder_to_shoulder

GROUPS = ("skull", "jaw", "eye_left", "eye_right", "tongue")
EYE_RINGS, EYE_SEGMENTS = 14, 24
CORNEA_HEIGHT = 0.055  # of the eyeball's radius
FIRST_MOLAR = 6.9  # cm: teeth behind this are never seen
GUM_TILE_WIDTH = 0.74  # of the mouth tile; the rest holds the cavity and the sockets


@dataclass(frozen=True)
class Inner:
    """Eyes, teeth, gums and tongue in ICT's centimetres."""

    vertices: np.ndarray  # (N, 3)
    quads: np.ndarray  # (Q, 4)
    uv: np.ndarray
    uv_quads: np.ndarray
    region: np.ndarray  # (Q,) index into topology.REGIONS
    groups: np.ndarray  # (N, 5) weights over GROUPS, rows sum to 1
    source: np.ndarray  # (N,) ICT vertex that it is, -1 for the eyeballs made here


def build_inner(ict: Ict) -> tuple[Inner, dict[str, np.ndarray]]:
    """-> the parts, and {"eye_left": (centre xyz, radius), ...}."""
    eyes = {name: eyeball(ict, name) for name in ("eye_left", "eye_right")}
    pieces = [teeth_and_gums(ict, "teeth"), teeth_and_gums(ict, "gums")]
    pieces += [eye_mesh(centre_radius, GROUPS.index(name)) for name, centre_radius in eyes.items()]
    return _join(pieces), eyes


def eyeball(ict: Ict, name: str) -> np.ndarray:
    """Centre and radius (4,) of the sphere through the white of ICT's eye."""
    points = ict.neutral[np.unique(ict.faces(name))]
    middle = (points.max(0) + points.min(0)) / 2
    white = points[points[:, 2] < middle[2] + 0.5]
    system = np.concatenate([2 * white, np.ones((len(white), 1))], 1)
    solution = np.linalg.lstsq(system, (white**2).sum(1), rcond=None)[0]
    radii = np.linalg.norm(white - solution[:3], axis=1)
    outer = white[radii > np.median(radii)]  # an inner shell lies behind the white
    solution = np.linalg.lstsq(system[radii > np.median(radii)], (outer**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return np.array([*centre, np.sqrt(solution[3] + centre @ centre)])


def eye_mesh(centre_radius: np.ndarray, group: int) -> Inner:
    """A sphere with its pole at the pupil and a corneal bulge; the map is azimuthal: the distance from the middle of
    the tile is the angle from the pupil over pi, so that the iris is a disc."""
    angles = np.concatenate(
        [np.linspace(0, 1, 8)[1:] * IRIS_ANGLE * 1.25, np.linspace(IRIS_ANGLE * 1.25, np.pi, EYE_RINGS - 6)[1:-1]]
    )
    turn = np.arange(EYE_SEGMENTS) / EYE_SEGMENTS * 2 * np.pi
    theta, phi = np.meshgrid(angles, turn, indexing="ij")
    directions = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
    directions = np.concatenate([[[0, 0, 1]], directions, [[0, 0, -1]]])
    polar = np.concatenate([[0], theta.ravel(), [np.pi]])
    bulge = CORNEA_HEIGHT * np.clip(1 - (polar / (IRIS_ANGLE * 1.15)) ** 2, 0, None)
    vertices = centre_radius[:3] + centre_radius[3] * directions * (1 + bulge)[:, None]
    rings, seg = len(angles), EYE_SEGMENTS
    index = 1 + np.arange(rings * seg).reshape(rings, seg)
    after = np.roll(index, -1, 1)
    sides = np.stack([index[:-1], index[1:], after[1:], after[:-1]], -1).reshape(-1, 4)
    front = np.stack([np.zeros(seg, int), index[0], after[0], np.full(seg, -1)], -1)
    last = len(vertices) - 1
    back = np.stack([np.full(seg, last), after[-1], index[-1], np.full(seg, -1)], -1)
    radius = polar / np.pi * 0.5
    around = np.concatenate([[0], phi.ravel(), [0]])
    uv = np.stack([1.5 + radius * np.cos(around), 0.5 + radius * np.sin(around)], 1)
    quads = np.concatenate([front, sides, back])
    groups = np.zeros((len(vertices), len(GROUPS)))
    groups[:, group] = 1
    source = np.full(len(vertices), -1)
    return Inner(vertices, quads, uv, quads.copy(), np.full(len(quads), 1), groups, source)


def teeth_and_gums(ict: Ict, part: str) -> Inner:
    """ICT's own mesh, its teeth without slits, less what no open mouth shows."""
    with_uv = ict.quads_with_uv(part)
    quads, uv_quads = with_uv
    keep = visible(ict, quads)
    if part == "teeth":
        middle = np.array([ict.neutral[quad[quad >= 0], 2].mean() for quad in quads])
        keep &= middle > FIRST_MOLAR
    quads, uv_quads = quads[keep], uv_quads[keep]
    used, quads = _compact(quads)
    used_uv, uv_quads = _compact(uv_quads)
    uv = ict.uv[used_uv].copy()
    if part == "teeth":
        uv[:, 0] += 2 - np.floor(uv[:, 0].min())
        region = 2
    else:
        uv[:, 0] = 3 + (uv[:, 0] - np.floor(uv[:, 0].min())) * GUM_TILE_WIDTH
        region = 3
    jaw = jaw_weight(ict)
    groups = np.zeros((len(used), len(GROUPS)))
    groups[:, 1] = jaw[used]
    groups[:, 0] = 1 - groups[:, 1]
    vertices = shoulder_to_shoulder(ict, jaw) if part == "teeth" else ict.neutral
    return Inner(vertices[used], quads, uv, uv_quads, np.full(len(quads), region), groups, used)


def jaw_weight(ict: Ict) -> np.ndarray:
    """(V,) 0 where a vertex stays with the skull when the jaw opens, 1 where it goes with the lower teeth."""
    moved = ict.arkit("jawOpen")
    assert moved is not None
    rigid = affine_field(fit_affine(ict.neutral[lower_teeth(ict)], moved[lower_teeth(ict)]), ict.neutral)
    weight = (moved * rigid).sum(1) / np.maximum((rigid**2).sum(1), 1e-6)
    return np.clip(weight, 0, 1)


def lower_teeth(ict: Ict) -> np.ndarray:
    teeth = np.unique(ict.faces("teeth"))
    teeth = teeth[teeth >= 0]
    moved = ict.arkit("jawOpen")
    assert moved is not None
    return teeth[np.linalg.norm(moved[teeth], axis=1) > 0.5]


def upper_teeth(ict: Ict) -> np.ndarray:
    teeth = np.unique(ict.faces("teeth"))
    return np.setdiff1d(teeth[teeth >= 0], lower_teeth(ict))


def fit_affine(points: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Affine maps (..., 3, 4) with displacement ~ A @ [point, 1], least squares; displacement is (..., N, 3)."""
    system = np.concatenate([points, np.ones((len(points), 1))], 1)
    inverse = np.linalg.pinv(system)
    return np.swapaxes(inverse @ displacement, -1, -2)


def fit_similarity_free(points: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """Like `fit_affine` with shift and growth only: what an eyeball may do."""
    middle = points.mean(0)
    spread = points - middle
    shift = displacement.mean(-2)
    growth = ((displacement - shift[..., None, :]) * spread).sum((-1, -2)) / (spread**2).sum()
    linear = growth[..., None, None] * np.eye(3)
    return np.concatenate([linear, (shift - growth[..., None] * middle)[..., None]], -1)


def affine_field(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., 3, 4) on (N, 3) -> displacements (..., N, 3)."""
    return points @ np.swapaxes(affine[..., :3], -1, -2) + affine[..., None, :, 3]


def group_motion(ict: Ict, field: np.ndarray) -> np.ndarray:
    """How a field on ICT's vertices (..., V, 3) moves each group: (..., 5, 3, 4)."""
    upper, lower = upper_teeth(ict), lower_teeth(ict)
    motions = [
        fit_affine(ict.neutral[upper], field[..., upper, :]),
        fit_affine(ict.neutral[lower], field[..., lower, :]),
    ]
    for name in ("eye_left", "eye_right"):
        rows = np.unique(ict.faces(name))
        rows = rows[rows >= 0]
        motions.append(fit_similarity_free(ict.neutral[rows], field[..., rows, :]))
    motions.append(motions[1])  # the tongue lies in the jaw
    return np.stack(motions, -3)


def visible(ict: Ict, quads: np.ndarray) -> np.ndarray:
    """(Q,) True where some view of an open mouth shows the face, and for the faces round those."""
    skin = ict.triangles("skin")
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[quads[:, 3] >= 0][:, [0, 2, 3]]])
    owner = np.concatenate([np.arange(len(quads)), np.nonzero(quads[:, 3] >= 0)[0]])
    other = ict.triangles("gums" if quads.max() > 17039 else "teeth")
    jaw_open = ict.arkit("jawOpen")
    assert jaw_open is not None
    seen = np.zeros(len(quads), int)
    for gap in (0.0, 0.4, 1.0):
        faces = [triangles, other] + ([skin] if gap else [])
        for yaw in np.radians([-50, -25, 0, 25, 50]):
            for pitch in np.radians([-20, 0, 20]):
                face = _front_faces(ict.neutral + gap * jaw_open, np.concatenate(faces), yaw, pitch)
                rows, counts = np.unique(owner[face[(face >= 0) & (face < len(triangles))]], return_counts=True)
                seen[rows] += counts
    return seen > 20


def _front_faces(vertices: np.ndarray, triangles: np.ndarray, yaw: float, pitch: float, size: int = 500) -> np.ndarray:
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tip = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    points = torch.from_numpy((vertices - [0, -3.5, 8]) @ (tip @ turn).T)[None]
    screen = size / 2 + points[..., :2] * torch.tensor([size / 10, -size / 10])
    nearness = points[..., 2] + 100.0
    projected = Projected(screen, -points[..., 2], nearness, torch.ones_like(nearness))
    return visible_faces(projected, torch.from_numpy(triangles), (size, size))[0].numpy()


def _compact(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    used = np.unique(quads[quads >= 0])
    lookup = np.full(quads.max() + 2, -1)
    lookup[used] = np.arange(len(used))
    return used, np.where(quads >= 0, lookup[quads], -1)


def _join(pieces: list[Inner]) -> Inner:
    vertices, uvs = 0, 0
    quads, uv_quads = [], []
    for piece in pieces:
        quads.append(np.where(piece.quads >= 0, piece.quads + vertices, -1))
        uv_quads.append(np.where(piece.uv_quads >= 0, piece.uv_quads + uvs, -1))
        vertices, uvs = vertices + len(piece.vertices), uvs + len(piece.uv)

    def stacked(name: str) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    return Inner(
        stacked("vertices"),
        np.concatenate(quads),
        stacked("uv"),
        np.concatenate(uv_quads),
        stacked("region"),
        stacked("groups"),
        stacked("source"),
    )
