"""The maps of a head without a photo: they lie where the face's parts lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff import avatar as av
from fitdiff.avatar.paint import bake, eye_map, plain_maps, uv_of
from fitdiff.face import embedded

SIZE = 128


@pytest.fixture(scope="module")
def maps() -> dict[str, np.ndarray]:
    return plain_maps(embedded.load(), SIZE)


def pixel(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    return picture[int((1 - uv[1]) * len(picture)), int(uv[0] * len(picture))].astype(float)


def test_lips_are_redder_and_brows_darker_than_the_forehead(maps):
    topology = embedded.load().topology
    points = uv_of(topology, topology.landmarks["ibug68"])
    forehead = pixel(maps["diffuse"], points[27] + [0, 0.16])
    upper_lip = pixel(maps["diffuse"], (points[51] + points[62]) / 2)
    brow = np.mean([pixel(maps["diffuse"], points[24] + [0, up]) for up in (-0.004, 0.004, 0.012)], axis=0)
    assert upper_lip[0] / upper_lip[1] > 1.1 * forehead[0] / forehead[1]
    assert brow.sum() < 0.9 * forehead.sum()


def test_baking_reproduces_a_field_that_is_linear_in_uv():
    topology = embedded.load().topology
    values = np.zeros((len(embedded.load().mean), 2))
    skin = topology.quad_region == 0
    values[topology.quads[skin].ravel()] = topology.uv[topology.uv_quads[skin].ravel()]
    picture = bake(topology, values, SIZE)
    inside = picture[SIZE // 4 : 3 * SIZE // 4, SIZE // 4 : 3 * SIZE // 4]
    grid = (np.arange(SIZE) + 0.5)[SIZE // 4 : 3 * SIZE // 4] / SIZE
    assert np.abs(inside[..., 0] - grid[None]).max() < 1e-5
    assert np.abs(inside[..., 1] - 1 + grid[:, None]).max() < 1e-5
    assert np.isfinite(picture).all()


def test_the_eye_is_dark_coloured_white_from_the_middle_outwards():
    eye = eye_map(256).mean(-1)
    row = eye[128, 128:]
    assert row[1] < 0.01  # pupil
    assert 0.04 < row[int(256 * 0.0636 * 0.7)] < 0.3  # iris
    assert row[int(256 * 0.0636 * 1.3)] > 0.55  # white


def test_a_random_person_of_the_embedded_face_is_a_valid_avatar(maps, avatar, tmp_path):
    model = embedded.load()
    generator = torch.Generator().manual_seed(1)
    made = av.avatar_from_model(
        model,
        identity=torch.randn(model.identity_count, generator=generator),
        expression=torch.randn(model.expression_count, generator=generator) * 0.3,
        gaze=torch.tensor([[0.1, 0.0], [0.1, 0.0]]),
        light=avatar.manifest.light,
        camera=avatar.manifest.camera,
        maps=maps,
        engine="random",
        seed=1,
    )
    again = av.read_avatar(av.write_avatar(made, tmp_path / "person"))
    assert len(again.mesh.shape_key_names) == 52
    assert set(np.unique(again.mesh.quad_region)) == {0, 1, 2, 3}
    assert {"eyes_diffuse", "teeth_diffuse", "mouth_diffuse"} <= set(again.maps)
    assert np.abs(again.mesh.fit_residual).max() > 1e-4  # no sliders were given: the residual has the expression
