"""Checkpoints: what they say of themselves, and what becomes of damaged ones."""

from dataclasses import replace

import pytest
import torch

from fitdiff.diffusion import LENGTH, ScheduleConfig, Statistics
from fitdiff.diffusion.weights import load_autoencoder, load_denoiser, save_autoencoder, save_denoiser
from fitdiff.errors import FitDiffError
from fitdiff.networks import Autoencoder, AutoencoderConfig, Denoiser, DenoiserConfig
from fitdiff.training import checkpoints

SMALL = replace(AutoencoderConfig.lite(), channels=8, size=64, codes=64)
SMALL_DENOISER = replace(DenoiserConfig.lite(), channels=32, heads=1, head_channels=8, spade=8, prior=8)


def test_an_autoencoder_comes_back_with_its_card(tmp_path):
    network, path = Autoencoder(SMALL), tmp_path / "a.safetensors"
    card = save_autoencoder(path, network, "nobody", 7, {"losses": {"plain": 0.5}})
    found, read = load_autoencoder(path)
    assert read == card and read.steps == 7 and read.licence == "CC0-1.0" and found.config == SMALL
    for name, value in network.state_dict().items():
        assert torch.allclose(found.state_dict()[name], value, atol=2e-3, rtol=1e-3), name
    assert not list(tmp_path.glob("*.partial"))


def test_a_denoiser_comes_back_with_schedule_and_statistics(tmp_path):
    path = tmp_path / "d.safetensors"
    statistics = Statistics(torch.randn(LENGTH), torch.rand(LENGTH) + 0.1)
    save_denoiser(path, Denoiser(SMALL_DENOISER), ScheduleConfig.lite(), statistics, "abc", "nobody", 3, {})
    found = load_denoiser(path)
    assert found.network.config == SMALL_DENOISER and found.schedule == ScheduleConfig.lite()
    assert torch.equal(found.statistics.mean, statistics.mean) and found.autoencoder == "abc"


def test_damage_and_mistakes_are_said(tmp_path):
    path = tmp_path / "a.safetensors"
    save_autoencoder(path, Autoencoder(SMALL), "nobody", 0, {})
    with pytest.raises(FitDiffError, match="where a SPADE denoiser is wanted"):
        load_denoiser(path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(FitDiffError) as caught:
        load_autoencoder(path)
    assert caught.value.code == "weights-damaged" and "checksum" in caught.value.details
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(FitDiffError, match="damaged"):
        load_autoencoder(path)
    with pytest.raises(FitDiffError, match="damaged"):
        checkpoints.load_state(tmp_path / "missing.safetensors")


def test_an_optimizer_comes_back(tmp_path):
    torch.manual_seed(0)

    def fresh():
        layer = torch.nn.Linear(3, 3)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(0.1)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def step(layer, optimizer):
        optimizer.zero_grad()
        layer(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()

    layer, optimizer = fresh()
    step(layer, optimizer)
    checkpoints.save_state(tmp_path / "s", checkpoints.optimizer_tensors(optimizer, "o."), {"step": 1})
    other, its = fresh()
    other.load_state_dict(layer.state_dict())
    tensors, facts = checkpoints.load_state(tmp_path / "s")
    checkpoints.restore_optimizer(its, tensors, "o.")
    step(layer, optimizer)
    step(other, its)
    assert facts == {"step": 1} and torch.equal(layer.weight, other.weight)
