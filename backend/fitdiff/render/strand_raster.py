"""Draws strands of hair: lines in the picture, lit as thin cylinders, shaded by the hair that lies before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .camera import Camera

Array = NDArray[np.float64]

FINER = 2  # lines are drawn in a picture so many times as large
LAMP_SIDE, LAMP_BLUR = 192, 1.5  # pixels of the picture from the lamp that shadows are read from
DENSE = 90.0  # per metre: how fast hair swallows the lamp's light
ROOM_LEFT = 0.6  # share of the room's light that reaches hair deep among hair
LOBE, GLOSS = 40.0, 0.02  # exponent and strength of the highlight
SLACK = 0.0015  # metres that hair may lie within the skin and still be seen


@dataclass(frozen=True, eq=False)
class DrawnStrands:
    """image (H, W, 3) linear, multiplied by alpha; alpha (H, W); way (H, W, 2) along the strands in the picture, likewise."""

    image: Array
    alpha: Array
    way: Array


def draw_strands(
    points: NDArray[np.floating],
    colour: NDArray[np.floating],
    radius: float,
    camera: Camera,
    depth: NDArray[np.floating],
    light: list[float],
) -> DrawnStrands:
    """points (N, P, 3) metres; colour (N, P, 3) linear, as a mass of it looks under a light of 1; radius: mean, metres; depth
    (H, W) metres to the head in the camera's picture, large off it; light: nine numbers."""
    height, width = camera.size
    large = camera.resized((height * FINER, width * FINER))
    screen, away = _projected(points, large)
    places = np.asarray(points, np.float64)
    along = np.gradient(places, axis=1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True).clip(1e-12)
    shown = _lit(places, along, np.asarray(colour, np.float64), camera, light)
    behind = np.repeat(np.repeat(np.asarray(depth, np.float64), FINER, 0), FINER, 1) + SLACK
    across = 2 * radius * float(large.focal[0]) / float(np.median(away)) if len(points) else 1.0
    picture = np.zeros((height * FINER, width * FINER, 6))
    _draw(picture, behind, screen, away, shown, min(1.0, across))
    small = picture.reshape(height, FINER, width, FINER, 6).mean((1, 3))
    return DrawnStrands(small[..., :3], small[..., 3], small[..., 4:])


def lamp_reaching(places: Array, strands: NDArray[np.floating], towards: Array) -> Array:
    """(M, 3) places -> (M,) share of a lamp's light, which comes from `towards` (3,), that these strands let through."""
    return _Lamp(np.asarray(strands, np.float64), towards).reaching(places)


class _Lamp:
    """How far hair lies from the lamp, as a picture seen from there."""

    def __init__(self, strands: Array, towards: Array) -> None:
        forward = towards / np.linalg.norm(towards).clip(1e-9)
        side = np.cross(forward, [0.0, 1.0, 0.0] if abs(forward[1]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        self.axes = np.stack([side, np.cross(forward, side), forward])
        flat = strands.reshape(-1, 3) @ self.axes.T
        self.low = flat[:, :2].min(0) - 0.01
        self.step = float((flat[:, :2].max(0) + 0.01 - self.low).max()) / LAMP_SIDE
        first = np.full((LAMP_SIDE, LAMP_SIDE), -1e3)
        at = ((flat[:, :2] - self.low) / self.step).astype(int).clip(0, LAMP_SIDE - 1)
        np.maximum.at(first, (at[:, 1], at[:, 0]), flat[:, 2])
        known = (first > -1e2).astype(float)
        weight = gaussian_filter(known, LAMP_BLUR)
        self.first = np.where(weight > 0.02, gaussian_filter(first * known, LAMP_BLUR) / weight.clip(1e-6), -1e3)
        self.share = np.clip(2 * weight, 0, 1)

    def reaching(self, places: Array) -> Array:
        local = places @ self.axes.T
        at = ((local[:, :2] - self.low) / self.step).astype(int)
        inside = ((at >= 0) & (at < LAMP_SIDE)).all(1)
        at = at.clip(0, LAMP_SIDE - 1)
        under = np.maximum(self.first[at[:, 1], at[:, 0]] - local[:, 2], 0)
        swallowed = (1 - np.exp(-DENSE * under)) * self.share[at[:, 1], at[:, 0]]
        return np.where(inside, 1 - swallowed, 1.0)


def _projected(points: NDArray[np.floating], camera: Camera) -> tuple[Array, Array]:
    flat = torch.from_numpy(np.ascontiguousarray(points.reshape(1, -1, 3))).to(camera.rotation)
    found = camera.project(flat)
    shape = points.shape[:2]
    return found.screen[0].double().numpy().reshape(*shape, 2), found.depth[0].double().numpy().reshape(shape)


def _lit(points: Array, along: NDArray[np.floating], colour: Array, camera: Camera, light: list[float]) -> Array:
    """(N, P, 5): colour under the light, and the strand's way in the picture."""
    ambient, diffuse, specular, *rest = light
    tone, towards = np.array(rest[:3]), np.array(rest[3:])
    towards = towards / np.linalg.norm(towards)
    view = camera.position[0].double().numpy() - points
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    half = view + towards
    half /= np.linalg.norm(half, axis=-1, keepdims=True).clip(1e-9)
    camera_way = view.reshape(-1, 3).mean(0)
    shape = points.shape[:2]
    room = (
        ROOM_LEFT + (1 - ROOM_LEFT) * lamp_reaching(points.reshape(-1, 3), points, camera_way).reshape(shape)[..., None]
    )
    lamp = _Lamp(points, towards).reaching(points.reshape(-1, 3)).reshape(shape)[..., None]
    sine = np.sqrt(np.clip(1 - (along @ towards) ** 2, 0, 1))[..., None]
    gloss = np.clip(1 - (along * half).sum(-1) ** 2, 0, 1)[..., None] ** (LOBE / 2)
    facing = 0.5 + 0.5 * (view @ towards)[..., None]
    shown = tone * (
        colour * (room * ambient + diffuse * sine * lamp * facing) + GLOSS * specular * gloss * lamp * facing
    )
    way = along @ camera.rotation[0].double().numpy().T
    return np.concatenate([shown, way[..., :1], -way[..., 1:2]], -1)


def _draw_lines(picture: Array, behind: Array, screen: Array, away: Array, shown: Array, across: float) -> None:
    """Lines a pixel wide, the nearest on top; of lines thinner than a pixel only so many pixels are drawn."""
    height, width = behind.shape
    state = np.uint32(1)
    for strand in range(screen.shape[0]):
        for part in range(screen.shape[1] - 1):
            x0, y0 = screen[strand, part]
            x1, y1 = screen[strand, part + 1]
            steps = int(max(abs(x1 - x0), abs(y1 - y0))) + 1
            if steps > 4096:
                continue
            for k in range(steps):
                state = np.uint32(state * np.uint32(1664525) + np.uint32(1013904223))
                if float(state >> np.uint32(8)) / 16777216.0 > across:
                    continue
                share = k / steps
                x, y = int(np.floor(x0 + share * (x1 - x0))), int(np.floor(y0 + share * (y1 - y0)))
                if x < 0 or y < 0 or x >= width or y >= height:
                    continue
                far = away[strand, part] + share * (away[strand, part + 1] - away[strand, part])
                if far >= behind[y, x] or far < 1e-3:
                    continue
                behind[y, x] = far
                for channel in range(3):
                    start = shown[strand, part, channel]
                    picture[y, x, channel] = start + share * (shown[strand, part + 1, channel] - start)
                picture[y, x, 3] = 1.0
                picture[y, x, 4] = shown[strand, part, 3]
                picture[y, x, 5] = shown[strand, part, 4]


try:
    _draw = njit(cache=True, nogil=True)(_draw_lines)
except RuntimeError:  # the cache cannot be written (a read-only installation): compile once per process
    _draw = njit(_draw_lines, nogil=True)
