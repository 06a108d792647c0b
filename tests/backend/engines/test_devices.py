"""Engines away from the processor: nothing of theirs stays behind, and what comes out is the same."""

import numpy as np
import pytest
import torch

from fitdiff import devices
from fitdiff.engines import diffusion, fit, landmarks
from fitdiff.errors import FitDiffError
from fitdiff.face.model import model_on
from fitdiff.fitting.settings import FitSettings
from fitdiff.perception import Perception
from fitdiff.perception.analyse import Analysis

from ..drawn_networks import write_networks
from ..pretend_device import AWAY, Away, Mixed, second_device

ENGINES = {
    "landmarks": landmarks.reconstruct,
    "fit": lambda analysis: fit.reconstruct(analysis, FitSettings(steps=1, identity_from=0.0)),
    "diffusion": lambda analysis: diffusion.reconstruct(
        analysis, diffusion.DiffusionSettings(steps=1, likeness_steps=1), seed=2
    ),
}


def test_the_pretended_device_refuses_what_a_card_would():
    with second_device() as away:
        here, there = torch.ones(2, 3), torch.arange(6.0).view(2, 3).to(away)
        assert isinstance(there, Away) and there.device == AWAY
        assert (there * 2 + 1).sum().item() == 36
        assert there[:, (0, 2)].tolist() == [[0, 2], [3, 5]]
        assert there[torch.tensor([1])].tolist() == [[3, 4, 5]]
        assert torch.tensor([1.5], device=away).item() == there.new_tensor([1.5]).item() == 1.5
        with pytest.raises(Mixed):
            here + there
        with pytest.raises(Mixed):
            torch.cat([here, there])
        with pytest.raises(RuntimeError):
            there.numpy()
        weight = there.clone().requires_grad_()
        (weight.square().sum() * 3).backward()
        assert weight.grad.tolist() == (6 * there).tolist()


@pytest.fixture(scope="module")
def looked_at(photo_analysis, tmp_path_factory):
    """The demo photo as it is seen here, and by networks on the other device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITDIFF_WEIGHTS", str(write_networks(tmp_path_factory.mktemp("networks"))))
        yield photo_analysis


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_runs_whole_on_another_device(looked_at, engine, monkeypatch):
    mine = ENGINES[engine](looked_at)
    if engine != "fit":  # diffusion ends with the same steps, and torch's rasteriser takes long here
        monkeypatch.setenv("FITDIFF_RASTERIZER", "torch")  # as a card would
    with second_device() as away:
        there = Analysis(looked_at.photo, looked_at.faces, looked_at.face, looked_at.model, Perception(device=away))
        avatar = ENGINES[engine](there)
    assert avatar.manifest.metrics == pytest.approx(mine.manifest.metrics, rel=1e-3)
    assert np.abs(avatar.mesh.vertices - mine.mesh.vertices).max() < 1e-5
    for name, picture in avatar.maps.items():
        assert np.abs(picture.astype(int) - mine.maps[name].astype(int)).mean() < 0.1, name


def test_the_face_model_is_copied_once_and_stays_where_perception_knows_it(photo_analysis):
    model = photo_analysis.model
    assert model_on(model, torch.device("cpu")) is model
    with second_device() as away:
        copy = model_on(model, away)
        assert copy.mean.device == away and model_on(model, away) is copy
    assert model.mean.device.type == "cpu"


def test_the_device_is_the_one_that_is_asked_for_and_auto_is_the_best(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [devices.choose(name) for name in devices.DEVICES] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [devices.choose(name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(FitDiffError) as refused:
        devices.choose("cuda")
    assert refused.value.code == "device-missing"


def test_what_auto_will_take_is_known_without_torch(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "nvidia_card", lambda: "NVIDIA RTX A2000")

    def installed(cuda):
        (tmp_path / "version.py").write_text(f"__version__ = '2.13.0'\ncuda: Optional[str] = {cuda!r}\nhip = None\n")

    monkeypatch.setattr(
        devices.importlib.util, "find_spec", lambda name: type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    )
    installed("13.0")
    assert (devices.expected()["kind"], devices.expected()["name"]) == ("cuda", "NVIDIA RTX A2000")
    installed(None)  # a card that this PyTorch cannot drive
    assert devices.expected()["kind"] == "cpu"
    monkeypatch.setattr(devices, "nvidia_card", lambda: "")
    installed("13.0")
    assert devices.expected()["kind"] == "cpu"
