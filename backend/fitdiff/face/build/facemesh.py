"""Find where FaceMesh's 468 points lie on the embedded face, by asking the network about many rendered people.

python -m fitdiff.face.build.facemesh [--pictures N] [--out FILE] [--asset FILE] [--check-only]

Run it again whenever the surface or the skins change; it needs the perception weights and some minutes.

Every point is the place on the skin whose picture lies nearest to where the network sees the point, over random people,
expressions, views and skin colours; both halves of the face answer together. What the network cannot tell on a
rendered face is said beforehand: eyelid points lie by the lids' margins, upper lip points on the upper lip and lower
ones on the lower, and those of the lips' inner ring where the lips meet.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from ...perception import regions
from ...perception.landmarks import Landmarker, ibug68
from ...pictures.rendered_people import People, seen_by
from ...topology import REGIONS, LandmarkSet, Topology
from ..embedded import ASSET, EmbeddedFace, compose
from ..geometry import boundary_loops
from ..storage import load_model, save_model
from .landmarks import FACEMESH, store_facemesh

SEED, CHECK_SEED = 468, 864
DIVISIONS = 8  # of a triangle's sides: candidates lie some half a millimetre apart
REACH = 0.008  # metres round the vertex that fits a point best
SLIT = 0.011  # metres from the inner end of the lips' skin, within which the lips can meet
MARGIN = 0.0025  # metres from the lids' margins
BLUNT = 0.05  # of the inter-ocular distance: errors beyond count hardly more
SEEN = 0.12  # share of the pictures in which a candidate must show
HIDDEN = 0.004  # metres behind what is seen
MIDDLE = 4e-4  # metres from the plane between the halves
FRONT = 0.0  # metres before the ears: no point lies behind

LIP_RINGS = (  # from the skin to the slit, each from the right corner over the upper lip to the left, and back below
    ((61,), (185, 40, 39, 37, 0, 267, 269, 270, 409), (291,), (375, 321, 405, 314, 17, 84, 181, 91, 146)),
    ((76,), (184, 74, 73, 72, 11, 302, 303, 304, 408), (306,), (307, 320, 404, 315, 16, 85, 180, 90, 77)),
    ((62,), (183, 42, 41, 38, 12, 268, 271, 272, 407), (292,), (325, 319, 403, 316, 15, 86, 179, 89, 96)),
    ((78,), (191, 80, 81, 82, 13, 312, 311, 310, 415), (308,), (324, 318, 402, 317, 14, 87, 178, 88, 95)),
)
UPPER_LIP = [point for ring in LIP_RINGS for point in ring[1]]
LOWER_LIP = [point for ring in LIP_RINGS for point in ring[3]]
GROUPS = {
    "eyes": [*regions.RIGHT_EYE, *regions.LEFT_EYE],
    "brows": [*regions.RIGHT_BROW, *regions.LEFT_BROW],
    "nose": [168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 97, 326, 327, 64, 294, 48, 278, 115, 344, 129, 358],
    "outer lips": list(regions.LIPS_OUTER),
    "inner lips": list(regions.LIPS_INNER),
    "contour": list(regions.OVAL),
    "all": list(range(468)),
}


class Evidence:
    """What the network saw: S pictures, and their mirror images."""

    def __init__(self, model: EmbeddedFace, landmarker: Landmarker, seed: int, pictures: int) -> None:
        people = People(model, seed)
        screen, points, unit, self.view = [], [], [], []
        for _ in range(pictures):
            picture = people.next()
            face = seen_by(landmarker, picture, model.landmarks(picture.vertices[None], "ibug68")[0])
            screen.append(picture.projected(picture.vertices).numpy())
            points.append(face.landmarks468)
            unit.append(picture.interocular)
            self.view.append(picture)
        self.screen = np.stack(screen)  # (S, V, 2) pixels
        self.points = np.stack(points)  # (S, 468, 3) pixels
        self.unit = np.array(unit)  # (S,) pixels between the outer eye corners
        self.width = people.variety.size

    def mirrored(self, model: EmbeddedFace, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """screen (2S, V, 2) and points (2S, 468, 2) with every picture's mirror image, in inter-ocular distances."""
        flip = np.array([-1.0, 1.0])
        shift = np.array([self.width, 0.0])
        screen = np.concatenate([self.screen, self.screen[:, model.topology.mirror] * flip + shift])
        points = np.concatenate([self.points[..., :2], self.points[:, pairs, :2] * flip + shift])
        unit = np.tile(self.unit, 2)[:, None, None]
        return screen / unit, points / unit


def mirror_pairs(points: np.ndarray) -> np.ndarray:
    """(S, 468, 3) points of heads that turn evenly to both sides -> (468,): the point on the other half."""
    middle = points - points.mean(1, keepdims=True)
    mean = (middle / np.linalg.norm(middle, axis=(1, 2), keepdims=True)).mean(0)
    mean[:, 0] -= mean[list(regions.OVAL), 0].mean()
    away = np.linalg.norm(mean[:, None] - mean[None] * [-1, 1, 1], axis=-1)
    pairs = linear_sum_assignment(away**2 + (away**2).T)[1]
    assert (pairs[pairs] == np.arange(len(pairs))).all(), "the halves do not answer each other"
    return pairs


class Candidates:
    """Places on the skin, a grid on every triangle."""

    def __init__(self, model: EmbeddedFace, near: np.ndarray) -> None:
        topology = model.topology
        rest = model.mean.numpy()
        skin = topology.triangle_region == REGIONS.index("skin")
        close = cKDTree(near).query(rest[topology.triangles].mean(1))[0] < REACH + 0.006
        rows = np.nonzero(skin & close)[0]
        steps = (np.arange(DIVISIONS) + 1 / 3) / DIVISIONS
        u, v = (grid.ravel() for grid in np.meshgrid(steps, steps))
        grid = np.stack([1 - u - v, u, v], 1)[u + v < 1]
        self.triangle = np.repeat(rows, len(grid))
        self.barycentric = np.tile(grid, (len(rows), 1))
        self.corners = topology.triangles[self.triangle]
        self.position = self.on(rest)

    def on(self, field: np.ndarray) -> np.ndarray:
        """(..., V, C) -> (..., candidates, C)."""
        return sum(field[..., self.corners[:, k], :] * self.barycentric[:, k, None] for k in range(3))

    def shown(self, evidence: Evidence) -> np.ndarray:
        """(candidates,) share of the pictures in which each can be seen."""
        count = np.zeros(len(self.triangle))
        for picture in evidence.view:
            points = self.on(picture.vertices.numpy())
            at = picture.projected(torch.from_numpy(points).float())
            grid = (at / picture.image.shape[-1] * 2 - 1)[None, None]
            seen = torch.nn.functional.grid_sample(picture.position[None], grid, mode="nearest", align_corners=False)
            count += np.linalg.norm(seen[0, :, 0].T.numpy() - points, axis=1) < HIDDEN
        return count / len(evidence.view)


def allowed(model: EmbeddedFace, candidates: Candidates) -> dict[int, np.ndarray]:
    """point -> (candidates,) bool: what is known of eyelids and lips without any picture."""
    topology, rest = model.topology, model.mean.numpy()
    skin = topology.quads[topology.quad_region == REGIONS.index("skin")]
    loops = [loop for loop in boundary_loops(skin) if rest[loop, 2].min() > 0.03]
    loops.sort(key=lambda loop: rest[loop, 1].mean())
    mouth, eyes = loops[0], loops[1:]
    assert len(eyes) == 2, "expected one mouth and two eyes"
    rule = {}
    margin = cKDTree(rest[np.concatenate(eyes)]).query(candidates.position)[0] < MARGIN
    for point in GROUPS["eyes"]:
        rule[point] = margin
    assert model.arkit_shapes is not None
    opened = rest + 0.5 * model.arkit_shapes[model.arkit_names.index("jawOpen")].numpy()
    slit, place = opened[mouth], candidates.on(opened)
    middle = (slit[:, 1].max() + slit[:, 1].min()) / 2
    near_slit = cKDTree(slit).query(place)[0]
    corner = slit[[slit[:, 0].argmin(), slit[:, 0].argmax()]]
    line = np.interp(place[:, 0], *np.stack([corner[0], [0, middle, 0], corner[1]])[:, :2].T)
    for lip, side in ((UPPER_LIP, place[:, 1] > line), (LOWER_LIP, place[:, 1] < line)):
        rule |= dict.fromkeys(lip, side)
    for point in LIP_RINGS[3][1] + LIP_RINGS[3][3] + LIP_RINGS[3][0] + LIP_RINGS[3][2]:
        rule[point] = rule.get(point, True) & (near_slit < SLIT)
    return rule


def nearest(screen: np.ndarray, points: np.ndarray) -> int:
    """screen (S, N, 2), points (S, 2) in inter-ocular distances -> which of the N lies closest over all pictures."""
    error2 = ((screen - points[:, None]) ** 2).sum(-1)
    return int((np.sqrt(error2 + 1e-6) / (1 + error2 / BLUNT**2) ** 0.25).sum(0).argmin())


def solve(model: EmbeddedFace, evidence: Evidence) -> LandmarkSet:
    pairs = mirror_pairs(evidence.points)
    screen, points = evidence.mirrored(model, pairs)
    rest, topology = model.mean.numpy(), model.topology
    front = np.unique(topology.quads[topology.quad_region == REGIONS.index("skin")])
    front = front[(front >= 0) & (rest[front, 2] > FRONT)]
    first = np.stack([rest[front[nearest(screen[:, front], points[:, point])]] for point in range(468)])
    candidates = Candidates(model, first)
    shown = candidates.shown(evidence) > SEEN
    rule, anywhere = allowed(model, candidates), np.ones(len(shown), bool)
    tree = cKDTree(candidates.position)
    best = np.zeros(468, int)
    for point in range(468):
        near = np.array(tree.query_ball_point(first[point], REACH + 0.006 * (point in rule)))
        keep = shown[near] & rule.get(point, anywhere)[near]
        if pairs[point] == point:
            keep &= np.abs(candidates.position[near, 0]) < MIDDLE
        near = near[keep]
        assert len(near), f"no candidate for point {point}"
        at = sum(screen[:, candidates.corners[near, k]] * candidates.barycentric[near, k, None] for k in range(3))
        best[point] = near[nearest(at, points[:, point])]
    # The mirror images made both halves alike but for the grid of candidates: let the left one answer the right.
    left = (candidates.position[best, 0] > MIDDLE) & (pairs != np.arange(468))
    best[left] = tree.query(candidates.position[best[pairs[left]]] * [-1, 1, 1])[1]
    return LandmarkSet(candidates.triangle[best].astype(np.int32), candidates.barycentric[best].astype(np.float32))


def errors(evidence: Evidence, model: EmbeddedFace, marks: LandmarkSet) -> np.ndarray:
    """(S, 468) percent of the inter-ocular distance between where the model has each point and where it is seen."""
    at = _on(evidence.screen, model.topology, marks)
    away = np.linalg.norm(at - evidence.points[..., :2], axis=-1)
    return 100 * away / evidence.unit[:, None]


def _on(field: np.ndarray, topology: Topology, marks: LandmarkSet) -> np.ndarray:
    return np.einsum("...nkc,nk->...nc", field[..., topology.triangles[marks.triangle], :], marks.barycentric)


def report(evidence: Evidence, model: EmbeddedFace, marks: LandmarkSet) -> dict[str, float]:
    """group -> mean percent; the last rows compare iBUG's 68 points of the model with those taken from the 468 seen."""
    away = errors(evidence, model, marks)
    rows = {name: float(away[:, list(points)].mean()) for name, points in GROUPS.items()}
    at = _on(evidence.screen, model.topology, model.topology.landmarks["ibug68"])
    miss = np.linalg.norm(at - ibug68(evidence.points[..., :2]), axis=-1) / evidence.unit[:, None] * 100
    parts = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "outer lips": (48, 60)}
    parts |= {"inner lips": (60, 68), "all": (0, 68)}
    return rows | {f"iBUG {name}": float(miss[:, first:last].mean()) for name, (first, last) in parts.items()}


def on_surface(marks: LandmarkSet, whole: Topology, surface: Topology) -> LandmarkSet:
    """The same points of the stored surface, without the inner parts that `compose` puts behind its quads."""
    second = marks.triangle >= len(whole.quads)
    behind = len(whole.quads) - len(surface.quads)
    return LandmarkSet(np.where(second, marks.triangle - behind, marks.triangle), marks.barycentric)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.face.build.facemesh", description=__doc__)
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--check-pictures", type=int, default=40)
    parser.add_argument("--out", type=Path, default=FACEMESH)
    parser.add_argument("--asset", type=Path, default=ASSET, help="the face file whose landmarks are replaced")
    parser.add_argument("--check-only", action="store_true", help="measure what is stored, change nothing")
    options = parser.parse_args(arguments)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    surface = load_model(options.asset)
    model = compose(load_model(options.asset))
    landmarker = Landmarker.load()
    check = Evidence(model, landmarker, CHECK_SEED, options.check_pictures)
    before = report(check, model, model.topology.landmarks["facemesh468"])
    if options.check_only:
        for name, value in before.items():
            say(f"{name:16} {value:5.2f} %")
        return 0
    marks = solve(model, Evidence(model, landmarker, SEED, options.pictures))
    after = report(check, model, marks)
    for name in before:
        say(f"{name:16} {before[name]:5.2f} % -> {after[name]:5.2f} %")
    marks = on_surface(marks, model.topology, surface.topology)
    store_facemesh(marks, surface.topology, options.out)
    surface.topology.landmarks["facemesh468"] = marks
    save_model(options.asset, surface, surface.header, half=True)
    again = load_model(options.asset)
    worst = max(float((a - b).abs().max()) for a, b in zip(surface.buffers(), again.buffers(), strict=True))
    say(f"{options.asset}: largest change of any other number {worst}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
