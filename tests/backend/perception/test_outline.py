"""The head's outline: found in a parting, matched with the mesh, and followed by the pose solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from fitdiff.perception.outline import OutlineEvidence, find_outline
from fitdiff.perception.outline_match import match_outline
from fitdiff.perception.parting import PARTS, Parting
from fitdiff.perception.pose import PoseSettings, solve_pose
from fitdiff.perception.pose_fit import PoseFit
from fitdiff.perception.window import Window
from fitdiff.render.camera import Camera
from fitdiff.render.visibility import visible_faces

from .synthetic import head

SIZE = (300, 300)


def parting_of(inside: np.ndarray, hair: np.ndarray | None = None) -> Parting:
    """inside, hair (h, h) bool: a person on a background, bare but for the hair."""
    shares = np.zeros((len(PARTS), *inside.shape), np.float32)
    person = gaussian_filter(inside.astype(np.float32), 0.7)
    hairy = np.zeros_like(person) if hair is None else person * hair
    shares[0], shares[PARTS.index("skin")], shares[PARTS.index("hair")] = 1 - person, person - hairy, hairy
    return Parting(Window(np.zeros(2), np.eye(2), len(inside)), shares)


def disc(side: int = 120, radius: float = 40.0) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return x**2 + y**2 < radius**2


def test_the_outline_of_a_disc_is_a_circle() -> None:
    found = find_outline(parting_of(disc()), (120, 120))
    away = found.points - 60.0
    assert np.linalg.norm(away, axis=1) == pytest.approx(40.0, abs=0.7)
    assert (away / 40.0 * found.outward).sum(1) == pytest.approx(1.0, abs=0.05)
    assert len(found.points) > 200 and not found.covered.any()


def test_hair_covers_the_outline_and_cloth_has_none() -> None:
    upper = np.arange(120)[:, None] < 60
    found = find_outline(parting_of(disc(), np.broadcast_to(upper, (120, 120))), (120, 120))
    assert found.covered[found.points[:, 1] < 50].all() and not found.covered[found.points[:, 1] > 70].any()
    dressed = parting_of(disc())
    dressed.shares[PARTS.index("cloth")] = dressed.shares[PARTS.index("skin")]
    dressed.shares[PARTS.index("skin")] = 0
    assert len(find_outline(dressed, (120, 120)).points) == 0


def test_what_the_photos_border_cuts_is_no_outline() -> None:
    cut = disc()
    cut[:, 60:] = False
    assert (find_outline(parting_of(cut), (120, 60)).points[:, 0] < 58).all()


class Person:
    """One person's true outline, and landmarks of the usual one."""

    def __init__(self) -> None:
        self.model = head()
        generator = torch.Generator().manual_seed(3)
        self.identity = torch.randn(1, self.model.identity_count, generator=generator)
        still = torch.zeros(1, self.model.expression_count)
        self.camera = Camera.facing(SIZE, 1.0, 24.0, 15.0)
        self.vertices = self.model.vertices(self.identity, still)
        usual = self.model.vertices(0.2 * self.identity, still)
        self.landmarks = {
            "facemesh468": self.camera.project(self.model.landmarks(usual, "facemesh468")).screen[0].numpy()
        }
        triangles = torch.from_numpy(self.model.topology.triangles.astype(np.int64))
        self.inside = visible_faces(self.camera.project(self.vertices), triangles, SIZE)[0].numpy() >= 0
        self.seen = find_outline(parting_of(self.inside), SIZE)

    def solve(self, outline: OutlineEvidence | None) -> PoseFit:
        settings = PoseSettings(sigma=0.04)
        return solve_pose(self.model, self.landmarks, SIZE, float(self.camera.focal[0]), settings, outline=outline)

    def missed(self, fit: PoseFit) -> float:
        """Share of the head's pixels that only one of both has."""
        identity, expression = (torch.tensor(x, dtype=torch.float32)[None] for x in (fit.identity, fit.expression))
        triangles = torch.from_numpy(self.model.topology.triangles.astype(np.int64))
        found = visible_faces(fit.camera().project(self.model.vertices(identity, expression)), triangles, SIZE)[0]
        return float(((found.numpy() >= 0) != self.inside).sum() / self.inside.sum())


@pytest.fixture(scope="module")
def person() -> Person:
    return Person()


def test_a_head_on_its_own_outline_is_matched_there(person: Person) -> None:
    match = match_outline(person.model, person.vertices, person.camera, 100.0, person.seen)
    assert match is not None and len(match.corners) > 150
    assert match.share.sum(1) == pytest.approx(1.0)
    screen = person.camera.project(person.vertices).screen[0].numpy()
    places = np.einsum("mnx,mn->mx", screen[match.corners], match.share)
    over = ((places - match.wanted) * match.outward).sum(1)
    assert np.abs(np.median(over)) < 0.6 and np.percentile(np.abs(over), 90) < 1.5


def test_nothing_is_matched_with_an_edge_far_away_or_turned(person: Person) -> None:
    far = replace(person.seen, points=person.seen.points + 150.0)
    inwards = replace(person.seen, outward=-person.seen.outward)
    for seen in (far, inwards):
        assert match_outline(person.model, person.vertices, person.camera, 100.0, seen) is None


def test_the_solver_follows_the_outline(person: Person) -> None:
    without, found = person.missed(person.solve(None)), person.solve(person.seen)
    assert person.missed(found) < 0.7 * without
    assert found.verdict == "good"


def test_under_hair_the_head_may_end_within_and_not_without(person: Person) -> None:
    def grown(pixels: float) -> OutlineEvidence:
        seen = person.seen
        covered = np.ones(len(seen.points), bool)
        return replace(seen, points=seen.points + pixels * seen.outward, covered=covered)

    plain = person.solve(None)
    assert person.solve(grown(15.0)).identity == pytest.approx(plain.identity, abs=0.05)
    assert not np.allclose(person.solve(grown(-3.0)).identity, plain.identity, atol=0.2)
