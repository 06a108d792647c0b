"""Dense evidence: the network's answers in the photo, their mirror images, and a damaged file."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from fitdiff.errors import FitDiffError
from fitdiff.face import embedded
from fitdiff.perception import dense_network
from fitdiff.perception.analyse import analyse
from fitdiff.perception.dense import landmarks_in, see, window_around
from fitdiff.perception.dense_network import ASSET, CODES, SIDE, DenseNetwork, laid, load, mirror_maps
from fitdiff.perception.facemesh import MIRROR
from fitdiff.photo import photo_from_pixels

from .canonical_face import turned

PHOTOS = ("astronaut.png", "obama.jpg")


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module")
def analysed(photos):
    return cache(lambda name: analyse(photo_from_pixels(photos[name])))


def test_the_network_answers_for_each_picture_alone():
    torch.manual_seed(0)
    network = DenseNetwork(12).eval()
    image, landmarks, known = torch.rand(2, 3, SIDE, SIDE), torch.randn(2, 468, 3), torch.randn(2, 512)
    with torch.no_grad():
        answer, codes = network(image, landmarks, known)
        alone, _ = network(image[1:], landmarks[1:], 3 * known[1:])
    assert codes.shape == (2, CODES) and answer.points.shape == (2, 12, 3) and answer.log_sigma.shape == (2, 12, 2)
    assert answer.identity.shape == answer.log_identity.shape == (2, 158)
    assert answer.expression.shape == answer.log_expression.shape == (2, 25)
    for one, both in zip(alone, answer, strict=True):
        assert torch.allclose(one[0], both[1], atol=1e-4)


def test_the_shape_of_landmarks_does_not_depend_on_place_size_or_view():
    random = np.random.default_rng(3)
    face = torch.from_numpy(random.normal(0, 0.05, (468, 3))).float()
    miss = torch.from_numpy(random.normal(0, 0.002, (468, 3))).float()
    turn = torch.from_numpy(np.linalg.qr(random.normal(size=(3, 3)))[0]).float()
    turn = turn * torch.linalg.det(turn)
    seen = (face + miss) * torch.tensor([1.0, -1.0, -1.0])
    here, there = laid(seen[None], face), laid((4 * seen @ turn.T + 3)[None], face)
    assert torch.allclose(here, there, atol=1e-2)
    assert here.norm(dim=-1).mean() < 1.1 * 1000 * miss.norm(dim=-1).mean()


def test_mirrored_numbers_are_the_mirrored_head_s(model):
    twins = torch.from_numpy(np.asarray(model.topology.mirror, np.int64))
    number, mood = torch.randn(1, 158), torch.randn(1, 25)
    identity, expression = mirror_maps(model)
    head = model.vertices(number, mood)[:, twins] * torch.tensor([-1.0, 1.0, 1.0])
    other = model.vertices(number @ identity.T, mood @ expression.T)
    assert (head - other).norm(dim=-1).mean() < 0.05 * (head - model.mean).norm(dim=-1).mean()


@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_landmarks_are_read_in_the_window(angle):
    points = np.concatenate([turned(angle), np.linspace(-20, 20, 468)[:, None]], 1)
    window = window_around(points)
    here, there = landmarks_in(points, window)
    assert torch.allclose(here[list(MIRROR), 0], -there[:, 0]) and torch.allclose(here[list(MIRROR), 1:], there[:, 1:])
    assert here[:, :2].abs().max() < 2 and abs(float(here[:, 2].mean())) < 1e-5
    eyes = here[263] - here[33]
    assert 0.6 < float(eyes[:2].norm()) < 1.4


@pytest.mark.parametrize("name", PHOTOS)
def test_points_lie_on_the_face_and_mirror_with_the_photo(name, photos, analysed, model):
    seen = analysed(name)
    embedding = seen.identity.embedding[0].numpy()
    points = seen.face.landmarks468
    found = see(photos[name], points, embedding, model)
    network = load()
    unit = seen.face.interocular
    face = model.topology.vertex_masks["face"][found.vertices] > 0.5
    low, high = points[:, :2].min(0) - 0.2 * unit, points[:, :2].max(0) + 0.2 * unit
    assert ((found.points[face] > low) & (found.points[face] < high)).mean() > 0.97
    nose = found.vertices == found.vertices[np.argmax(model.mean[found.vertices, 2].numpy())]
    assert found.depth[nose] < np.percentile(found.depth, 5)
    assert (found.sigma > 0).all() and np.median(found.sigma[face]) < 0.1 * unit
    assert (found.depth_sigma > 0).all() and (found.prior.precision > 0).all()

    width = photos[name].shape[1]
    flipped = points[list(MIRROR)] * (-1, 1, 1) + (width, 0, 0)
    other = see(np.ascontiguousarray(photos[name][:, ::-1]), flipped, embedding, model)
    back = other.points[network.mirror.numpy()] * (-1, 1) + (width, 0)
    assert np.linalg.norm(back - found.points, axis=1).mean() < 0.01 * unit
    mirrored = other.prior.identity @ mirror_maps(model)[0].numpy().T
    assert np.abs(found.prior.identity - mirrored).mean() < 0.1 * np.abs(found.prior.identity).mean()


def test_a_larger_photo_says_the_same(photos, analysed, model):
    seen = analysed("astronaut.png")
    embedding, points = seen.identity.embedding[0].numpy(), seen.face.landmarks468
    small = see(photos["astronaut.png"], points, embedding, model)
    height, width = photos["astronaut.png"].shape[:2]
    large = Image.fromarray(photos["astronaut.png"]).resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
    again = see(np.asarray(large), 2 * points, embedding, model)
    unit = seen.face.interocular
    assert np.linalg.norm(again.points / 2 - small.points, axis=1).mean() < 0.02 * unit
    assert again.sigma / 2 == pytest.approx(small.sigma, rel=0.2)
    assert again.depth == pytest.approx(small.depth, abs=0.03)


def test_a_damaged_file_is_refused_in_words(tmp_path):
    broken = tmp_path / "dense.safetensors"
    data = bytearray(ASSET.read_bytes())
    data[-5] ^= 1
    broken.write_bytes(data)
    with pytest.raises(FitDiffError, match="damaged") as caught:
        dense_network.load(broken)
    assert caught.value.code == "weights-damaged"
