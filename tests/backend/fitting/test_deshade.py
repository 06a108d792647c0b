"""Shading is taken out of a sampled skin, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fitdiff.face.registry import load_face_model
from fitdiff.fitting.deshade import SHARE, SIZE, deshade
from fitdiff.render.atlas import Atlas
from fitdiff.render.geometry import vertex_normals
from fitdiff.render.mesh import MeshTables


@pytest.fixture(scope="module")
def model():
    return load_face_model()


@pytest.fixture(scope="module")
def mesh(model):
    return MeshTables(model.topology)


@pytest.fixture(scope="module")
def normals(model, mesh):
    """(1, 3, SIZE, SIZE) of the head at rest."""
    rest = model.vertices(torch.zeros(1, model.identity_count), torch.zeros(1, model.expression_count))
    return Atlas(model.topology, SIZE).bake(vertex_normals(rest, mesh)[0])


@pytest.fixture(scope="module")
def face(normals):
    """Where the photo would show skin."""
    return normals[0, 2] > 0.5


def skin_of(colour=(0.5, 0.3, 0.2)):
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE).clone()


def test_light_from_anywhere_goes_by_its_share(model, mesh, normals, face):
    plain = skin_of()
    for slope in ((0.3, 0.0, 0.0), (0.0, 0.3, 0.0), (-0.15, 0.25, 0.2)):
        shading = (normals * torch.tensor(slope).view(1, 3, 1, 1)).sum(1, keepdim=True)
        found = deshade(plain * shading.exp(), plain, model, mesh).log().mean(1)[0][face]
        assert shading[0, 0][face].std() > 0.03
        left = (1 - SHARE) * shading[0, 0][face].std()
        assert float(found.std()) == pytest.approx(float(left), rel=0.1)


def test_a_face_whose_scalp_nobody_knows_will_do(model, mesh, normals, face, monkeypatch):
    masks = {name: mask for name, mask in model.topology.vertex_masks.items() if name != "scalp"}
    monkeypatch.setattr(model, "topology", replace(model.topology, vertex_masks=masks))
    plain, shading = skin_of(), 0.3 * normals[:, :1]
    found = deshade(plain * shading.exp(), plain, model, mesh).log().mean(1)[0][face].std()
    assert float(found) == pytest.approx(float((1 - SHARE) * shading[0, 0][face].std()), rel=0.1)


def test_the_tone_stays(model, mesh, normals, face):
    shading = 0.3 * normals[:, 1:2]
    lit = skin_of() * shading.exp()
    found = deshade(lit, skin_of((0.2, 0.1, 0.06)), model, mesh)
    assert float((found / lit).log().mean(1)[0][face].mean()) == pytest.approx(0, abs=0.03)


def test_what_is_no_shading_stays(model, mesh):
    """A brow, a beard: dark where they are, and nothing else gets paler for it."""
    plain = skin_of()
    marked = plain.clone()
    marked[..., SIZE // 3 : SIZE // 3 + 5, 30:98] *= 0.3
    found = deshade(marked, plain, model, mesh)
    assert float((found / marked).log().abs().max()) < 0.02
    assert torch.equal(deshade(plain, plain, model, mesh), plain)
