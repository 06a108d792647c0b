"""A head's maps from a few differentiable numbers: skin, eyes, and the model's own teeth and mouth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from weakref import WeakKeyDictionary

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..render.colour import to_linear
from ..render.maps import UNPAINTED, Maps
from ..topology import REGIONS, Topology
from . import texels
from .model import MorphableModel
from .skin import MEAN_SIZE, has_skin_basis, load_skin, relief

IRIS_ANGLE = float(np.radians(22.9))
"""From the pupil to the rim of the iris, at the eyeball's centre: 11.9 mm on the model's eyeball of 30.6 mm."""
SPECULAR = {
    "rest": 0.45,
    "nose": 0.66,
    "forehead": 0.56,
    "cheeks": 0.46,
    "chin": 0.5,
    "eyes": 0.42,
    "ears": 0.42,
    "neck": 0.38,
    "scalp": 0.34,
}
LIPS_SPECULAR = 0.72
OILY = ("nose", "forehead", "cheeks", "chin")
"""Parts of the face whose oiliness varies independently."""
EYE_SPECULAR = (0.2, 0.1)  # of the white and the cornea: low, since a lobe as wide as skin's would veil the iris
EYE_MAP = 256  # texels; the iris is an eighth of the tile
PLAIN = 64  # side of a map that holds one colour
PUPIL = 0.36  # radius over the iris', indoors

RGB = tuple[float, float, float]
BROWN: RGB = (0.105, 0.048, 0.022)
SCLERA: RGB = (0.60, 0.545, 0.50)


@dataclass(frozen=True)
class Paint:
    """Replacements for the defaults of `head_maps`; B or 1 rows each, linear colours."""

    iris: Tensor | None = None  # (B, 3)
    sclera: Tensor | None = None  # (B, 3)
    pupil: Tensor | None = None  # (B,) radius over the iris'
    specular: Tensor | None = None  # (B, 1 or 3, H, W)
    normal: Tensor | None = None  # (B, 3, H, W) tangent-space vectors


def head_maps(
    model: MorphableModel, skin_albedo: Tensor, paint: Paint | None = None, eye_size: int = EYE_MAP
) -> dict[str, Maps]:
    """skin_albedo (B, 3, S, S) linear -> the maps of every region that the model has.

    Gradients reach the albedo and what `paint` holds. Relief follows the albedo but passes no gradient to it:
    a fit must not repaint the skin to bend the light.
    """
    paint = paint or Paint()
    size = skin_albedo.shape[-1]
    specular = _gloss(model, size, skin_albedo) if paint.specular is None else paint.specular
    normal = relief(skin_albedo.detach()) if paint.normal is None else paint.normal
    maps = {"skin": Maps(skin_albedo, specular, normal)}
    if _has(model, "eyes"):
        iris = skin_albedo.new_tensor([BROWN]) if paint.iris is None else paint.iris
        sclera = skin_albedo.new_tensor([SCLERA]) if paint.sclera is None else paint.sclera
        pupil = skin_albedo.new_tensor([PUPIL]) if paint.pupil is None else paint.pupil
        maps["eyes"] = eye_maps(iris, sclera, pupil, eye_size)
    for region in ("teeth", "mouth"):
        if _has(model, region):
            maps[region] = _own(model, region, skin_albedo)
    return maps


def toned_skin(model: MorphableModel, tone: Tensor, size: int = MEAN_SIZE) -> Tensor:
    """tone (B, 3) linear albedo of the cheeks -> (B, 3, S, S): the mean skin in that tone, or one colour for a model that the
    skin basis does not fit."""
    if not has_skin_basis(model):
        return tone[..., None, None].expand(-1, -1, PLAIN, PLAIN)
    basis = load_skin(tone.dtype)
    mean = basis.albedo(tone.new_zeros(1, basis.count).cpu(), size).to(tone)
    cheeks = _cheeks(model, mean)
    return (mean * (tone / cheeks)[..., None, None]).clamp(max=0.95)


def eye_maps(iris: Tensor, sclera: Tensor, pupil: Tensor, size: int = EYE_MAP) -> Maps:
    """Arguments as of `eye_map` -> the eyes' Maps: colour, and a cornea glossier than the white."""
    diffuse = eye_map(iris, sclera, pupil, size)
    outside = torch.from_numpy(_eye_parts(size)["white"]).to(diffuse)[None, None]
    white, cornea = EYE_SPECULAR
    return Maps(
        diffuse,
        cornea + (white - cornea) * outside,
        diffuse.new_tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1),
    )


def eye_map(iris: Tensor, sclera: Tensor, pupil: Tensor, size: int = EYE_MAP) -> Tensor:
    """iris, sclera (B or 1, 3) linear, pupil (B or 1,) radius over the iris' -> (B, 3, size, size) linear albedo.

    The tile is azimuthal: the distance from its middle, in tiles, is the angle from the pupil over 2 pi.
    """
    fixed = {name: torch.from_numpy(value).to(iris)[None, None] for name, value in _eye_parts(size).items()}
    texel = _radius_per_texel(size)
    colour, white, pupil = iris[..., None, None], sclera[..., None, None], pupil.view(-1, 1, 1, 1)
    # A warm ring round the pupil (collarette), pale and dark fibres, a dark rim (limbus).
    warm = colour.mean(1, keepdim=True) * iris.new_tensor([1.2, 1.0, 0.6]).view(1, 3, 1, 1)
    near = ((fixed["radius"] - pupil) / 0.16).clamp(min=0)
    colour = colour + 0.45 * torch.exp(-near * near) * (warm - colour)
    colour = colour * fixed["fibres"] * fixed["limbus"]
    edge = max(0.05, 1.2 * texel)
    inside = _smooth_step((fixed["radius"] - pupil) / edge + 0.5)
    colour = colour * inside + 0.004 * (1 - inside)
    veined = white * (1 - fixed["blood"] * iris.new_tensor([0.10, 0.42, 0.42]).view(1, 3, 1, 1))
    veined = veined * (1 - fixed["yellow"] * iris.new_tensor([0.0, 0.05, 0.16]).view(1, 3, 1, 1))
    # Paint the shade of lids and lashes, since the renderer's shadows leave the eyes out.
    return (colour + fixed["white"] * (veined - colour)) * fixed["open"]


@cache
def _eye_parts(size: int) -> dict[str, np.ndarray]:
    """Parts that all eyes share, (size, size) float32 by name: radius (1 at the iris' rim), the others masks 0 to 1."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    y = -y  # row 0 is the top
    radius, around = 2 * np.pi * np.hypot(x, y) / IRIS_ANGLE, np.arctan2(y, x)
    texel = _radius_per_texel(size)
    noise = np.random.default_rng(5)
    # Fibres: noise in the angle that changes slowly with the radius.
    strands = np.zeros_like(radius)
    for waves, strength in ((17, 0.5), (31, 0.8), (47, 0.8), (71, 0.6)):
        phase, wobble = noise.uniform(0, 2 * np.pi, 2)
        strands += strength * np.sin(waves * around + phase + 1.5 * np.sin(3 * around + wobble) + 2 * radius)
    strands *= np.clip(radius / (6 * texel), 0, 1)  # near the middle they are finer than texels
    fibres = 1.0 + 0.19 * strands
    rim = max(0.16, 1.5 * texel)
    limbus = 1 - 0.72 * _step(radius, 1.0 - 2 * rim, 1.0)
    white = _step(radius, 1.0 - 0.5 * rim, 1.0 + 0.5 * rim)
    sideways = np.abs(np.sin(2 * np.pi * np.hypot(x, y)) * np.cos(around))  # 1 at the corners of the eye
    veins = gaussian_filter(noise.normal(0, 1, (size, size)), (size / 200, size / 40), mode="wrap")
    veins = np.clip(1 - np.abs(veins / veins.std()) / 0.22, 0, 1)
    corner = _step(sideways, 0.55, 1.0)
    blood = np.clip(0.5 * corner + 0.35 * _step(sideways, 0.45, 0.8) * veins, 0, 1)
    height = np.sin(np.minimum(2 * np.pi * np.hypot(x, y), np.pi / 2)) * np.sin(around)
    lid = 1 - 0.3 * _step(height, 0.05, 0.4) - 0.12 * _step(-height, 0.15, 0.45) - 0.2 * _step(sideways, 0.45, 0.9)
    parts = {
        "radius": radius,
        "fibres": fibres,
        "limbus": limbus,
        "white": white,
        "blood": blood,
        "yellow": _step(sideways, 0.4, 0.8),
        "open": lid,
    }
    return {name: value.astype(np.float32) for name, value in parts.items()}


def _radius_per_texel(size: int) -> float:
    return 2 * np.pi / size / IRIS_ANGLE


_CONSTANT: WeakKeyDictionary[MorphableModel, dict[tuple, Tensor]] = WeakKeyDictionary()
"""Parts of a model's maps that do not depend on the person, cached per model, size, type and device."""


def _gloss(model: MorphableModel, size: int, like: Tensor) -> Tensor:
    """(1, 1, size, size) specular of the skin: nose, forehead and lips shine, neck and scalp do not."""
    kept, key = _CONSTANT.setdefault(model, {}), ("gloss", size, like.dtype, like.device)
    if key not in kept:
        kept[key] = torch.from_numpy(gloss(model.topology, size)).to(like)[None, None]
    return kept[key]


def gloss(topology: Topology, size: int) -> np.ndarray:
    """(size, size) specular in [0, 1]; 0.5 reflects 4 %."""
    value = np.full((int(topology.triangles.max()) + 1, 1), SPECULAR["rest"])
    for name, mask in topology.vertex_masks.items():
        if name in SPECULAR:
            value += np.asarray(mask, float)[:, None] * (SPECULAR[name] - SPECULAR["rest"])
    picture = gaussian_filter(texels.bake(topology, value, size)[..., 0], size / 64, mode="nearest")
    if "ibug68" in topology.landmarks:
        lips = gaussian_filter(lips_mask(topology, size), size / 170)
        picture = picture + lips * (LIPS_SPECULAR - picture)
    return picture


def oily_parts(topology: Topology, size: int) -> np.ndarray:
    """(len(OILY), size, size), each 1 inside its part of the face and soft at its border; 0 where a model has none."""
    vertices, found = int(topology.triangles.max()) + 1, []
    for name in OILY:
        value = np.zeros((vertices, 1))
        mask = topology.vertex_masks.get(name, np.zeros(0))
        value[: len(mask), 0] = mask
        found.append(gaussian_filter(texels.bake(topology, value, size)[..., 0], size / 64, mode="nearest"))
    return np.stack(found)


def lips_mask(topology: Topology, size: int) -> np.ndarray:
    """(size, size), 1 on the lips."""
    return texels.polygon(texels.landmark_uv(topology, topology.landmarks["ibug68"])[48:60], size)


def _cheeks(model: MorphableModel, albedo: Tensor) -> Tensor:
    """(1, 3, S, S) -> (1, 3) mean colour of the cheeks."""
    topology, size = model.topology, albedo.shape[-1]
    rows = (topology.triangle_region == 0) & (topology.vertex_masks["cheeks"][topology.triangles].min(1) > 0.9)
    uv = topology.uv[topology.uv_triangles[rows]].mean(1)
    x, y = (uv[:, 0] * size).astype(int), ((1 - uv[:, 1]) * size).astype(int)
    return albedo[..., torch.from_numpy(y).to(albedo.device), torch.from_numpy(x).to(albedo.device)].mean(-1)


def _own(model: MorphableModel, region: str, like: Tensor) -> Maps:
    """The model's own small map of a region, or one colour where it has none."""
    plain = Maps.plain(*UNPAINTED[region], like=like)
    stored = model.extras.get(f"map.{region}")
    if stored is None:
        return plain
    kept, key = _CONSTANT.setdefault(model, {}), (region, 0, like.dtype, like.device)
    if key not in kept:
        picture = torch.from_numpy(np.ascontiguousarray(stored.transpose(2, 0, 1))).to(like)[None] / 255
        kept[key] = to_linear(picture)
    return plain._replace(diffuse=kept[key])


def _has(model: MorphableModel, region: str) -> bool:
    return bool((model.topology.quad_region == REGIONS.index(region)).any())


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _smooth_step(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)
