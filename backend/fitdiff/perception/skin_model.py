"""Each pixel's probability of bare skin: the face's own colours against those of what surrounds and covers it.

Colours are logarithms, so that dark and light skin are treated alike. The skin's colour is fitted to the face's surest
parts and varies linearly over the face with the light; the other colours come from outside the face and from its brows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..colour import linear_from_srgb
from .regions import Mask

DARKNESS = 0.004  # linear; added before logarithms so that noise in black has no colour
SPREAD_FLOOR = (0.30, 0.05, 0.07)  # least standard deviation of log green, log red/green, log blue/green
TAIL = 8.0  # degrees of freedom of the skin's colour distribution
RIDGE = (1e-6, 0.004, 0.004, 0.01, 0.01, 0.01)  # of the regression on _regressors
OTHER_CLASSES = 5
UNSEEN = -6.0  # log likelihood of a colour that occurs nowhere around the face
FAMILIAR = 2.5  # log likelihood below the best skin's: pixels outside the face above that may be neck or hand
BORDER = 0.03  # of the window's side: how far inside the head's outline background may show
BURIED = 5.0  # log likelihood that background loses further in
HAIRLINE = 0.75  # log odds of skin that a forehead loses up to its top
STREAKS = (0.5, 2.0)  # log contrast above sure skin's that begins to count as hair, and that counts most
STREAK_COST = 5.0  # log odds of skin lost for each unit of it
FOREHEAD_FROM = 0.2  # of the forehead's height, above which streaks count fully: brows are streaky too
DIM, COLOURLESS = -1.5, 0.3  # of dark glass: log green from the face's median, and share of its log red/blue
BROAD = 0.035  # of the window's side: radius larger than any brow or eye
ROUNDS = 4
COLDEST = -0.3  # log red over blue: skin has at least 0.35 in white light, and light of a clear sky lowers it by 0.5
DARKEST = -3.0  # log green from the face's median: darker than skin in any readable shadow
LEAST_SURE = 0.03  # share of the sure parts: where fewer are warm enough the light is coloured, and warmth is no test


@dataclass(frozen=True)
class Layout:
    """Where things are in a window, each (h, w) 0..1; head is known where a mesh was posed.

    sure      skin, almost certainly
    support   where skin can be
    oval      the face without its upper forehead
    holes     eyes, brows, mouth
    brows     brow hair
    forehead  0 below the brows, rising to 1 at the oval's top
    head      the whole head's outline; normal (h, w, 3) its surface in the camera's axes
    """

    sure: NDArray[np.bool_]
    support: Mask
    oval: Mask
    holes: Mask
    brows: Mask
    forehead: Mask
    head: Mask | None = None
    normal: Mask | None = None


def skin_probability(features: NDArray[np.float32], streaks: Mask, layout: Layout) -> tuple[Mask, float]:
    """-> (h, w) probability of bare skin, and how well it separates from the rest (0..1)."""
    size = features.shape[0]
    support = layout.support
    possible = _possible(features, layout.sure)
    sure = layout.sure & possible
    regressors = _regressors(size, layout.normal)
    # Fit below the brows only, where hair is rare; a fringe would be learnt as skin.
    candidate = possible & (support > 0.5) & (layout.holes < 0.5) & (layout.forehead < 0.15)
    inside = ndimage.distance_transform_edt(support > 0.5) / size
    prior = np.where(layout.oval > 0.5, 1.5, 0.0) + np.clip(inside * 18.0, 0, 1.5) - 1.0
    prior = prior - HAIRLINE * layout.forehead - STREAK_COST * _streakiness(streaks, layout)
    outside = ndimage.binary_dilation(support > 0.1, iterations=round(size * 0.03))
    others = ~outside | (layout.brows > 0.9)
    mine = sure.astype(np.float32)
    probability = mine
    skin_log = other_log = np.zeros((size, size), np.float32)
    for _ in range(ROUNDS):
        skin_log = _skin_log_likelihood(features, regressors, mine)
        other_log = _other_log_likelihood(features, others, skin_log, layout.head)
        ratio = np.clip(skin_log - other_log, -12, 12)
        probability = 1 / (1 + np.exp(-(ratio + prior)))
        smooth = ndimage.gaussian_filter(probability, size * 0.006)
        mine = np.where(candidate, np.maximum(smooth * (smooth > 0.6), 0.7 * sure), 0).astype(np.float32)
    inner = skin_log[sure] - other_log[sure]
    apart = float(np.clip(np.median(inner) / 6.0, 0, 1)) if inner.size else 0.0
    return (probability * (support > 0) * possible).astype(np.float32), apart


def _possible(features: NDArray[np.float32], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w): pixels whose colour skin can have. It keeps cloth and dark glasses on the face from being learnt as skin."""
    warm = features[..., 1] - features[..., 2] > COLDEST
    if (warm & sure).sum() < LEAST_SURE * sure.sum():
        warm = np.ones_like(sure)
    middle = np.median(features[..., 0][warm & sure]) if (warm & sure).any() else 0.0
    return warm & (features[..., 0] > middle + DARKEST)


def covered(features: NDArray[np.float32], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w): pixels too dark or colourless for skin, in areas broader than brows and eyes."""
    possible = _possible(features, sure)
    own = features[sure & possible] if (sure & possible).any() else features[sure]
    warmth = features[..., 1] - features[..., 2]
    dim = features[..., 0] < np.median(own[:, 0]) + DIM
    colourless = warmth < COLOURLESS * max(float(np.median(own[:, 1] - own[:, 2])), 0.0)
    solid = ndimage.binary_opening(~possible | (dim & colourless), _disc(round(BROAD * features.shape[0])))
    return ndimage.binary_dilation(solid, iterations=2)


def _disc(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


def log_colour(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, 3) sRGB 0..1 -> (h, w, 3): log green, log red over green, log blue over green, of linear light."""
    logs = np.log(linear_from_srgb(image) + DARKNESS)
    return np.stack([logs[..., 1], logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], -1)


def log_contrast(image: NDArray[np.float32]) -> Mask:
    """(h, w, 3) sRGB 0..1 -> (h, w): log of how much neighbouring pixels differ; hair is streaky, foreheads are smooth."""
    green = log_colour(image)[..., 0]
    fine = green - ndimage.gaussian_filter(green, 1.5)
    return (0.5 * np.log(ndimage.gaussian_filter(fine * fine, 3.0) + 1e-5)).astype(np.float32)


def _regressors(size: int, normal: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(h, w, 3 or 6): 1, x, y, and the surface's normal where known: regressors of the skin's colour."""
    y, x = (np.mgrid[0:size, 0:size] / size - 0.5).astype(np.float32)
    place = np.stack([np.ones_like(x), x, y], -1)
    return place if normal is None else np.concatenate([place, normal], -1)


def _streakiness(streaks: Mask, layout: Layout) -> Mask:
    """(h, w): 0 where the forehead is as smooth as this face's sure skin, more where it is streaky."""
    low, high = STREAKS
    above = np.clip(layout.forehead / FOREHEAD_FROM, 0, 1)
    return above * np.clip(streaks - np.median(streaks[layout.sure]) - low, 0, high - low)


def _skin_log_likelihood(
    features: NDArray[np.float32], regressors: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """One distribution whose mean varies linearly over the face (shading, coloured fill light), fitted robustly."""
    chosen = weight > 0.05
    a, f, w = regressors[chosen], features[chosen], weight[chosen].astype(np.float64)
    ridge = np.diag(RIDGE[: a.shape[1]]) * w.sum()
    trust = w
    for _ in range(3):
        slope = np.linalg.solve(a.T @ (a * trust[:, None]) + ridge, a.T @ (f * trust[:, None]))
        rest = f - a @ slope
        covariance = (rest * trust[:, None]).T @ rest / trust.sum() + np.diag(np.square(SPREAD_FLOOR))
        distance = ((rest @ np.linalg.inv(covariance)) * rest).sum(-1)
        trust = w / (1 + distance / 6.0)
    everywhere = features - regressors @ slope
    distance = ((everywhere @ np.linalg.inv(covariance)) * everywhere).sum(-1)
    # Student's t instead of a Gaussian: gloss and deep shadow are still skin, only less sure.
    tail = -0.5 * (TAIL + 3) * np.log1p(distance / TAIL)
    return (tail - 0.5 * np.linalg.slogdet(covariance)[1]).astype(np.float32)


def _other_log_likelihood(
    features: NDArray[np.float32], others: NDArray[np.bool_], skin_log: NDArray[np.float32], head: Mask | None
) -> NDArray[np.float32]:
    """Log likelihood of everything but skin, with a small constant for colours that were not seen.

    Pixels outside the face that look like skin (neck, ears, hands) are left out. Where the head's outline is known, covers
    (hair) and background (walls that may have skin's colour) are two models, weighted by their areas, and background
    counts little well inside the head.
    """
    below = skin_log.max() - skin_log
    strangers = others & (below > FAMILIAR)
    if head is None:
        return np.logaddexp(_mixture(features, strangers), UNSEEN)
    size = features.shape[0]
    outline = ndimage.binary_dilation(head > 0.5, iterations=round(size * 0.01))
    covers, behind = strangers & outline, strangers & ~outline
    buried = BURIED * np.clip(ndimage.distance_transform_edt(head > 0.5) / (size * BORDER), 0, 1)
    counts = np.log([covers.sum() + 1, behind.sum() + 1])
    share = counts - np.logaddexp(*counts)
    either = np.logaddexp(_mixture(features, covers) + share[0], _mixture(features, behind) + share[1] - buried)
    return np.logaddexp(either, UNSEEN).astype(np.float32)


def _mixture(features: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Log likelihood of each pixel under a few Gaussians of the pixels in `where`."""
    samples = features[where].astype(np.float64)
    if len(samples) < 50:
        return np.full(features.shape[:2], UNSEEN, np.float32)
    samples = samples[:: max(1, len(samples) // 4000)]
    centres = _spread_out(samples, OTHER_CLASSES)
    for _ in range(6):
        nearest = ((samples[:, None] - centres) ** 2 @ np.array([0.3, 3.0, 3.0])).argmin(1)
        centres = np.stack(
            [samples[nearest == k].mean(0) if (nearest == k).any() else c for k, c in enumerate(centres)]
        )
    total = np.zeros(features.shape[:2])
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
