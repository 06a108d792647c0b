"""Occlusion and translucency by rays: where a head is open, folded, thick and thin."""

import numpy as np
import pytest
import torch

from fitdiff.face.embedded import load
from fitdiff.face.traced import SIZE, traced_maps
from fitdiff.render.atlas import Atlas


@pytest.fixture(scope="module")
def head():
    model = load()
    rest = model.mean.new_zeros
    vertices = model.vertices(rest(1, model.identity_count), rest(1, model.expression_count))[0]
    return model.topology, vertices, traced_maps(model.topology, vertices)


def test_folds_of_the_ears_keep_the_room_out_and_the_forehead_does_not(head):
    topology, _, maps = head
    open_ = maps["occlusion"][0, 0]
    ears = Atlas(topology, SIZE).bake(torch.from_numpy(topology.vertex_masks["ears"])[:, None].float())[0, 0] > 0.9
    forehead = open_[SIZE // 8 : SIZE // 4, 3 * SIZE // 8 : 5 * SIZE // 8]
    assert forehead.min() > 0.9
    assert np.quantile(open_[ears], 0.1) < 0.7 < 0.95 < np.quantile(open_[ears], 0.9)
    assert open_.amin() >= 0 and open_.amax() <= 1


def test_light_comes_through_ears_and_not_through_the_skull(head):
    topology, _, maps = head
    thin = maps["translucency"][0, 0]
    ears = Atlas(topology, SIZE).bake(torch.from_numpy(topology.vertex_masks["ears"])[:, None].float())[0, 0] > 0.9
    assert thin[ears].mean() > 0.1
    assert np.quantile(thin[ears], 0.9) > 0.4
    assert thin[SIZE // 8 : SIZE // 4, 3 * SIZE // 8 : 5 * SIZE // 8].max() < 0.01


def test_equal_heads_get_equal_maps(head):
    topology, vertices, maps = head
    again = traced_maps(topology, vertices)
    assert all(torch.equal(maps[name], again[name]) for name in maps)
