"""The small colour maps of the teeth and mouth tiles, painted from the geometry; sRGB bytes, row 0 is v = 1."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from ...render.camera import Projected
from ...render.visibility import visible_faces
from ...topology import REGIONS, Topology
from .ict import Ict, triangulate
from .parts import Inner, jaw_weight
from .surface import Head
from .teeth import Rows, along_crown

SIZE = 256
TOOTH_CROWN, TOOTH_NECK = np.array([231, 222, 206.0]), np.array([219, 205, 182.0])  # shade A1, and A2 at the gum
TOOTH_BACK = 0.5  # of the front teeth's colour: a wide open mouth shades its molars more than is traced here
TOOTH_SIDE = 0.84  # of the same where it meets the next: too fine for the shadows that are traced here
GUM, TONGUE, CAVITY = np.array([200, 128, 121.0]), np.array([188, 108, 102.0]), np.array([112, 44, 40.0])
SOCKET_FRONT, SOCKET_BACK = np.array([176, 112, 98.0]), np.array([60, 22, 20.0])


def bake_teeth(inner: Inner, ict: Ict) -> np.ndarray:
    """Off-white as healthy teeth are in white light, warmer towards the gum, darker to the back and where two
    teeth meet."""
    _, y, z = inner.vertices.T
    t = along_crown(y, inner.groups[:, 0] > 0.5)[:, None]
    colour = TOOTH_NECK + (TOOTH_CROWN - TOOTH_NECK) * np.sqrt(t)
    back = np.clip((10.0 - z) / 3.0, 0, 1)
    across = np.where(inner.source >= 0, Rows.of(ict, jaw_weight(ict)).across[inner.source], 0)
    meeting = np.clip((np.abs(across) - 0.7) / 0.3, 0, 1)
    shade = (1 - (1 - TOOTH_BACK) * back) * (1 - (1 - TOOTH_SIDE) * meeting)
    return _bake([_piece(inner, "teeth", colour * shade[:, None])], "teeth")


def bake_mouth(inner: Inner, head: Head, topology: Topology) -> np.ndarray:
    """Gums, tongue, cavity and eye sockets: light does not reach far into a mouth, and no bounce is traced here."""
    x, y, z = inner.vertices.T
    tongue = np.clip((1.9 - np.abs(x)) / 0.5, 0, 1) * np.clip((y + 5.2) / 0.8, 0, 1) * np.clip((9.6 - z) / 0.6, 0, 1)
    gums = GUM + (TONGUE - GUM) * tongue[:, None]
    pieces = [_piece(inner, "mouth", gums * _depth(z))]
    surface = np.zeros_like(head.vertices)
    surface[:] = CAVITY * _depth(head.vertices[:, 2])
    for margin, rings in head.margins:
        for share, rows in zip((0.0, 0.4, 0.75, 1.0), [margin, *rings], strict=True):
            surface[rows] = SOCKET_FRONT + (SOCKET_BACK - SOCKET_FRONT) * share
    hidden = head.part != "skin"
    uv_triangles, triangles = triangulate(topology.uv_quads[hidden]), triangulate(head.quads[hidden])
    pieces.append((topology.uv, uv_triangles, surface[triangles]))
    return _bake(pieces, "mouth")


def _depth(z: np.ndarray) -> np.ndarray:
    return np.clip((z - 2.5) / 7.5, 0.12, 1)[:, None]


def _piece(inner: Inner, region: str, colour: np.ndarray):
    rows = inner.region == REGIONS.index(region)
    return inner.uv, triangulate(inner.uv_quads[rows]), colour[triangulate(inner.quads[rows])]


def _bake(pieces, region: str) -> np.ndarray:
    """pieces: (uv (U, 2), uv triangles (T, 3), corner colours (T, 3, 3)) -> (SIZE, SIZE, 3) uint8, gaps filled."""
    image = np.zeros((SIZE, SIZE, 3))
    covered = np.zeros((SIZE, SIZE), bool)
    for uv, triangles, colours in pieces:
        screen = (uv - [REGIONS.index(region), 0]) * [SIZE, -SIZE] + [0, SIZE]
        flat = torch.from_numpy(screen).double()[None]
        depth = torch.ones(flat.shape[:2], dtype=torch.float64)
        projected = Projected(flat, depth, depth, depth)
        face = visible_faces(projected, torch.from_numpy(triangles), (SIZE, SIZE))[0].numpy()
        rows, columns = np.nonzero(face >= 0)
        corners, hit = screen[triangles[face[rows, columns]]], colours[face[rows, columns]]
        point = np.stack([columns + 0.5, rows + 0.5], 1)
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]

        def cross(u, w):
            return u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]

        weights = np.stack([cross(b - point, c - point), cross(c - point, a - point), cross(a - point, b - point)], 1)
        weights /= weights.sum(1, keepdims=True)
        image[rows, columns] = (weights[:, :, None] * hit).sum(1)
        covered |= face >= 0
    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return np.clip(np.rint(image[tuple(nearest)]), 0, 255).astype(np.uint8)
