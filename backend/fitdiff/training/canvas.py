"""Shared by all made-up people: masks of the skin tile, noise to cut textures from, and drawing by splats.

Places are given in the tile's own coordinates, 0..1, x to the right and y down from the top.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import CubicSpline
from torch import Tensor

from ..face import texels
from ..face.appearance import gloss, lips_mask
from ..face.brows import BROWS, lid_margins
from ..face.model import MorphableModel
from .skin_bank import SkinBank, blur

CURVE_POINTS = 48
BROW_POINTS = 64
MASKS = ("scalp", "ears", "neck", "nose", "forehead", "cheeks", "chin", "face")

# Creases, each as control points of the half at smaller x; the other half mirrors it. (name, group, points)
CREASES: tuple[tuple[str, tuple[tuple[float, float], ...]], ...] = (
    ("forehead", ((0.340, 0.214), (0.400, 0.206), (0.460, 0.212), (0.502, 0.216))),
    ("forehead", ((0.330, 0.240), (0.390, 0.230), (0.450, 0.238), (0.502, 0.243))),
    ("forehead", ((0.345, 0.266), (0.400, 0.256), (0.455, 0.264), (0.500, 0.270))),
    ("frown", ((0.478, 0.292), (0.474, 0.315), (0.480, 0.345))),
    ("crow", ((0.276, 0.412), (0.245, 0.402), (0.213, 0.380))),
    ("crow", ((0.274, 0.420), (0.240, 0.420), (0.206, 0.414))),
    ("crow", ((0.278, 0.430), (0.246, 0.440), (0.216, 0.452))),
    ("eye", ((0.402, 0.448), (0.372, 0.470), (0.330, 0.476), (0.290, 0.456))),
    ("eye", ((0.405, 0.462), (0.380, 0.494), (0.335, 0.506), (0.285, 0.476))),
    ("cheek", ((0.424, 0.545), (0.392, 0.580), (0.366, 0.640), (0.358, 0.700))),
    ("mouth", ((0.386, 0.692), (0.372, 0.728), (0.374, 0.768))),
    ("chin", ((0.440, 0.782), (0.470, 0.768), (0.502, 0.764))),
    ("neck", ((0.230, 0.900), (0.340, 0.945), (0.440, 0.962), (0.502, 0.966))),
)
GROUPS = ("forehead", "frown", "crow", "eye", "cheek", "mouth", "chin", "neck")

BEARD = ((0.155, 0.42), (0.195, 0.43), (0.222, 0.56), (0.290, 0.645), (0.375, 0.630), (0.432, 0.588), (0.5, 0.598))
BEARD_BELOW = ((0.5, 0.925), (0.35, 0.905), (0.22, 0.835), (0.165, 0.70), (0.150, 0.55))


class Canvas:
    """One face model's tile at one size, on one device.

    masks   (M, 1, S, S) in the order of MASKS; lips, beard, orbit, lid, zone: further ones, (1, 1, S, S)
    gloss   (1, 1, S, S) specular of plain skin
    noise   (N, 1, P, P) white Gaussian noise, from which per-texel randomness is cut
    """

    def __init__(
        self, model: MorphableModel, bank: SkinBank, size: int = 512, device: torch.device | str = "cpu", seed: int = 0
    ) -> None:
        self.model, self.size, self.device = model, size, torch.device(device)
        self.bank = bank.to(device)
        topology = model.topology
        self.mean = F.interpolate(self.bank.mean[None], (size, size), mode="bilinear", align_corners=False)
        values = np.stack([np.asarray(topology.vertex_masks[name], float) for name in MASKS], 1)
        baked = torch.from_numpy(texels.bake(topology, values, size)).permute(2, 0, 1)[:, None].float()
        self.masks = dict(zip(MASKS, blur(baked, size / 128).to(device).split(1), strict=True))
        self.gloss = self._put(gloss(topology, size))
        lips = self._put(lips_mask(topology, size))
        self.lips = blur(lips, size / 250)
        beard = self._put(texels.polygon(_flipped(_mirrored(BEARD + BEARD_BELOW)), size))
        lips_near = blur(lips, size / 60).clamp(max=0.5) * 2
        self.beard = blur(beard, size / 30) * (1 - lips_near)
        points = texels.landmark_uv(topology, topology.landmarks["ibug68"])
        self.points = np.stack([points[:, 0], 1 - points[:, 1]], 1)
        self.orbit = blur(self._shape(self._under_eyes()), size / 60)
        self.lid = blur(self._shape(self._upper_lids()), size / 90)
        y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size] * 2, indexing="ij")
        self.y, self.x = y[None, None].to(device), x[None, None].to(device)
        self.zone = torch.exp(-(((self.x - 0.5) / 0.09) ** 2)) * (self.y < 0.6)  # forehead and nose, where skin is oily
        generator = torch.Generator().manual_seed(seed)
        self.noise = torch.randn(24, 1, 512, 512, generator=generator).to(device)
        self.brows = torch.from_numpy(self._brow_lines()).float().to(device)
        self.creases = torch.from_numpy(_crease_lines()).float().to(device)
        self.margins = [np.stack([loop[:, 0], 1 - loop[:, 1]], 1) for loop in lid_margins(topology)]
        self.lashes = self._put_tensor(self._lash_points())

    def _put(self, picture: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture)).float()[None, None].to(self.device)

    def _put_tensor(self, points: np.ndarray) -> Tensor:
        return torch.from_numpy(points).float().to(self.device)

    def _shape(self, outlines: list[np.ndarray]) -> Tensor:
        drawn = [texels.polygon(np.stack([o[:, 0], 1 - o[:, 1]], 1), self.size) for o in outlines]
        return self._put(np.maximum.reduce(drawn))

    def _under_eyes(self) -> list[np.ndarray]:
        found = []
        for corners in ((36, 41, 40, 39), (45, 46, 47, 42)):
            rim = self.points[list(corners)]
            found.append(np.concatenate([rim, rim[::-1] + np.array([[0, 0.03], [0, 0.045], [0, 0.04], [0, 0.02]])]))
        return found

    def _upper_lids(self) -> list[np.ndarray]:
        found = []
        for lid, brow in (((36, 37, 38, 39), (20, 19, 18, 17)), ((45, 44, 43, 42), (23, 24, 25, 26))):
            low, high = self.points[list(lid)], self.points[list(brow)]
            found.append(np.concatenate([low, low[::-1] + 0.55 * (high - low[::-1])]))
        return found

    def _brow_lines(self) -> np.ndarray:
        """(2, BROW_POINTS, 2): from the nose outwards, the person's right one first."""
        lines = []
        for rows in BROWS:
            brow = self.points[rows]
            s = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(brow, axis=0), axis=1))])
            lines.append(CubicSpline(s / s[-1], brow)(np.linspace(-0.12, 1.12, BROW_POINTS)))
        return np.stack(lines)

    def _lash_points(self) -> np.ndarray:
        """(N, 3): x, y along the lids' margins, and the lashes' strength there."""
        found = []
        for loop in self.margins:
            closed = np.concatenate([loop, loop[:1]])
            s = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
            dense = np.linspace(0, s[-1], 400, endpoint=False)
            line = np.stack([np.interp(dense, s, closed[:, k]) for k in (0, 1)], 1)
            middle = line.mean(0)
            upper = np.clip((middle[1] - line[:, 1]) / np.ptp(line[:, 1]) * 4 + 0.6, 0.18, 1.0)
            found.append(np.concatenate([line, upper[:, None]], 1))
        return np.concatenate(found)


def splat(points: Tensor, weight: Tensor, size: int) -> Tensor:
    """Points (B, N, 2) in tile coordinates, weights (B, N) -> (B, 1, size, size): each spread over the four texels round it."""
    batch = len(points)
    at = points * size - 0.5
    corner = at.floor()
    part = at - corner
    corner = corner.long()
    picture = points.new_zeros(batch, size * size)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = corner[..., 0] + dx, corner[..., 1] + dy
            share = (part[..., 0] if dx else 1 - part[..., 0]) * (part[..., 1] if dy else 1 - part[..., 1])
            inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
            address = y.clamp(0, size - 1) * size + x.clamp(0, size - 1)
            picture.scatter_add_(1, address, weight * share * inside)
    return picture.view(batch, 1, size, size)


def fields(coarse: Tensor, size: int) -> Tensor:
    """Smooth random fields: normal numbers on a coarse grid (B, C, h, w) -> (B, C, size, size)."""
    return F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)


def cut(canvas: Canvas, which: Tensor, shift: Tensor, size: int | None = None) -> Tensor:
    """White noise for each person: tile numbers (B,) and shifts (B, 2) int64 -> (B, 1, size, size)."""
    side, size = canvas.noise.shape[-1], size or canvas.size
    run = torch.arange(size, device=canvas.device)
    rows = (run + shift[:, :1]) % side
    columns = (run + shift[:, 1:]) % side
    return canvas.noise[which][
        torch.arange(len(which), device=canvas.device)[:, None, None], 0, rows[:, :, None], columns[:, None, :]
    ][:, None]


def _mirrored(half: tuple[tuple[float, float], ...]) -> np.ndarray:
    """A closed outline from its half at x <= 0.5, which begins and ends at the middle line."""
    upper = np.array(half)
    top = upper[: len(BEARD)]
    below = upper[len(BEARD) :]
    flip = np.array([1.0, 0.0]), np.array([-1.0, 1.0])
    return np.concatenate([top, (flip[0] + flip[1] * top)[::-1][1:], (flip[0] + flip[1] * below)[::-1], below])


def _flipped(points: np.ndarray) -> np.ndarray:
    return np.stack([points[:, 0], 1 - points[:, 1]], 1)


def _crease_lines() -> np.ndarray:
    """(2 * len(CREASES), CURVE_POINTS, 2), right halves first."""
    halves = []
    for _, points in CREASES:
        control = np.array(points)
        s = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(control, axis=0), axis=1))])
        halves.append(CubicSpline(s / s[-1], control)(np.linspace(0, 1, CURVE_POINTS)))
    right = np.stack(halves)
    return np.concatenate([right, right * np.array([-1.0, 1.0]) + np.array([1.0, 0.0])])
