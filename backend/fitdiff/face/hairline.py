"""Scalp hair's density and direction: the hairline, the crown's whorl, downwards at the sides and the nape. Seeded."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree
from torch import Tensor

from ..render.atlas import Atlas
from ..resize import resized
from ..topology import Topology
from .model import MorphableModel

# On the embedded mean face, metres: the hairline's height, by degrees from the front round the axis at z = AXIS.
AXIS = -0.02
HAIRLINE = (
    (0, 0.071), (18, 0.071), (32, 0.074), (42, 0.067), (50, 0.053), (57, 0.036), (62, 0.016), (65, -0.006),
    (68, -0.018), (79, -0.020), (82, -0.002), (86, 0.005), (98, 0.005), (103, -0.008), (107, -0.025), (116, -0.036),
    (130, -0.045), (150, -0.051), (180, -0.049),
)  # fmt: skip
FADE = ((0, 0.017), (45, 0.016), (58, 0.011), (72, 0.009), (100, 0.012), (130, 0.022), (180, 0.026))
"""Degrees from the front -> metres inside the line at which hair reaches full density: least at the temples."""
CROWN = (-0.008, 0.092, -0.072)  # the whorl, a little to the person's right
WHORL = 0.028  # its radius
SIDES = (0.085, 0.02)  # heights between which hair turns from growing away from the crown to growing down
RECEDING = (75.0, 110.0)  # degrees from the front: the line recedes fully up to the first, not at all from the second
ABOVE = (0.03, 0.055)  # heights: not at all below the first, fully above the second, since sideburns stay
LOWEST = -0.08  # height below which no hair grows
FAR = 0.06  # metres: larger distances from the line are cut off
EAR = (0.079, 0.004)  # further out than the first and below the second is the ear
WANDERS = ((0.03, 0.0018), (0.009, 0.0016), (0.004, 0.0013))  # metres: length and depth of the line's bends
OUTSIDE = -0.006  # metres inside the line: no hair further out
MEASURED = 256  # texels a side at which distances to the line are computed
WAVES = 48  # of which a bend is the sum


@dataclass(frozen=True, eq=False)
class Growth:
    """Per texel (S, S) of the skin tile, row 0 at v = 1; texels off the mesh have the nearest one's values."""

    inside: np.ndarray  # (S, S) metres inside the hairline, negative outside
    fade: np.ndarray  # (S, S) metres inside it at which hair reaches full density
    recedes: np.ndarray  # (S, S) 0 to 1: share of the receding that applies here
    direction: np.ndarray  # (S, S, 2) unit, along tangent (+u) and bitangent (+v)
    place: np.ndarray  # (S, S, 3) metres, on the mean face


def has_hairline(topology: Topology) -> bool:
    """Whether the hairline is known: for the embedded face only."""
    return "scalp" in topology.vertex_masks


@functools.lru_cache(maxsize=4)
def growth(model: MorphableModel, size: int) -> Growth:
    atlas = Atlas(model.topology, size)
    mean = model.mean.detach().cpu().double()
    place = atlas.gather(mean).numpy()
    tangent, bitangent, normal = _frames(atlas, model.topology, mean)
    turned = _turned(place)
    recedes = (1 - _rise(turned, *RECEDING)) * _rise(place[:, 1], *ABOVE)
    way = _way(place, normal)
    flat = np.stack([(way * tangent).sum(1), (way * bitangent).sum(1)], 1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True).clip(1e-6)
    values = np.concatenate([np.stack([_along(FADE, turned), recedes], 1), flat, place], 1)
    fade, recedes, *others = atlas.picture(torch.from_numpy(values))[0].numpy()
    return Growth(_inside(model, size), fade, recedes, np.stack(others[:2], -1), np.stack(others[2:], -1))


def _inside(model: MorphableModel, size: int) -> np.ndarray:
    """(S, S) metres inside the hairline, computed at MEASURED texels a side, since distances are smooth and expensive."""
    measured = min(size, MEASURED)
    atlas = Atlas(model.topology, measured)
    place = atlas.gather(model.mean.detach().cpu().double()).numpy()
    ear = (np.abs(place[:, 0]) > EAR[0]) & (place[:, 1] < EAR[1])
    grows = (place[:, 1] > _along(HAIRLINE, _turned(place))) & ~ear
    near = place[:, 1] > LOWEST
    inside = np.where(grows, FAR, -FAR)
    for rows, others, sign in ((grows, ~grows & near, 1), (~grows & near, grows, -1)):
        inside[rows] = sign * cKDTree(place[others]).query(place[rows], distance_upper_bound=FAR)[0].clip(max=FAR)
    picture = atlas.picture(torch.from_numpy(inside)[:, None])
    return resized(picture, size)[0, 0].numpy()


def _turned(place: np.ndarray) -> np.ndarray:
    """Degrees from the front."""
    return np.degrees(np.arctan2(np.abs(place[:, 0]), place[:, 2] - AXIS))


def density(grown: Growth, random: np.random.Generator, receding: float = 0.0) -> np.ndarray:
    """(S, S) density 0 to 1. receding: metres by which the line has moved back in front."""
    inside = grown.inside - receding * grown.recedes
    near = (inside > OUTSIDE) & (inside < grown.fade + 0.01)  # only here do the line's bends matter
    wandering = sum(depth * waves(grown.place[near], length, random) for length, depth in WANDERS)
    # Cut off what bends far outwards: a tuft on the forehead would look like a stain.
    inside[near] += wandering * _rise(inside[near], OUTSIDE, 0.004)
    return _rise(inside / grown.fade, 0.0, 1.0)


def waves(place: np.ndarray, length: float, random: np.random.Generator) -> np.ndarray:
    """place (M, 3) -> (M,) noise of variance 1 and about this wavelength, metres: a function of space, so without UV seams."""
    towards = random.normal(0, 1, (3, WAVES))
    towards *= 2 * np.pi / length / np.linalg.norm(towards, axis=0) * random.uniform(0.6, 1.5, WAVES)
    begins = random.uniform(0, 2 * np.pi, WAVES)
    phase = place.astype(np.float32) @ towards.astype(np.float32) + begins.astype(np.float32)
    return np.cos(phase).sum(1) * np.sqrt(2 / WAVES)


def _way(place: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(M, 3) growth along the surface: away from the crown, spiralling near it; down and a little back at sides and nape."""
    away = place - np.array(CROWN)
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    away = _along_surface(away, normal)
    winding = np.cross(away, normal)
    down = _along_surface(np.broadcast_to([0.0, -1.0, -0.3], place.shape), normal)
    side = 1 - _rise(place[:, 1:2], SIDES[1], SIDES[0])
    whorl = np.exp(-((distance / WHORL) ** 2))
    return away * (1 - side) * (1 - 0.5 * whorl) + winding * 1.2 * whorl + down * side


def _along_surface(vectors: np.ndarray, normal: np.ndarray) -> np.ndarray:
    flat = vectors - (vectors * normal).sum(1, keepdims=True) * normal
    return flat / np.linalg.norm(flat, axis=1, keepdims=True).clip(1e-6)


def _frames(atlas: Atlas, topology: Topology, vertices: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M, 3) tangent, bitangent and normal of the covered texels' triangles, an orthonormal frame each."""
    triangle = atlas.triangle.numpy()
    a, b, c = (vertices.numpy()[topology.triangles[triangle, k]] for k in range(3))
    p, q, r = (topology.uv[topology.uv_triangles[triangle, k]].astype(float) for k in range(3))
    (u1, v1), (u2, v2) = (q - p).T, (r - p).T
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    facing = np.sign(u1 * v2 - u2 * v1)[:, None]
    tangent = _along_surface(((b - a) * v2[:, None] - (c - a) * v1[:, None]) * facing, normal)
    return tangent, np.cross(normal, tangent) * facing, normal


def _along(knots: tuple[tuple[float, float], ...], at: np.ndarray) -> np.ndarray:
    places, values = zip(*knots, strict=True)
    return PchipInterpolator(places, values)(at)


def _rise(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
