"""The yardstick's figures on pictures and points whose answers are known."""

import numpy as np
import pytest
import torch

from fitdiff.evaluation import metrics
from fitdiff.evaluation.views import TURNS, views
from fitdiff.pictures.relight import Head

from ..avatar.conftest import avatar, model  # noqa: F401


class _Recogniser:
    """Sees the mean colour of what it is shown."""

    same_person = 0.6

    def __init__(self, name: str) -> None:
        self.name = name

    def embed(self, images, landmarks468):
        from fitdiff.perception.types import IdentityFeatures

        assert landmarks468.shape == (1, 468, 2)
        return IdentityFeatures(images.mean((2, 3)), ())

    def distance(self, first, second):
        return (first - second).norm(dim=-1)

    def similarity(self, first, second):
        return torch.nn.functional.cosine_similarity(first, second, dim=-1)


def test_photometric_error_counts_only_what_the_mask_shows():
    photo = torch.full((1, 3, 4, 4), 0.5)
    rendered = photo.clone()
    rendered[..., :2] += 0.1
    rendered[..., 2:] += 0.4
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    assert metrics.photometric(rendered, photo, mask) == pytest.approx(0.1)
    mask[..., 2:] = 0.5
    assert metrics.photometric(rendered, photo, mask) == pytest.approx((0.1 + 0.5 * 0.4) / 1.5)
    assert metrics.photometric_psnr(rendered, photo, mask) == pytest.approx(
        -10 * np.log10((0.01 + 0.5 * 0.16) / 1.5), 1e-4
    )
    assert metrics.photometric_psnr(photo, photo, mask) == 100


def test_landmark_errors_are_percent_of_the_eye_distance_without_the_outline():
    wanted = np.zeros((68, 2))
    found = wanted + [3.0, 4.0]
    found[: metrics.JAW] += 1000
    assert metrics.landmark_percent(found, wanted, interocular=100.0) == pytest.approx(5.0)
    mesh = np.zeros((468, 3))
    moved = mesh + [0.0, 2.0, 50.0]  # depth is nobody's business
    moved[list(metrics.FACE_OVAL)] += 1000
    assert metrics.mesh_percent(moved, mesh, interocular=40.0) == pytest.approx(5.0)


def test_each_recogniser_is_read_in_its_own_measure():
    networks = {name: _Recogniser(name) for name in ("dlib", "fr")}
    points = np.zeros((468, 3), np.float32)
    first, second = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    first[:, 0] = 0.3
    second[:, 1] = 0.4
    one, two = (metrics.embeddings(networks, picture, points) for picture in (first, second))
    assert metrics.identity(networks, one, two) == pytest.approx({"dlib": 0.5, "fr": 0.0})
    assert metrics.identity(networks, one, one) == pytest.approx({"dlib": 0.0, "fr": 1.0})


def test_outside_the_mask_is_grey():
    picture, mask = torch.zeros(1, 3, 2, 2), torch.tensor([[[[1.0, 0.0], [0.5, 0.0]]]])
    assert metrics.on_grey(picture, mask)[0, 0].tolist() == [[0.0, 0.5], [0.25, 0.5]]


@pytest.mark.parametrize("brighter", ["left", "right"])
def test_the_lit_cheek_is_told_by_the_person_and_not_by_the_picture(brighter):
    landmarks = np.zeros((468, 2))
    landmarks[33], landmarks[263] = (10, 16), (22, 16)  # the person's left eye is on the picture's right
    photo = torch.full((1, 3, 32, 32), 0.2)
    photo[..., 16:] = 0.4 if brighter == "left" else 0.1
    skin = torch.ones(1, 1, 32, 32)
    assert metrics.lit_from_left(photo, skin, landmarks) == (brighter == "left")
    upside_down = landmarks.copy()
    upside_down[[33, 263]] = landmarks[[263, 33]]
    assert metrics.lit_from_left(photo, skin, upside_down) != (brighter == "left")


def test_the_head_is_relit_from_the_other_side():
    for left in (True, False):
        by_name = {view.name: view for view in views(left)}
        assert (by_name["relit"].light[6] < 0) == left
        assert by_name["relit"].light == by_name["relit_shadowed"].light
        assert {f"turned_{angle}_{side}" for angle in TURNS for side in ("left", "right")} < set(by_name)


def test_a_turned_camera_sees_the_head_turn_to_its_left_where_it_stands(avatar):  # noqa: F811
    head = Head(avatar)
    middle = (head.vertices.amin(0) + head.vertices.amax(0)) / 2
    nose = middle + torch.tensor([0.0, 0.0, 0.1])
    from fitdiff.avatar.convert import camera_from_avatar

    straight = camera_from_avatar(avatar)
    turned = head.turned(straight, 40)
    before, after = (camera.project(torch.stack([middle, nose])[None]) for camera in (straight, turned))
    assert torch.allclose(before.screen[0, 0], after.screen[0, 0], atol=1e-2)
    assert torch.allclose(before.depth[0, 0], after.depth[0, 0], atol=1e-5)
    assert after.screen[0, 1, 0] > before.screen[0, 1, 0] + 20  # its left is our right
    back = head.turned(turned, -40)
    assert torch.allclose(back.rotation, straight.rotation, atol=1e-6)
    assert torch.allclose(back.translation, straight.translation, atol=1e-6)


def test_shadows_take_light_away_and_the_lamp_only_where_it_reaches(avatar):  # noqa: F811
    head = Head(avatar)
    from fitdiff.avatar.convert import camera_from_avatar

    camera = camera_from_avatar(avatar).resized((100, 80))
    behind = [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.9, 0.2, 0.1]
    plain, shadowed = head.draw(camera, behind), head.draw(camera, behind, shadowed=True)
    assert torch.equal(plain.face, shadowed.face)
    lent = (shadowed.image - plain.image).clamp(min=0)  # by lit skin to the folds beside it
    assert float(lent.sum()) < 0.02 * float(plain.image.sum())
    assert float(shadowed.image.sum()) < 0.99 * float(plain.image.sum())
    room = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.9, 0.2, 0.1]
    shadowed = head.draw(camera, room, shadowed=True)
    head.maps["skin"] = head.maps["skin"]._replace(occlusion=None)
    assert bool((shadowed.image <= head.draw(camera, room).image + 1e-6).all())
