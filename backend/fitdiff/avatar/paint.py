"""Maps for a head that no photo has painted yet: even skin, lips, brows, a coloured iris, the model's own teeth."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from ..face.model import MorphableModel
from ..face.topology import LandmarkSet, Topology
from .images import stored, stored_diffuse

RGB = tuple[float, float, float]

# Linear albedo. The tint multiplies the skin where a region's mask is 1: blood lies nearer to the surface there.
SKIN: RGB = (0.50, 0.31, 0.24)
TINTS: dict[str, RGB] = {
    "cheeks": (1.02, 0.88, 0.86),
    "nose": (1.02, 0.87, 0.84),
    "ears": (1.03, 0.82, 0.78),
}
LIPS: RGB = (0.86, 0.60, 0.62)
BROW: RGB = (0.055, 0.035, 0.025)
SPECULAR = {"skin": 0.45, "nose": 0.62, "forehead": 0.55, "cheeks": 0.42, "neck": 0.36, "scalp": 0.3}
IRIS_ANGLE = np.radians(22.9)  # face/build/parts.py: the map's distance from its middle is the angle over pi
IRIS: RGB = (0.16, 0.085, 0.04)
SCLERA: RGB = (0.70, 0.66, 0.62)


def plain_maps(model: MorphableModel, size: int = 512, skin: RGB = SKIN, iris: RGB = IRIS) -> dict[str, np.ndarray]:
    """What Avatar.maps holds, (size, size[, 3]) uint8; colours are linear."""
    topology = model.topology
    colour, gloss = np.ones((len(model.mean), 3)), np.full((len(model.mean), 1), SPECULAR["skin"])
    for name, mask in topology.vertex_masks.items():
        weight = np.asarray(mask, float)[:, None]
        colour *= 1 + weight * (np.array(TINTS.get(name, (1.0, 1.0, 1.0))) - 1)
        gloss += weight * (SPECULAR.get(name, SPECULAR["skin"]) - SPECULAR["skin"])
    painted = _softened(bake(topology, np.concatenate([colour * skin, gloss], 1), size), size // 64)
    diffuse, specular = painted[..., :3], painted[..., 3]
    if "ibug68" in topology.landmarks:
        points = uv_of(topology, topology.landmarks["ibug68"])
        lips, brows = lips_mask(points, size)[..., None], brows_mask(points, size)[..., None]
        diffuse = diffuse * (1 + lips * (np.array(LIPS) - 1))
        diffuse = diffuse + brows * (np.array(BROW) - diffuse)
        specular = specular + lips[..., 0] * (0.6 - specular)
    maps = {
        "diffuse": stored_diffuse(diffuse),
        "specular": stored(specular),
        "normal": stored(np.broadcast_to([0.5, 0.5, 1.0], (size, size, 3))),
        "eyes_diffuse": stored_diffuse(eye_map(size, iris)),
    }
    for region in ("teeth", "mouth"):
        own = model.extras.get(f"map.{region}")
        if own is not None:
            maps[f"{region}_diffuse"] = np.asarray(own, np.uint8)
    return maps


def eye_map(size: int, iris: RGB = IRIS) -> np.ndarray:
    """(size, size, 3) linear albedo: pupil, iris with fibres and a dark limbus, white that reddens backwards."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    angle = 2 * np.pi * np.hypot(x, y) / IRIS_ANGLE  # 1 at the limbus
    around = np.arctan2(y, x)
    fibres = 0.5 + 0.5 * np.sin(61 * around + 3 * np.sin(9 * around)) * np.sin(37 * around + 8 * angle)
    glow = 0.75 + 0.5 * fibres * np.clip(angle, 0, 1)
    ring = np.clip(1 - np.abs(angle - 0.45) / 0.12, 0, 1)[..., None] * [0.05, 0.025, 0.0]
    coloured = glow[..., None] * iris + ring * np.mean(iris) / 0.095
    coloured *= (1 - 0.75 * _step(angle, 0.82, 1.0))[..., None]
    pupil, white = _step(angle, 0.38, 0.42)[..., None], _step(angle, 0.97, 1.06)[..., None]
    blood = _step(angle, 1.6, 4.0)[..., None] * [0.0, -0.16, -0.16]
    return np.clip((1 - white) * (pupil * coloured + (1 - pupil) * 0.004) + white * (np.array(SCLERA) + blood), 0, 1)


def uv_of(topology: Topology, marks: LandmarkSet) -> np.ndarray:
    """(N, 2) texture coordinates of landmarks."""
    corners = topology.uv[topology.uv_triangles[marks.triangle]]
    return np.einsum("nk,nkc->nc", marks.barycentric, corners)


def lips_mask(points: np.ndarray, size: int) -> np.ndarray:
    """(68, 2) iBUG points in the skin tile -> (size, size), 1 on the lips, soft at the vermilion border."""
    picture = Image.new("L", (4 * size, 4 * size))
    ImageDraw.Draw(picture).polygon(_pixels(points[48:60], 4 * size), fill=255)
    return _softened(_reduced(picture, size), size / 170)


def brows_mask(points: np.ndarray, size: int) -> np.ndarray:
    """(68, 2) iBUG points -> (size, size): hairs that lean outwards, densest in the middle of each brow."""
    generator = np.random.default_rng(0)
    picture = Image.new("L", (4 * size, 4 * size))
    draw = ImageDraw.Draw(picture)
    for brow, outwards in ((points[17:22][::-1], -1.0), (points[22:27], 1.0)):
        for along in generator.beta(1.2, 1.3, 260) * 0.98:
            place = np.array([np.interp(along * 4, range(5), brow[:, axis]) for axis in range(2)])
            place[1] += generator.normal(0, 0.0065) * (1.15 - along) + 0.004
            length = 0.02 * generator.uniform(0.6, 1.2)
            lean = np.radians(75 - 70 * along**0.5 + generator.normal(0, 8))
            tip = place + length * np.array([outwards * np.cos(lean), np.sin(lean) * 0.8])
            draw.line(
                _pixels(np.stack([place, tip]), 4 * size), fill=int(generator.uniform(110, 190)), width=size // 170
            )
    return np.clip(_softened(_reduced(picture, size), size / 900) * 1.1, 0, 0.85)


def _pixels(uv: np.ndarray, size: int) -> list[tuple[float, float]]:
    return [(float(u) * size, (1 - float(v)) * size) for u, v in uv]


def _reduced(picture: Image.Image, size: int) -> np.ndarray:
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX), np.float64) / 255


def bake(topology: Topology, values: np.ndarray, size: int) -> np.ndarray:
    """Values (V, C) on vertices -> (size, size, C) over the skin tile, row 0 at v = 1; the nearest skin fills gaps."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.ndimage import distance_transform_edt

    rows = topology.triangle_region == 0
    corners, vertices = topology.uv_triangles[rows], topology.triangles[rows]
    used, first = np.unique(corners, return_index=True)
    interpolate = LinearNDInterpolator(topology.uv[used], values[vertices.ravel()[first]])
    grid = (np.arange(size) + 0.5) / size
    u, v = np.meshgrid(grid, 1 - grid)
    picture = interpolate(u, v)
    nearest = distance_transform_edt(np.isnan(picture[..., 0]), return_distances=False, return_indices=True)
    return picture[tuple(nearest)]


def _softened(picture: np.ndarray, pixels: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(picture, (pixels, pixels, 0)[: picture.ndim], mode="nearest")


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
