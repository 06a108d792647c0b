"""Training on people of one's own."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from fitdiff.errors import FitDiffError
from fitdiff.perception.types import Face
from fitdiff.training import own_data


class Perception:
    """Finds one face in the middle of any picture."""

    class conditioner:  # noqa: N801
        @staticmethod
        def five_points(marks):
            return marks[:, :5]

        @staticmethod
        def crop(image, marks):
            return image[:, :, :8, :8]

    @staticmethod
    def detect(pixels):
        marks = np.full((468, 3), 10.0, np.float32)
        return [Face((0, 0, 9, 9), 1.0, np.zeros((6, 2), np.float32), marks, marks[:68, :2], 1.0)]


@pytest.fixture
def people(tmp_path):
    folder = tmp_path / "people" / "ada"
    folder.mkdir(parents=True)
    for name, colour in (("diffuse", (200, 100, 50)), ("specular", (128, 128, 128)), ("normal", (128, 128, 255))):
        Image.new("RGB", (32, 32), colour).save(folder / f"{name}.png")
    Image.new("RGB", (40, 20), (90, 60, 50)).save(folder / "photo.png")
    camera = {"rotation": np.eye(3).tolist(), "translation": [0, 0, -1], "focal": 80, "principal": [20, 10]}
    numbers = {"identity": [0.5] * 158, "expression": [0.1] * 25, "light": [0.5, 1, 1, 1, 1, 1, 0, 0, 1]}
    (folder / "person.json").write_text(json.dumps({**numbers, "camera": camera}))
    return tmp_path / "people"


def test_a_folder_is_read_as_the_units_say(people):
    source = own_data.source(people, Perception(), 16, torch.device("cpu"))
    maps, views = source.people(0, 1)
    assert maps.shape == (1, 9, 16, 16) and source.count == 1
    assert torch.allclose(maps[0, :3, 3, 3], torch.tensor([200, 100, 50]) / 127.5 - 1, atol=1e-5)
    assert maps[0, 8].min() > 0.999
    view = views[0]
    assert view.identity.shape == (1, 158) and view.light[0, 0] == 0.5
    # A wide photo gets bars above and below: the middle moves down by ten pixels of forty.
    assert view.camera[0, 12:].tolist() == pytest.approx([2.0, 0.5, 0.5])
    assert view.points[0, 0].tolist() == pytest.approx([0.25, 0.5])


def test_batches_of_a_folder_depend_on_the_step(people):
    folder = own_data.MapFolder(people, 16, torch.device("cpu"))
    assert torch.equal(folder.batch(3, 2), folder.batch(3, 2)) and folder.batch(0, 3).shape == (3, 9, 16, 16)


def test_what_is_wrong_is_said(people, tmp_path):
    with pytest.raises(FitDiffError, match="holds no people"):
        own_data.people_of(tmp_path)
    path = people / "ada" / "person.json"
    good = json.loads(path.read_text())
    for bad in ({"identity": [1.0]}, {"camera": {}}, {"light": None}):
        path.write_text(json.dumps({**good, **bad}))
        with pytest.raises(FitDiffError) as caught:
            own_data.source(people, Perception(), 16, torch.device("cpu")).people(0, 1)
        assert caught.value.code == "training-data" and "person.json" in caught.value.sentence
    path.write_text(json.dumps(good))
    (people / "ada" / "normal.png").write_bytes(b"nothing")
    with pytest.raises(FitDiffError, match=r"normal\.png cannot be read"):
        own_data.read_maps(people / "ada", 16)
