"""Which pixels are bare skin of this face, for photometric losses.

Three steps. Landmarks bound where skin can be. A model of skin is fitted to the face's surest skin (cheeks, nose): colour
ratios, a brightness that varies smoothly over the face or with the posed mesh's surface, and streakiness. A model of hair
and background is fitted to the surroundings and the brows. Their posterior (skin_model.py) is then aligned to the photo's
edges by a guided filter, and kept a little clear of hair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from ..colour import linear_from_srgb
from . import regions
from .covers import with_margin
from .regions import Crop, Mask, PosedHead, polygon
from .skin_model import Layout, covered, log_colour, log_contrast, skin_probability
from .types import Face

CHANNELS = ("skin", "brows", "lips", "eyes", "mouth_inner", "face")
CROP_SIZE = 288
CROP_MARGIN = 1.75  # the window's side over the larger side of the landmarks' box: enough background to model it
RIM = 0.03  # of the window's side: how far a frame reaches beyond its dark glass
RETREAT = 0.6  # in radii of the edge filter: the mask's distance from covers


@dataclass(frozen=True)
class FaceMask:
    """Soft masks (size, size) float32 0..1 in a square crop of the photo.

    skin         bare skin: for colour statistics and light
    brows        brow hair region, less what dark glasses or a fringe hide
    lips         the red of the lips
    eyes         between the lids, lashes included, less what dark glasses or a fringe hide
    mouth_inner  between the lips: teeth, tongue, dark
    face         for likeness losses: skin, brows and lips, less what covers them
    """

    crop: Crop
    skin: Mask
    brows: Mask
    lips: Mask
    eyes: Mask
    mouth_inner: Mask
    face: Mask
    tone: tuple[float, float, float]  # linear sRGB of this face's sure skin, median
    confidence: float  # 0..1, how well skin and surroundings could be separated
    hidden: float = 0.0  # 0..1, share of the face that is covered

    def channels(self) -> dict[str, Mask]:
        return {name: getattr(self, name) for name in CHANNELS}

    def over_photo(self, name: str, shape: tuple[int, int]) -> Mask:
        """One channel at the size (height, width) of the photo."""
        return self.crop.paste(self.channels()[name], shape)


def mask_crop(face: Face, size: int = CROP_SIZE) -> Crop:
    """The window of a face's masks."""
    return Crop.around(face.landmarks468[:, :2], size, CROP_MARGIN)


def face_mask(
    pixels: NDArray[np.uint8],
    face: Face,
    size: int = CROP_SIZE,
    posed: Callable[[Crop], PosedHead] | None = None,
    cover: Mask | None = None,
) -> FaceMask:
    """pixels (H, W, 3) uint8 sRGB of the photo, one of its faces -> its masks; size is even.

    posed: crop -> where a posed mesh lies in it, if known. It removes skin turned away from the camera and the background
    behind a turned cheek, and separates walls from hair.
    cover: (size, size) in `mask_crop`: 1 where something hides the face. Broad dark glasses are found by colour without it.
    """
    crop = mask_crop(face, size)
    points = crop.inside(face.landmarks468)
    image = crop.read(pixels)
    eyes = _union(
        polygon(regions.lids_opened(points, eye, 0.32), size) for eye in (regions.RIGHT_EYE, regions.LEFT_EYE)
    )
    brows = _union(polygon(regions.whole_brow(points, brow), size) for brow in (regions.RIGHT_BROW, regions.LEFT_BROW))
    mouth = polygon(points[list(regions.LIPS_INNER)], size)
    whole_mouth = np.maximum(polygon(regions.grown(points[list(regions.LIPS_OUTER)], 1.04), size), mouth)
    lips = whole_mouth - mouth
    oval = polygon(points[list(regions.OVAL)], size)
    support = np.maximum(polygon(regions.raised_oval(points), size), oval)
    head = posed(crop) if posed is not None else None
    if head is not None:
        # A far turned face reaches beyond the outline's landmarks; the mesh removes the background.
        oval = np.maximum(oval, polygon(points[ConvexHull(points[:, :2]).vertices], size))
        support = np.maximum(support, oval) * head.skin
    support = support * crop.coverage(pixels.shape[:2])
    holes = np.maximum.reduce([eyes, brows, whole_mouth])

    before = cover if cover is not None else np.zeros((size, size), np.float32)
    sure = _union(polygon(points[list(patch)], size) for patch in regions.SURE_SKIN) * support * (1 - before) > 0.9
    for seen in (1 - before, 1.0):  # without a visible cheek, take everything inside
        if sure.sum() < 30:
            sure = (oval * (1 - holes) * support * seen) > 0.9
    layout = Layout(
        _halved(sure.astype(np.float32)) > 0.9,
        *(_halved(mask) for mask in (support, oval, holes, brows, _forehead(points, size))),
        *((_halved(head.outline), _halved(head.normal)) if head is not None else ()),
    )
    features = log_colour(_halved(image))
    probability, confidence = skin_probability(features, _halved(log_contrast(image)), layout)
    glass, known = covered(features, layout.sure), _halved(before) > 0.5
    probability = np.where(known, 0, probability).astype(np.float32)
    between = (glass | known) & (layout.oval > 0.5)
    probability = _whole(probability, layout.sure, between).repeat(2, 0).repeat(2, 1)
    behind_glass = glass.repeat(2, 0).repeat(2, 1)
    shown = 1 - with_margin(before)
    brows, eyes = (np.where(behind_glass, 0, part * shown).astype(np.float32) for part in (brows, eyes))
    lips, mouth = lips * shown, mouth * shown

    reach = max(2, round(0.02 * float(np.ptp(points, axis=0).max())))
    soft = guided_filter(image, probability, radius=reach, epsilon=2e-4)
    soft = np.clip((soft - 0.15) / 0.7, 0, 1)
    soft = soft * _clear_of_covers(soft, support, holes, reach * RETREAT) * shown
    border = ndimage.gaussian_filter(support, reach * 0.5)
    skin = soft * np.minimum(border, support) * (1 - holes)

    uncovered = ndimage.gaussian_filter(soft, 2 * reach)
    beside = np.clip(uncovered * 3.0, 0, 1) * support  # a brow under a fringe is dropped with it
    # Parts share their border's pixels, so add them: a maximum would leave a seam.
    face_wide = np.minimum(skin + np.minimum(brows + lips, 1) * beside, 1 - np.maximum(eyes, mouth))
    tone = np.median(linear_from_srgb(image)[sure], axis=0) if sure.any() else np.full(3, 0.2)
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
        hidden=float((before * oval).sum() / max(float(oval.sum()), 1.0)),
    )


def _forehead(points: NDArray[np.float64], size: int) -> Mask:
    """(size, size): 0 below the brows, rising to 1 at the oval's top."""
    brows = (points[105, :2] + points[334, :2]) / 2
    up = points[10, :2] - brows
    y, x = np.mgrid[0:size, 0:size]
    height = ((x - brows[0]) * up[0] + (y - brows[1]) * up[1]) / (up @ up + 1e-9)
    return np.clip(height, 0, 1).astype(np.float32)


def _union(masks: Iterable[Mask]) -> Mask:
    return np.asarray(np.maximum.reduce(list(masks)))


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box filter to half the size: enough for colours, at a quarter of the work."""
    half = values.shape[0] // 2
    return values.reshape(half, 2, half, 2, -1).mean((1, 3)).reshape(half, half, *values.shape[2:])


def _whole(probability: Mask, sure: NDArray[np.bool_], cover: NDArray[np.bool_]) -> Mask:
    """Only skin connected to sure skin, with pinholes (gloss) filled and bright streaks of hair removed.

    Skin may be connected across a cover, so that glasses do not cut the forehead off.
    """
    size = probability.shape[0]
    likely = probability > 0.5
    solid = ndimage.binary_opening(likely, iterations=max(1, round(size * 0.008)))
    labels, _ = ndimage.label(solid | ndimage.binary_dilation(cover, iterations=max(1, round(size * RIM))))
    kept = np.isin(labels, np.unique(labels[sure & solid])) & solid
    kept = ndimage.binary_dilation(kept, iterations=max(2, round(size * 0.02)), mask=likely | kept)
    gaps, count = ndimage.label(~kept)
    areas = ndimage.sum_labels(np.ones_like(probability), gaps, np.arange(count + 1))
    pinhole = areas[gaps] < (size * 0.03) ** 2
    pinhole &= ~kept
    return np.where(pinhole, 1.0, probability * kept).astype(np.float32)


def _clear_of_covers(soft: Mask, support: Mask, holes: Mask, reach: float) -> Mask:
    """(size, size): 0 at the edge of hair over the face, 1 a little away, since its thin tips shade the skin."""
    covered = (soft < 0.5) & (support > 0.5) & (ndimage.maximum_filter(holes, 5) < 0.5)
    covered = ndimage.binary_opening(covered, iterations=2)
    return np.clip(1.1 - 2.2 * ndimage.gaussian_filter(covered.astype(np.float32), reach), 0, 1)


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
