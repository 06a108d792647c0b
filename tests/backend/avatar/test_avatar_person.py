"""The embedded face, as the engines use it, makes avatars that both readers' rules allow."""

from __future__ import annotations

import numpy as np

from fitdiff import avatar as av
from fitdiff.face import embedded
from fitdiff.generation.random_person import random_person


def test_a_random_person_of_the_embedded_face_is_a_valid_avatar(tmp_path):
    made = random_person(embedded.load(), seed=1)
    again = av.read_avatar(av.write_avatar(made, tmp_path / "person"))
    assert len(again.mesh.shape_key_names) == 52
    assert set(np.unique(again.mesh.quad_region)) == {0, 1, 2, 3}
    assert {"eyes_diffuse", "teeth_diffuse", "mouth_diffuse"} <= set(again.maps)
    assert np.abs(again.mesh.fit_residual).max() < 1e-6  # a neutral face: nothing is left over
    left, right = again.mesh.eye_pivots
    assert 0.05 < left[0] - right[0] < 0.08  # metres between the eyes; the person's left is +x


def test_equal_seeds_are_equal_folders(tmp_path):
    one = av.write_avatar(random_person(embedded.load(), seed=2), tmp_path / "one")
    other = av.write_avatar(random_person(embedded.load(), seed=2), tmp_path / "other")
    assert (one / "avatar.json").read_bytes() == (other / "avatar.json").read_bytes()
