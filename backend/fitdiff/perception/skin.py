"""Which pixels show this face's skin, for photometric losses: the parting's shares between the landmarks' outlines.

Landmarks bound where the face can be, and name its parts; the posed mesh removes skin turned away from the camera. What lies
before it (hair, glasses, hands, cloth) is cut out along the photo's edges, with a little of the skin that it shades.
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
from .parting import PARTS, Parting
from .regions import Crop, Mask, PosedHead, polygon
from .types import Face

CHANNELS = ("skin", "lips", "eyes", "mouth_inner", "face")
CROP_SIZE = 288
CROP_MARGIN = 1.75  # the window's side over the larger side of the landmarks' box
FOREHEAD = 0.8  # of the distance from the brows to the oval's top, above it: higher than most hairlines
EDGE = 0.02  # of the landmarks' box: how far from the parting's edge the photo's is looked for
RETREAT = 0.6  # of that: the mask's distance from hair and covers, whose thin tips and edges shade the skin
SLIVER = 0.02  # of the window's side: skin between strands that is no wider lies in their shade
BROAD, SHADOW = 0.012, 0.02  # of the window's side: half a broad cover's least width, and how far its shadow falls
BEFORE = ("hair", "glasses", "cover", "cloth")  # parts that hide a face
FAINT, CERTAIN, TINY = 0.3, 0.9, 0.01  # share of a cover's pixels, of its surest one; and its area over the face's
LEAST = 30  # pixels of sure skin that say its tone


@dataclass(frozen=True)
class FaceMask:
    """Soft masks (size, size) float32 0..1 in a square crop of the photo.

    skin         bare skin without beard or brows: for colour statistics and light
    lips         the red of the lips
    eyes         between the lids, lashes included
    mouth_inner  between the lips: teeth, tongue, dark
    face         for likeness losses: skin, beard, brows and lips
    All without what lies before the face: hair, glasses, hands, cloth.
    """

    crop: Crop
    skin: Mask
    lips: Mask
    eyes: Mask
    mouth_inner: Mask
    face: Mask
    tone: tuple[float, float, float]  # linear sRGB of this face's sure skin, median
    confidence: float  # 0..1, how decided the parting is within the face's outline
    hidden: dict[str, float]  # part before the face -> share of its outline
    eyes_shown: tuple[float, float]  # 0..1, how much of the right and the left eye nothing hides

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
    parting: Parting,
    size: int = CROP_SIZE,
    posed: Callable[[Crop], PosedHead] | None = None,
) -> FaceMask:
    """pixels (H, W, 3) uint8 sRGB of the photo, one of its faces and what lies where -> the face's masks.

    posed: crop -> where a posed mesh lies in it, if known. It removes skin turned away from the camera.
    """
    crop = mask_crop(face, size)
    points = crop.inside(face.landmarks468)
    image = crop.read(pixels)
    both_eyes = [polygon(regions.lids_opened(points, eye, 0.32), size) for eye in (regions.RIGHT_EYE, regions.LEFT_EYE)]
    eyes = np.maximum(*both_eyes)
    brows = _union(polygon(regions.whole_brow(points, brow), size) for brow in (regions.RIGHT_BROW, regions.LEFT_BROW))
    mouth = polygon(points[list(regions.LIPS_INNER)], size)
    whole_mouth = np.maximum(polygon(regions.grown(points[list(regions.LIPS_OUTER)], 1.04), size), mouth)
    lips = whole_mouth - mouth
    oval = polygon(points[list(regions.OVAL)], size)
    support = np.maximum(polygon(regions.raised_oval(points, FOREHEAD), size), oval)
    if posed is not None:
        # A far turned face reaches beyond the outline's landmarks; the mesh removes the background.
        oval = np.maximum(oval, polygon(points[ConvexHull(points[:, :2]).vertices], size))
        support = np.maximum(support, oval) * posed(crop).skin
    support = support * crop.coverage(pixels.shape[:2])

    share = dict(zip(PARTS, parting.inside(crop), strict=True))
    doubtful = _doubtful(share["cover"], float(oval.sum()))
    share |= {"skin": share["skin"] + doubtful, "cover": share["cover"] - doubtful}
    own = share["skin"] + share["beard"] + share["brows"]
    reach = max(2, round(EDGE * float(np.ptp(points, axis=0).max())))
    shown = _along_edges(image, own, reach)
    shown = shown * _clear(shown, share, support, reach * RETREAT)
    border = np.minimum(ndimage.gaussian_filter(support, reach * 0.5), support)
    bare = np.minimum(shown, _along_edges(image, share["skin"], reach))
    skin = bare * border * (1 - np.maximum.reduce([eyes, brows, whole_mouth]))
    eyes, lips, mouth = eyes * shown, lips * shown, mouth * shown
    face_wide = np.minimum(shown * border, 1 - np.maximum(eyes, mouth))

    sure = _union(polygon(points[list(patch)], size) for patch in regions.SURE_SKIN) * skin > 0.9
    if sure.sum() < LEAST:  # without a visible cheek, take everything inside
        sure = skin > 0.9
    tone = np.median(linear_from_srgb(image)[sure], axis=0) if sure.any() else np.full(3, 0.2)
    return FaceMask(
        crop=crop,
        skin=skin.astype(np.float32),
        lips=lips,
        eyes=eyes,
        mouth_inner=mouth,
        face=face_wide.astype(np.float32),
        tone=(float(tone[0]), float(tone[1]), float(tone[2])),
        confidence=_mean(np.abs(2 * own - 1), oval),
        eyes_shown=(_mean(shown, both_eyes[0]), _mean(shown, both_eyes[1])),
        hidden={part: _mean(share[part] > 0.5, oval) for part in BEFORE},
    )


def _mean(values: NDArray[np.floating] | NDArray[np.bool_], where: Mask) -> float:
    return float((values * where).sum() / max(float(where.sum()), 1.0))


def _union(masks: Iterable[Mask]) -> Mask:
    return np.asarray(np.maximum.reduce(list(masks)))


def _along_edges(image: NDArray[np.float32], share: Mask, reach: int) -> Mask:
    """A share whose edge follows the photo's."""
    return np.clip((guided_filter(image, share, reach, epsilon=2e-4) - 0.15) / 0.7, 0, 1)


def _doubtful(cover: Mask, face: float) -> Mask:
    """(size, size): spots of a cover that are faint, or tiny beside the face's area. They are wrinkles, lips or make-up."""
    labels, count = ndimage.label(cover > FAINT)
    numbers = np.arange(1, count + 1)
    sure = ndimage.maximum(cover, labels, numbers) > CERTAIN
    large = ndimage.sum_labels(labels > 0, labels, numbers) > TINY * face
    return np.where(np.isin(labels, numbers[sure & large]), 0, cover).astype(np.float32)


def _clear(shown: Mask, share: dict[str, Mask], support: Mask, reach: float) -> Mask:
    """(size, size): 0 on whatever lies before the face and at its edge, 1 a little away."""
    frames = ndimage.maximum_filter(np.clip(2 * share["glasses"], 0, 1), 5)  # thinner than a pixel, some of them
    slivers = ndimage.grey_closing(share["hair"], round(SLIVER * len(shown))) - share["hair"]
    near = ndimage.gaussian_filter(np.maximum.reduce([1 - shown, slivers, frames]) * support, reach)
    shaded = ndimage.binary_dilation(broad(share["cover"]), iterations=round(SHADOW * len(support)))
    return np.where(shaded, 0, np.clip(1.1 - 2.2 * near, 0, 1)).astype(np.float32)


def broad(hidden: Mask) -> NDArray[np.bool_]:
    """(size, size): covers broader than a thin frame or strand."""
    return ndimage.binary_opening(hidden > 0.5, iterations=round(BROAD * len(hidden)))


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
