"""Pictures for people: a head over its photo, and the bare form in clay for where no maps exist yet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..topology import REGIONS, Topology
from .camera import Camera
from .colour import to_linear, to_srgb
from .maps import Maps
from .renderer import Renderer, Rendering, Surface
from .shading import DirectionalLight, blinn_phong

STUDIO = (
    (0.16, 0.78, 0.6, 1.0, 0.97, 0.93, -0.65, 0.7, 0.75),  # key, and the ambient light
    (0.0, 0.22, 0.2, 0.85, 0.92, 1.0, 0.95, 0.1, 0.45),  # fill
    (0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.7, 0.55, -0.75),  # rim
)
"""Three lamps fixed to the camera, so that a turned head is lit as well; nine light numbers each, in camera axes."""
CLAY_LIGHT = (0.22, *STUDIO[0][1:])
"""The key lamp alone, for a picture shaded under the nine numbers."""
CLAY_COLOURS = {
    "skin": ((0.42, 0.37, 0.33), 0.5),
    "eyes": ((0.62, 0.61, 0.60), 0.9),
    "teeth": ((0.62, 0.59, 0.54), 0.6),
    "mouth": ((0.26, 0.16, 0.14), 0.4),
}
BACKGROUND = (0.0343, 0.0356, 0.0409)  # sheet.GROUND


@torch.no_grad()
def over_photo(pixels: np.ndarray, side: int, camera: Camera, draw: Callable[[Camera], Rendering]) -> np.ndarray:
    """The photo (H, W, 3) uint8 sRGB, no side longer than `side`, with what `draw` gives for its camera over it."""
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    rendering = draw(camera.resized(size))
    small = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.LANCZOS))
    background = to_linear(torch.from_numpy(small.transpose(2, 0, 1).copy()).to(rendering.image)[None] / 255.0)
    return to_bytes(rendering.over(background))[0]


@torch.no_grad()
def clay(
    vertices: Tensor | np.ndarray,
    topology: Topology,
    size: int | tuple[int, int] = 512,
    yaw: float = 0.0,
    pitch: float = 0.0,
    supersample: int = 2,
    camera: Camera | None = None,
    renderer: Renderer | None = None,
    normal: Tensor | None = None,
) -> np.ndarray:
    """vertices (V, 3) in metres -> (H, W, 3) uint8 sRGB: the form alone, softly lit, framed to fit.

    yaw and pitch are degrees of the camera round the head. A renderer made before for this topology may be handed in.
    normal: the skin's map (1, 3, S, S), for its folds.
    """
    height, width = (size, size) if isinstance(size, int) else size
    points = torch.as_tensor(vertices, dtype=torch.float32)[None]
    large = (height * supersample, width * supersample)
    camera = framing(points[0], large, yaw, pitch) if camera is None else camera.resized(large)
    renderer = renderer or Renderer(topology)
    maps = {name: Maps.plain(*CLAY_COLOURS[name], like=points) for name in REGIONS}
    if normal is not None:
        maps["skin"] = maps["skin"]._replace(normal=normal)
    rendering = renderer(points, maps, camera, _studio(camera, points), shade=_lit_by_all)
    picture = rendering.over(points.new_tensor(BACKGROUND).view(1, 3, 1, 1))
    return to_bytes(torch.nn.functional.avg_pool2d(picture, supersample))[0]


def _studio(camera: Camera, like: Tensor) -> Tensor:
    """(3, 9) the lamps in world axes."""
    numbers, directions = like.new_tensor(STUDIO).split([6, 3], 1)
    return torch.cat([numbers, directions @ camera.rotation[0].to(like)], 1)


def _lit_by_all(surface: Surface, lamps: Tensor) -> Tensor:
    s = surface
    each = (blinn_phong(s.albedo, s.specular, s.normal, s.view, DirectionalLight.of(lamp)) for lamp in lamps.split(1))
    return torch.stack(list(each)).sum(0)


def framing(points: Tensor, size: tuple[int, int], yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """A portrait lens (V, 3 metres) that holds all points from any side, with a small margin."""
    low, high = points.amin(0), points.amax(0)
    middle = (low + high) / 2
    radius = float((points - middle).norm(dim=-1).max())
    distance = 5.0 * radius
    angle = 2.1 * np.degrees(np.arcsin(radius / distance)) * max(1.0, size[0] / size[1])
    return Camera.facing(size, distance, angle, yaw, pitch, target=middle, dtype=points.dtype, device=points.device)


def to_bytes(linear: Tensor) -> np.ndarray:
    """Linear (B, 3, H, W) -> sRGB (B, H, W, 3) uint8."""
    return (to_srgb(linear) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
