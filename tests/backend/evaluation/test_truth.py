"""Rendered truth: what is written down of a scene agrees with the avatar that is photographed."""

from __future__ import annotations

import numpy as np
import pytest

from fitdiff.avatar import read_avatar
from fitdiff.evaluation import truth
from fitdiff.face import embedded
from fitdiff.perception import regions


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    truth.make(folder, 3)
    return folder


def test_landmarks_lie_where_the_avatars_camera_sees_them(scenes):
    face = embedded.load()
    marks = face.topology.landmarks["facemesh468"]
    for place in sorted(scenes.iterdir()):
        avatar, known = read_avatar(place / "avatar"), np.load(place / "truth.npz", allow_pickle=False)
        camera, mesh = avatar.manifest.camera, avatar.mesh
        weights = [avatar.manifest.arkit.get(name, 0.0) for name in mesh.shape_key_names]
        vertices = mesh.vertices + mesh.fit_residual + np.einsum("k,kvc->vc", weights, mesh.shape_keys.astype(float))
        points = (vertices[face.topology.triangles[marks.triangle]] * marks.barycentric[..., None]).sum(1)
        seen = points @ np.array(camera.rotation).T + camera.translation
        pixels = np.array(camera.principal) + camera.focal_px * seen[:, :2] * (1, -1) / -seen[:, 2:]
        assert np.abs(pixels - known["facemesh468"]).max() < 0.05
        assert (pixels > 0).all() and (pixels < truth.SIZE).all()


def test_skin_is_the_front_of_the_face_without_eyes(scenes):
    for place in sorted(scenes.iterdir()):
        known = np.load(place / "truth.npz", allow_pickle=False)
        skin, marks = known["skin"], known["facemesh468"]
        oval = regions.polygon(marks[list(regions.OVAL)], truth.SIZE) > 0.5
        assert (skin & oval).sum() > 0.6 * oval.sum()
        towards = 263 if known["rotation"][2, 0] > 0 else 33  # the eye on the camera's side
        eye = regions.LEFT_EYE if towards == 263 else regions.RIGHT_EYE
        x, y = marks[list(eye)].mean(0).astype(int)
        assert not skin[y, x]


def test_tones_meet_all_views(scenes):
    known = [np.load(place / "truth.npz", allow_pickle=False) for place in sorted(scenes.iterdir())]
    assert [float(k["melanin"]) for k in known] == [-2.0, 0.0, 2.0]
    yaws = [np.degrees(np.arctan2(k["rotation"][2, 0], k["rotation"][2, 2])) for k in known]
    assert np.allclose(sorted(yaws), [-45, 0, 45], atol=0.1)


def test_turn_is_the_angle_between_rotations():
    half = np.radians(15)
    turned = np.array([[np.cos(half), 0, np.sin(half)], [0, 1, 0], [-np.sin(half), 0, np.cos(half)]])
    assert truth._turn(turned, np.eye(3)) == pytest.approx(15)


def test_the_far_half_of_a_turned_face_is_out_of_sight(scenes):
    for place in sorted(scenes.iterdir()):
        known = np.load(place / "truth.npz", allow_pickle=False)
        seen, yaw = known["in_sight468"], np.degrees(np.arctan2(known["rotation"][2, 0], known["rotation"][2, 2]))
        assert seen[1] and seen[4]  # the nose hides from nobody
        if abs(yaw) < 5:
            assert seen.mean() > 0.9
        else:
            far, near = (127, 356) if yaw > 0 else (356, 127)  # the outline at the temples
            assert seen[near] and not seen[far] and 0.5 < seen.mean() < 0.85
