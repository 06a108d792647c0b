"""What the parting network is shown: portraits' shares, lessons made of them, and a network that learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.perception.parting import PARTS, SIDE
from fitdiff.perception.parting_network import GUIDES, PartingNetwork
from fitdiff.perception.squeezenet import feature_network
from fitdiff.training.build import portrait_labels
from fitdiff.training.build.parting import Lessons, completed, wrong
from fitdiff.training.build.parting_lessons import COVER, GLASSES, Page, lesson
from fitdiff.training.build.parting_pages import fit
from fitdiff.training.build.parting_people import made_up, photograph, photographed
from fitdiff.training.build.parting_truth import Portrait, parted

from ..perception.canonical_face import POINTS

HEIGHT = 240
SKIN, HAIR, CLOTH = (0.72, 0.5, 0.4), (0.1, 0.06, 0.04), (0.2, 0.3, 0.7)


@pytest.fixture(scope="module")
def drawn() -> tuple[Portrait, dict[str, np.ndarray]]:
    """A person of discs and a box before a grey wall, and where its parts lie."""
    points = POINTS * 90 + (120, 110)
    y, x = np.mgrid[0:HEIGHT, 0:HEIGHT] + 0.5
    head = np.hypot(x - 120, (y - 108) / 1.2) < 52
    hair = (np.hypot(x - 120, (y - 100) / 1.25) < 58) & (y < 78)
    neck = (np.abs(x - 120) < 22) & (y > 140) & (y < 190)
    cloth = (y > 185) & ~neck
    skin = (head | neck) & ~hair & ~cloth
    random = np.random.default_rng(0)
    photo = np.full((HEIGHT, HEIGHT, 3), 0.55)
    for where, colour in ((skin, SKIN), (hair, HAIR), (cloth, CLOTH)):
        photo[where] = colour
    photo = (photo * 255 * np.exp(random.normal(0, 0.03, photo.shape))).clip(0, 255).astype(np.uint8)
    matte = (skin | hair | cloth).astype(np.float32)
    return Portrait("one", photo, hair.astype(np.float32), matte, points), {"skin": skin, "hair": hair, "cloth": cloth}


def label(**facts: object) -> portrait_labels.Portrait:
    return portrait_labels.Portrait(width=HEIGHT, height=HEIGHT, **facts)


def test_masks_colours_and_labels_say_what_each_pixel_is(drawn):
    portrait, where = drawn
    shares = parted(portrait, label())
    assert shares.shape == (len(PARTS), HEIGHT, HEIGHT)
    assert shares.sum(0) == pytest.approx(np.ones((HEIGHT, HEIGHT)), abs=1e-3)
    for part, inside in where.items():
        assert shares[PARTS.index(part)][inside].mean() > 0.9, part
    jaw = tuple((float(x), float(y)) for x, y in portrait.points[[172, 150, 152, 379, 397, 17]])
    bearded = parted(portrait, label(beards=(portrait_labels.Beard(jaw),)))
    assert bearded[PARTS.index("beard")].sum() > 200 and shares[PARTS.index("beard")].sum() == 0


def test_what_the_labels_call_wrong_is_no_hair(drawn):
    portrait, where = drawn
    y = np.mgrid[0:HEIGHT, 0:HEIGHT][0]
    shaded = Portrait(
        "two", portrait.photo, np.maximum(portrait.hair, where["skin"] & (y > 150)), portrait.matte, portrait.points
    )
    neck = where["skin"] & (y > 160)
    told = {text: parted(shaded, label(hair_mask=text)) for text in ("", "shaded neck taken for hair")}
    hair = [shares[PARTS.index("hair")][neck].mean() for shares in told.values()]
    assert hair[0] > 0.9 and hair[1] < 0.1
    assert fit("gov_002", label()) and not fit("gov_002", label(hair_mask="background taken for hair"))


@pytest.fixture(scope="module")
def pages(drawn) -> list[Page]:
    portrait, _ = drawn
    shares = (parted(portrait, label()) * 255).round().astype(np.uint8)
    hat = np.zeros((2, HEIGHT, HEIGHT), np.uint8)
    hat[1, :70] = 255
    plain = Page("one", portrait.photo, shares, np.zeros((2, 0, 0), np.uint8), portrait.points)
    return [plain, Page("two", portrait.photo, shares, hat, portrait.points)]


def test_a_lesson_is_whole_and_the_same_whenever_it_is_asked_for(pages):
    seen = [lesson(pages, 0, 96, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert seen[0].picture.shape == (3, 96, 96) and seen[0].guides.shape == (GUIDES, 96, 96)
    for one, again in zip(seen[0], seen[1], strict=True):
        assert torch.equal(one, again)
    assert not torch.equal(seen[0].picture, seen[2].picture)
    covered = 0.0
    for seed in range(30):
        shares = lesson(pages, 0, 64, np.random.default_rng(seed)).shares
        assert (shares.sum(0) - 1).abs().max() < 1e-3 and shares.min() > -1e-6
        covered += float(shares[COVER].mean() > 0.01)
    assert 4 < covered < 25  # of the plain one: painted, or the other's hat


def test_the_network_learns(pages, perception):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = PartingNetwork(len(PARTS))
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    made = [lesson(pages, k % 2, 64, np.random.default_rng(k)) for k in range(4)]
    picture, guide, shares, whole = (torch.stack(column) for column in zip(*made, strict=True))
    losses = []
    for _ in range(12):
        loss = wrong(network(picture, guide, feature_network().features(picture)), shares, whole)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.75 * losses[0]


def test_batches_grow_finer(pages):
    lessons = Lessons(pages, 10, portraits=2)
    assert lessons[0].picture.shape[-1] < lessons[9].picture.shape[-1] == SIDE


def test_rendered_people_s_parts_are_known():
    page = made_up(3)
    again = made_up(3)
    assert np.array_equal(page.photo, again.photo) and np.array_equal(page.shares, again.shares)
    assert not np.array_equal(page.photo, made_up(4).photo)
    shares = page.shares.astype(int)
    assert np.abs(shares.sum(0) - 255).max() < 6
    cheek = page.points[280].astype(int)
    assert shares[PARTS.index("skin"), cheek[1], cheek[0]] > 250 and shares[0, 2, 2] > 250


def test_of_photographed_people_only_what_lies_before_the_face_is_taught(tmp_path):
    photograph(tmp_path, 1, views=1)
    (page,) = photographed(tmp_path)
    made = [lesson([page], 0, 64, np.random.default_rng(seed)) for seed in range(12)]
    assert not any(bool(one.whole) for one in made)
    logits = torch.randn(12, len(PARTS), 64, 64)
    shares = torch.stack([one.shares for one in made])
    assert 0.0 < float(shares[:, [GLASSES, COVER]].mean()) < 0.5
    full = completed(logits, shares, torch.zeros(12, dtype=torch.bool))
    assert full.sum(1) == pytest.approx(torch.ones(12, 64, 64), abs=1e-4)
    assert torch.equal(full[:, [GLASSES, COVER]], shares[:, [GLASSES, COVER]])
    says = logits.softmax(1)
    ratio = full[:, 1] / full[:, 2].clamp(min=1e-9), says[:, 1] / says[:, 2]
    bare = shares[:, 0] > 0.5
    assert ratio[0][bare] == pytest.approx(ratio[1][bare], rel=1e-3)
