"""Faces in whole photos: of any size and turn, several, none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fitdiff.face import embedded
from fitdiff.perception import landmarks
from fitdiff.perception.facemesh import MIRROR
from fitdiff.perception.finder import as_batch
from fitdiff.perception.landmarks import IBUG68, ibug68
from fitdiff.perception.types import Detection

from ..photos import NAMES, covered


def error(face, truth468: np.ndarray) -> float:
    """Mean distance of the 468 points over the distance of the outer eye corners, percent."""
    unit = np.linalg.norm(truth468[33] - truth468[263])
    return 100 * float(np.linalg.norm(face.landmarks468[:, :2] - truth468, axis=1).mean()) / unit


def test_one_face_in_each_photo(faces):
    for name, face in faces.items():
        assert face.score > 0.8 and face.presence > 0.99, name
        assert face.landmarks468.shape == (468, 3) and face.landmarks68.shape == (68, 2)
        x0, y0, x1, y1 = face.box
        inner = face.landmarks468[[1, 33, 263, 61, 291], :2]
        assert ((inner > (x0, y0)) & (inner < (x1, y1))).all(), name


def test_features_are_where_they_are_in_the_astronauts_photo(faces):
    """Eye and mouth corners read off an enlarged photo by eye; its eyes are 67 pixels apart."""
    points = faces["astronaut.png"].landmarks468[:, :2]
    read = {33: (193, 100.5), 133: (213, 103), 362: (236.5, 104), 263: (259, 104), 61: (203, 140), 291: (245, 140.5)}
    distances = {number: float(np.linalg.norm(points[number] - place)) for number, place in read.items()}
    assert max(distances.values()) < 3.5, distances
    # The pupils in the same picture.
    irises = faces["astronaut.png"].irises
    assert np.abs(irises[:, 0] - ((203.5, 101), (246.5, 103.5))).max() < 1.5, irises[:, 0]
    widths = np.linalg.norm(irises[:, 1] - irises[:, 3], axis=1)
    assert (np.abs(widths - 8) < 2).all(), widths
    assert np.mean(list(distances.values())) < 2, distances


@pytest.mark.parametrize("turn", [45, 90, 135, 180, 270])
def test_turned_photos(perception, photos, faces, turn):
    for name in NAMES[1::2]:
        photo = Image.fromarray(photos[name])
        turned = photo.rotate(turn, expand=True, resample=Image.Resampling.BICUBIC)
        cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        centred = faces[name].landmarks468[:, :2] - np.array(photo.size) / 2
        truth = centred @ np.array([[cos, -sin], [sin, cos]]) + np.array(turned.size) / 2
        found = perception.detect(np.asarray(turned))
        assert len(found) == 1, name
        assert error(found[0], truth) < 2.5, name


def test_a_face_in_a_mask_does_not_stand_on_its_head(perception, photos, faces):
    for name in NAMES:
        painted = covered(photos[name], faces[name], "cloth")
        (face,) = perception.detect(painted.picture)
        assert error(face, faces[name].landmarks468[:, :2]) < 25, name


def test_mirrored_photo_mirrors_the_points(perception, photos, faces):
    """Catches a constant shift: half a pixel of the network's crop is 0.8 % here."""
    shifts = []
    for name, photo in photos.items():
        (mirrored,) = perception.detect(photo[:, ::-1])
        middle = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 0, 17, 152]  # on the face's own mirror plane
        expected = photo.shape[1] - faces[name].landmarks468[middle, 0]
        shifts.append(float((mirrored.landmarks468[middle, 0] - expected).mean()) / mirrored.interocular)
    assert abs(np.mean(shifts)) < 0.008, shifts


def test_mirror_is_that_of_the_face_model():
    table = np.array(MIRROR)
    assert (table[table] == np.arange(468)).all() and table[33] == 263 and table[1] == 1
    model = embedded.load()
    points = model.landmarks(model.mean[None], "facemesh468")[0].numpy()
    assert np.abs(points[table] * (-1, 1, 1) - points).max() < 0.001  # metres


def test_a_face_and_its_mirror_image_agree(perception, photos, faces, monkeypatch):
    """Of the same crop: the network's leaning to one side is averaged out, in points, depths and irises."""
    monkeypatch.setattr(landmarks, "PASSES", 1)
    landmarker = perception.finder.landmarker
    for name in ("obama2.jpg", "astronaut.png"):
        photo, face = photos[name], faces[name]
        keypoints = face.keypoints[[1, 0, 2, 3, 5, 4]] * (-1, 1) + (photo.shape[1], 0)
        box = (photo.shape[1] - face.box[2], face.box[1], photo.shape[1] - face.box[0], face.box[3])
        first = landmarker(as_batch(photo), Detection(face.box, face.score, face.keypoints))
        other = landmarker(as_batch(photo[:, ::-1]), Detection(box, face.score, keypoints.astype(np.float32)))
        back = other.landmarks468[list(MIRROR)] * (-1, 1, 1) + (photo.shape[1], 0, 0)
        assert np.abs(back - first.landmarks468).max() < 0.005 * face.interocular
        irises = other.irises[::-1, [0, 3, 2, 1, 4]] * (-1, 1) + (photo.shape[1], 0)
        assert np.abs(irises - first.irises).max() < 0.005 * face.interocular


def test_a_network_that_doubts_the_face_counts_as_little(perception, photos, faces, monkeypatch):
    """The second is blind to profiles; its points must not pull those of the first, nor the other way round."""
    landmarker, face = perception.finder.landmarker, faces["obama.jpg"]
    image, found = as_batch(photos["obama.jpg"]), Detection(face.box, face.score, face.keypoints)
    look, doubted = landmarker._look, None

    def doubting(network, *arguments, **words):
        sight = look(network, *arguments, **words)
        return replace(sight, presence=1e-6, points=sight.points + 50) if network is doubted else sight

    monkeypatch.setattr(landmarker, "_look", doubting)
    both = landmarker(image, found).landmarks468
    np.testing.assert_array_equal(both, face.landmarks468)
    doubted = landmarker.second
    first = landmarker(image, found).landmarks468
    away = np.abs(first - both)[:, :2] / face.interocular
    assert 0.001 < away.mean() < 0.02 and away.max() < 0.05


@pytest.mark.parametrize("pixels", [64, 100])
def test_small_faces_in_a_large_picture(perception, photos, faces, pixels):
    for name in ("obama.jpg", "biden.jpg"):
        photo, face = Image.fromarray(photos[name]), faces[name]
        scale = pixels / face.size
        small = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
        canvas = Image.new("RGB", (1600, 1200), (120, 130, 110))
        canvas.paste(small, (1000, 300))
        found = perception.detect(np.asarray(canvas))
        ratio = np.array(small.size) / np.array(photo.size)
        assert len(found) == 1
        assert error(found[0], faces[name].landmarks468[:, :2] * ratio + (1000, 300)) < 2


def test_a_face_that_fills_the_picture(perception, photos, faces):
    for name in NAMES:
        low, high = (op(faces[name].landmarks468[:, :2], 0).astype(int) for op in (np.min, np.max))
        found = perception.detect(photos[name][low[1] : high[1], low[0] : high[0]])
        assert len(found) == 1, name
        assert error(found[0], faces[name].landmarks468[:, :2] - low) < 2, name


def test_a_group_shows_every_face(perception, photos, faces):
    tiles = []
    for name in NAMES:
        scale = 110 / faces[name].size
        photo = Image.fromarray(photos[name])
        small = photo.resize((round(photo.width * scale), round(photo.height * scale)))
        x, y = ((faces[name].box[i] + faces[name].box[i + 2]) / 2 * scale for i in (0, 1))
        tiles.append(np.asarray(small.crop((int(x) - 140, int(y) - 190, int(x) + 140, int(y) + 200))))
    assert len(perception.detect(np.concatenate(tiles, 1))) == len(NAMES)


@pytest.mark.parametrize("shape", [(600, 800), (3, 5), (20, 3000), (1, 1)])
def test_no_face_where_there_is_none(perception, shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert perception.detect(noise) == []
    assert perception.detect(np.full((*shape, 3), 128, np.uint8)) == []


def test_bytes_floats_and_tensors_agree(perception, photos, faces):
    photo, face = photos["astronaut.png"], faces["astronaut.png"]
    for same in (photo.astype(np.float32) / 255, torch.from_numpy(photo), torch.from_numpy(photo).double() / 255):
        (found,) = perception.detect(same)
        assert error(found, face.landmarks468[:, :2]) < 0.1


def test_ibug_points_mirror_each_other():
    """Interpolation keeps affine maps, and the 68 rows name the mesh symmetrically: left and right counts agree."""
    assert len(IBUG68) == 68
    points = np.random.default_rng(0).random((468, 3))
    matrix = np.random.default_rng(1).random((3, 2))
    np.testing.assert_allclose(ibug68(points) @ matrix, ibug68(points @ matrix))
    mirror = [*range(16, -1, -1), *range(26, 16, -1)]
    shares = [round(share, 6) for _, _, share in IBUG68]
    assert [shares[i] for i in range(27)] == [shares[i] for i in mirror]
