"""Lessons of the dense network: heads and their pictures, portraits' layers, windows that take their labels along, losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fitdiff.face import embedded
from fitdiff.held_back import held_back
from fitdiff.perception.dense_network import EYE_DISTANCE, SIDE, Answer, load
from fitdiff.training import shards
from fitdiff.training.build import dense, dense_people, portrait_layers
from fitdiff.training.build.dense_lessons import Batch, placed
from fitdiff.training.build.dense_losses import Measures, losses
from fitdiff.training.build.dense_people import STORED, Sculptor, choose_vertices, mirrored_rows

FEW = 3  # people in a file of pictures
NAMES = {"astronaut": "astronaut.png", "one": "obama.jpg", "two": "biden.jpg"}


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module")
def portraits(tmp_path_factory, photos):
    """Three photos with made-up masks, one of them under a name that is held back."""
    folder = tmp_path_factory.mktemp("portraits")
    for kind in ("photo", "hair", "matte"):
        (folder / kind).mkdir()
    back = next(name for name in map(str, range(100)) if held_back(name))
    for name, photo in (*NAMES.items(), (back, "obama2.jpg")):
        picture = Image.fromarray(photos[photo])
        picture.save(folder / "photo" / f"{name}.png")
        matte, hair = (np.zeros((picture.height, picture.width), np.uint8) for _ in range(2))
        matte[picture.height // 8 :, picture.width // 4 : -picture.width // 4] = 255
        hair[: picture.height // 4] = matte[: picture.height // 4]
        Image.fromarray(matte).save(folder / "matte" / f"{name}.png")
        Image.fromarray(hair).save(folder / "hair" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def lent(portraits, tmp_path_factory):
    return portrait_layers.load(portraits, tmp_path_factory.mktemp("layers"))


def test_vertices_are_spread_over_both_sides_alike(model):
    chosen = choose_vertices(model, 200)
    assert 200 <= len(chosen) <= 202 and (np.diff(chosen) > 0).all()
    twins = mirrored_rows(chosen, model)
    assert (np.asarray(model.topology.mirror)[chosen] == chosen[twins]).all()
    face = model.topology.vertex_masks["face"][chosen] > 0.5
    assert 0.4 < face.mean() < 0.8
    assert (model.topology.vertex_masks["ears"][chosen] > 0.5).sum() > 6


def test_a_warped_head_s_numbers_come_nearer_to_it_than_those_it_was_drawn_with(model):
    sculptor = Sculptor(model)
    heads, again = sculptor.draw(3, 5), sculptor.draw(3, 5)
    assert torch.equal(heads.vertices, again.vertices)
    face = torch.from_numpy(model.topology.vertex_masks["face"] > 0.5)
    known = model.vertices(heads.identity, heads.expression)
    generator = torch.Generator().manual_seed(5)
    drawn = model.vertices(torch.randn(3, 158, generator=generator, dtype=torch.float64).clamp(-2.5, 2.5).float())

    def off(other):
        away = (heads.vertices - other)[:, : len(face)][:, face]
        return (away - away.mean(1, keepdim=True)).norm(dim=-1).mean()

    assert off(known) < 0.0015 and off(known) < 0.6 * off(drawn)


def test_portraits_that_are_held_back_lend_nothing(lent):
    assert len(lent) == len(NAMES)
    for portrait in lent:
        assert portrait.layers.shape[0] == 8 and portrait.points.shape == (468, 3)
        assert max(portrait.layers.shape[1:]) == portrait_layers.SIZE
        photo, plate = portrait.layers[:3].float(), portrait.layers[5:].float()
        far = portrait.layers[4].float()[None, None]
        far = torch.nn.functional.max_pool2d(far, 25, 1, 12)[0, 0] == 0
        far &= portrait.layers[3] == 0
        assert (photo - plate)[:, far].abs().mean() < 12  # the background stays as it was


def test_a_portrait_lent_to_its_own_landmarks_stays_where_it_is(lent):
    portrait = lent[0]
    side = 200
    layers = portrait_layers.lend(portrait, False, portrait.points[:, :2], side, np.random.default_rng(0))
    own = portrait.layers[:3, :side, :side].float() / 255
    assert (layers.front[:, :, : own.shape[2]] - own)[:, 2:-2, 2:-2].abs().max() < 0.02
    mirrored = portrait_layers.lend(portrait, True, portrait.points[:, :2], side, np.random.default_rng(0))
    assert mirrored.front.shape == (3, side, side) and mirrored.hair_share.max() <= 1


def test_what_is_unknown_is_filled_from_around():
    picture = torch.zeros(1, 3, 40, 56)
    picture[..., 28:] = 1
    known = torch.ones(1, 1, 40, 56)
    known[..., 10:30, 5:50] = 0
    found = portrait_layers.filled(picture, known)
    assert torch.equal(found[..., :10, :], picture[..., :10, :])
    assert found.min() >= 0 and found.max() <= 1
    assert found[0, 0, 20, 8] < 0.2 and found[0, 0, 20, 46] > 0.8


@pytest.mark.parametrize("flip", [False, True])
def test_a_window_takes_its_labels_along(flip):
    spots = torch.tensor([[90.0, 70.0], [120.0, 130.0], [60.0, 110.0]])
    y, x = torch.meshgrid(torch.arange(STORED) + 0.5, torch.arange(STORED) + 0.5, indexing="ij")
    stored = torch.stack([255 * torch.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in spots])
    window, place = placed(stored.to(torch.uint8)[None], torch.tensor([flip]), np.random.default_rng(4))
    found = (spots @ place[0, :, :2].T + place[0, :, 2]) * EYE_DISTANCE + SIDE / 2
    run = torch.arange(SIDE) + 0.5
    for k in range(3):
        share = window[0, k] / window[0, k].sum()
        middle = torch.stack([(share.sum(0) * run).sum(), (share.sum(1) * run).sum()])
        assert middle.tolist() == pytest.approx(found[k].tolist(), abs=0.3)
    assert (found[0, 0] < found[2, 0]) == flip


def test_losses_are_least_at_the_truth_and_measure_millimetres(model):
    vertices = choose_vertices(model, 60)
    measures = Measures.of(model, vertices)
    points, number, mood = torch.randn(2, len(vertices), 3), torch.randn(2, 158), torch.randn(2, 25)
    truth = Batch(*[torch.zeros(0)] * 3, points, torch.zeros(0), number, mood, torch.zeros(0))
    still = torch.full((2, len(vertices), 2), -3.0)

    def wrong(by: float) -> dict[str, torch.Tensor]:
        answer = Answer(points + by, still, number + by, torch.zeros(2, 158), mood + by, torch.zeros(2, 25))
        return losses(answer, truth, measures)

    right, off = wrong(0.0), wrong(0.1)
    for name in ("place", "depth", "identity", "expression", "sure"):
        assert right[name] < off[name], name
    assert float(off["edges"]) == pytest.approx(float(right["edges"]), abs=0.01)  # all points moved alike
    face = torch.from_numpy(model.topology.vertex_masks["face"] > 0.5)
    away = model.vertices(number)[:, : len(face)][:, face] - model.mean[: len(face)][face]
    rough = 1000 * (away - away.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
    metric = (number @ measures.to_identity).norm(dim=1)
    assert (metric < 1.2 * rough).all() and (metric > 0.3 * rough).all()


def test_pictures_are_made_once_and_a_network_learns_from_them(portraits, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dense_people, "PER_SKIN", FEW)
    monkeypatch.setattr(dense, "SHARD", FEW)
    monkeypatch.setattr(dense, "AT_ONCE", FEW)
    monkeypatch.setattr(dense, "KEPT_BACK", 1)
    monkeypatch.setattr(dense, "BATCH", 4)
    monkeypatch.setattr(dense, "ANCHORS", 2)
    monkeypatch.setattr(dense, "POINTS", 200)
    folder, file = tmp_path / "photographs", tmp_path / "dense.safetensors"
    people = ["--people", str(2 * FEW), "--steps", "3"]
    dense.photograph(portraits, folder, 2 * FEW)
    first = shards.read(folder / "00000.safetensors")
    assert first["image"].shape == (FEW, 3, STORED, STORED)
    assert (first["seen"][..., :2] - first["marks"]).norm(dim=-1).mean() < 8  # landmarks are seen where they are
    inside = (first["points"] > 0) & (first["points"] < STORED)
    assert inside.float().mean() > 0.97 and first["depth"].mean(1).abs().max() < 1e-5
    before = (folder / "00001.safetensors").stat().st_mtime_ns
    assert dense.main([str(file), "--portraits", str(portraits), "--photographs", str(folder), *people]) == 0
    assert (folder / "00001.safetensors").stat().st_mtime_ns == before
    assert "identity mm" in capsys.readouterr().out
    network = load(file)
    assert len(network.vertices) == first["points"].shape[1] and not network.training
