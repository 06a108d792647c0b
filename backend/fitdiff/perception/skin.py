"""Which pixels are bare skin of this face: what photometric losses may believe.

Three witnesses, in this order. The landmarks say where skin can be. The face's own sure skin (cheeks, nose) says what
its skin looks like: colour ratios and a brightness that may vary smoothly over the face, in logarithms, so that dark
and light skin are measured with the same ruler. What surrounds the face, and its own brows, say what its hair and
background look like. The posterior of the two is then drawn to the photo's edges by a guided filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from . import regions
from .regions import Crop, Mask, polygon
from .types import Face

CHANNELS = ("skin", "brows", "lips", "eyes", "mouth_inner", "face")
CROP_SIZE = 288
CROP_MARGIN = 1.75  # over the larger side of the landmarks: enough background to know it by
DARKNESS = 0.004  # linear; added before logarithms so that black noise is no colour
SPREAD_FLOOR = (0.30, 0.05, 0.07)  # least standard deviation of log green, log red/green, log blue/green
OTHER_CLASSES = 5
TAIL = 8.0  # degrees of freedom of the skin's colour distribution
FAMILIAR = 2.5  # log likelihood below the best: what lies nearer outside the face may be this person's neck or hand
ROUNDS = 4


@dataclass(frozen=True)
class FaceMask:
    """Soft masks (size, size) float32 0..1 in a square crop of the photo.

    skin         bare skin: for colour statistics and light
    brows        brow hair region
    lips         the red of the lips
    eyes         between the lids, lashes included
    mouth_inner  between the lips: teeth, tongue, dark
    face         what a likeness may look at: skin, brows and lips, less what covers them
    """

    crop: Crop
    skin: Mask
    brows: Mask
    lips: Mask
    eyes: Mask
    mouth_inner: Mask
    face: Mask
    tone: tuple[float, float, float]  # linear sRGB of this face's sure skin, median
    confidence: float  # 0..1, how well skin and its surroundings could be told apart

    def channels(self) -> dict[str, Mask]:
        return {name: getattr(self, name) for name in CHANNELS}

    def over_photo(self, name: str, shape: tuple[int, int]) -> Mask:
        """One channel at the size (height, width) of the photo."""
        return self.crop.paste(self.channels()[name], shape)


def mask_crop(face: Face, size: int = CROP_SIZE) -> Crop:
    """The window that a face's masks are made in."""
    return Crop.around(face.landmarks468[:, :2], size, CROP_MARGIN)


def face_mask(
    pixels: NDArray[np.uint8], face: Face, size: int = CROP_SIZE, visible: Callable[[Crop], Mask] | None = None
) -> FaceMask:
    """pixels (H, W, 3) uint8 sRGB of the photo, one of its faces -> its masks; size is even.

    visible: crop -> (size, size) 0..1, where a posed face mesh shows skin that looks at the camera, when that is
    known. It takes away what the head turns from us and the background behind a turned cheek.
    """
    crop = mask_crop(face, size)
    points = crop.inside(face.landmarks468)
    image = crop.read(pixels)
    eyes = _union(
        polygon(regions.lids_opened(points, eye, 0.32), size) for eye in (regions.RIGHT_EYE, regions.LEFT_EYE)
    )
    brows = _union(
        polygon(regions.grown(points[list(brow)], 1.12), size) for brow in (regions.RIGHT_BROW, regions.LEFT_BROW)
    )
    mouth = polygon(points[list(regions.LIPS_INNER)], size)
    whole_mouth = np.maximum(polygon(regions.grown(points[list(regions.LIPS_OUTER)], 1.04), size), mouth)
    lips = whole_mouth - mouth
    oval = polygon(points[list(regions.OVAL)], size)
    support = np.maximum(polygon(regions.raised_oval(points), size), oval)
    support = support * crop.coverage(pixels.shape[:2])
    if visible is not None:
        support = support * visible(crop)
    holes = np.maximum.reduce([eyes, brows, whole_mouth])

    sure = _union(polygon(points[list(patch)], size) for patch in regions.SURE_SKIN) * support > 0.9
    if sure.sum() < 30:  # no cheek to be seen: fall back to all that is inside
        sure = (oval * (1 - holes) * support) > 0.9
    small = [_halved(mask) for mask in (support, oval, holes, brows, _forehead(points, size))]
    sure_small = _halved(sure.astype(np.float32)) > 0.9
    probability, confidence = _posterior(log_colour(_halved(image)), sure_small, *small)
    probability = _whole(probability, sure_small).repeat(2, 0).repeat(2, 1)

    reach = max(2, round(0.02 * float(np.ptp(points, axis=0).max())))
    soft = guided_filter(image, probability, radius=reach, epsilon=2e-4)
    soft = np.clip((soft - 0.15) / 0.7, 0, 1)
    border = ndimage.gaussian_filter(support, reach * 0.5)
    skin = soft * np.minimum(border, support) * (1 - holes)

    uncovered = ndimage.gaussian_filter(np.clip(soft, 0, 1), reach)
    beside = np.clip(uncovered * 3.0, 0, 1) * support  # a brow under a fringe has hair on all sides: it goes as well
    face_wide = np.maximum(skin, np.maximum(brows * beside, lips * beside)) * (1 - np.maximum(eyes, mouth))
    linear = _linear(image)
    tone = np.median(linear[sure], axis=0) if sure.any() else np.full(3, 0.2)
    return FaceMask(
        crop=crop,
        skin=skin.astype(np.float32),
        brows=brows,
        lips=lips,
        eyes=eyes,
        mouth_inner=mouth,
        face=face_wide.astype(np.float32),
        tone=(float(tone[0]), float(tone[1]), float(tone[2])),
        confidence=confidence,
    )


def _forehead(points: NDArray[np.float64], size: int) -> Mask:
    """(size, size): 0 below the brows, rising to 1 at the oval's top."""
    brows = (points[105, :2] + points[334, :2]) / 2
    up = points[10, :2] - brows
    y, x = np.mgrid[0:size, 0:size]
    height = ((x - brows[0]) * up[0] + (y - brows[1]) * up[1]) / (up @ up + 1e-9)
    return np.clip(height, 0, 1).astype(np.float32)


def log_colour(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, 3) sRGB 0..1 -> (h, w, 3): log green, log red over green, log blue over green, of linear light."""
    logs = np.log(_linear(image) + DARKNESS)
    return np.stack([logs[..., 1], logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], -1)


def _linear(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _union(masks: Iterable[Mask]) -> Mask:
    return np.asarray(np.maximum.reduce(list(masks)))


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box filter to half the size: colours need no finer look, and a quarter of the work."""
    half = values.shape[0] // 2
    return values.reshape(half, 2, half, 2, -1).mean((1, 3)).reshape(half, half, *values.shape[2:])


def _whole(probability: Mask, sure: NDArray[np.bool_]) -> Mask:
    """Only skin that hangs together with sure skin, without pinholes: gloss spots go in, bright streaks of hair go."""
    size = probability.shape[0]
    likely = probability > 0.5
    solid = ndimage.binary_opening(likely, iterations=max(1, round(size * 0.008)))
    labels, _ = ndimage.label(solid)
    kept = np.isin(labels, np.unique(labels[sure & solid])) & solid
    kept = ndimage.binary_dilation(kept, iterations=max(2, round(size * 0.02)), mask=likely | kept)
    gaps, count = ndimage.label(~kept)
    areas = ndimage.sum_labels(np.ones_like(probability), gaps, np.arange(count + 1))
    pinhole = areas[gaps] < (size * 0.03) ** 2
    pinhole &= ~kept
    return np.where(pinhole, 1.0, probability * kept).astype(np.float32)


def _posterior(
    features: NDArray[np.float32],
    sure: NDArray[np.bool_],
    support: Mask,
    oval: Mask,
    holes: Mask,
    brows: Mask,
    forehead: Mask,
) -> tuple[Mask, float]:
    """-> (h, w) probability of bare skin, and how well it parts from the rest (0..1)."""
    size = features.shape[0]
    y, x = (np.mgrid[0:size, 0:size] / size - 0.5).astype(np.float32)
    place = np.stack([np.ones_like(x), x, y], -1)
    # The model learns below the brows only, where hair is rare, or a fringe would teach it that it is skin.
    candidate = (support > 0.5) & (holes < 0.5) & (forehead < 0.15)
    inside = ndimage.distance_transform_edt(support > 0.5) / size
    prior = np.where(oval > 0.5, 1.5, 0.0) + np.clip(inside * 18.0, 0, 1.5) - 1.0 - 1.5 * forehead
    outside = ndimage.binary_dilation(support > 0.1, iterations=round(size * 0.03))
    others = ~outside | (brows > 0.9)
    mine = sure.astype(np.float32)
    probability = mine
    skin_log = np.zeros((size, size), np.float32)
    other_log = skin_log
    for _ in range(ROUNDS):
        skin_log = _skin_log_likelihood(features, place, mine)
        # Neck, ears and hands outside the face look like it: they teach nothing about what it is not.
        stranger = others & (skin_log < skin_log.max() - FAMILIAR)
        other_log = _other_log_likelihood(features, stranger)
        ratio = np.clip(skin_log - other_log, -12, 12)
        probability = 1 / (1 + np.exp(-(ratio + prior)))
        smooth = ndimage.gaussian_filter(probability, size * 0.006)
        mine = np.where(candidate, np.maximum(smooth * (smooth > 0.6), 0.7 * sure), 0).astype(np.float32)
    inner = skin_log[sure] - other_log[sure]
    apart = float(np.clip(np.median(inner) / 6.0, 0, 1)) if inner.size else 0.0
    return (probability * (support > 0)).astype(np.float32), apart


def _skin_log_likelihood(
    features: NDArray[np.float32], place: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """One Gaussian whose mean slides linearly over the face (shading, coloured fill light), fitted robustly."""
    chosen = weight > 0.05
    a, f, w = place[chosen], features[chosen], weight[chosen].astype(np.float64)
    ridge = np.diag([1e-6, 0.004, 0.004]) * w.sum()
    trust = w
    for _ in range(3):
        slope = np.linalg.solve(a.T @ (a * trust[:, None]) + ridge, a.T @ (f * trust[:, None]))
        rest = f - a @ slope
        covariance = (rest * trust[:, None]).T @ rest / trust.sum() + np.diag(np.square(SPREAD_FLOOR))
        distance = ((rest @ np.linalg.inv(covariance)) * rest).sum(-1)
        trust = w / (1 + distance / 6.0)
    everywhere = features - place @ slope
    distance = ((everywhere @ np.linalg.inv(covariance)) * everywhere).sum(-1)
    # Student's t instead of a Gaussian: gloss and deep shadow are still skin, only less sure.
    tail = -0.5 * (TAIL + 3) * np.log1p(distance / TAIL)
    return (tail - 0.5 * np.linalg.slogdet(covariance)[1]).astype(np.float32)


def _other_log_likelihood(features: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A few Gaussians for all that is not skin, over a faint constant for what was never seen."""
    never = np.full(features.shape[:2], -3.0, np.float32)
    samples = features[where].astype(np.float64)
    if len(samples) < 50:
        return never
    samples = samples[:: max(1, len(samples) // 4000)]
    centres = _spread_out(samples, OTHER_CLASSES)
    for _ in range(6):
        nearest = ((samples[:, None] - centres) ** 2 @ np.array([0.3, 3.0, 3.0])).argmin(1)
        centres = np.stack(
            [samples[nearest == k].mean(0) if (nearest == k).any() else c for k, c in enumerate(centres)]
        )
    total = np.exp(never.astype(np.float64)) * 0.05
    for k, centre in enumerate(centres):
        own = samples[nearest == k]
        if len(own) < 5:
            continue
        covariance = np.cov(own.T) + np.diag([0.05, 0.004, 0.006])
        rest = features - centre.astype(np.float32)
        distance = ((rest @ np.linalg.inv(covariance).astype(np.float32)) * rest).sum(-1)
        total = total + len(own) / len(samples) * np.exp(-0.5 * distance - 0.5 * np.linalg.slogdet(covariance)[1])
    return np.log(total + 1e-12).astype(np.float32)


def _spread_out(samples: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Starting centres, each the sample farthest from those before: deterministic, unlike k-means++."""
    scaled = samples * np.sqrt([0.3, 3.0, 3.0])
    chosen = [int(np.argsort(scaled[:, 0])[len(scaled) // 2])]
    distance = np.full(len(scaled), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(distance.argmax()))
    return samples[chosen]


def guided_filter(image: NDArray[np.float32], mask: Mask, radius: int, epsilon: float) -> Mask:
    """Grey guided filter (He et al. 2010): the mask follows the picture's edges within `radius` pixels."""
    guide = np.sqrt(np.clip(image @ np.array([0.299, 0.587, 0.114], np.float32), 0, 1))

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return ndimage.uniform_filter(values, 2 * radius + 1, mode="nearest")

    guide_mean, mask_mean = mean(guide), mean(mask)
    covariance = mean(guide * mask) - guide_mean * mask_mean
    variance = mean(guide * guide) - guide_mean**2
    gain = covariance / (variance + epsilon)
    offset = mask_mean - gain * guide_mean
    return mean(gain) * guide + mean(offset)
