"""The diffusion model's two networks, small and untrained, as files: all that its commands need to run, and no likeness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from fitdiff.diffusion import LENGTH, ScheduleConfig, Statistics
from fitdiff.diffusion.weights import FACE, save_autoencoder, save_denoiser
from fitdiff.generation.generator import AUTOENCODER, DENOISER
from fitdiff.networks import Autoencoder, AutoencoderConfig, Denoiser, DenoiserConfig

# What is laid down in closed form by a training would be nothing here: the network alone.
CONFIG = replace(
    AutoencoderConfig.lite(), channels=8, codes=64, groups=8, mean=0, logarithms=False, mosaic=False, detail=0
)
DENOISER_CONFIG = replace(DenoiserConfig.lite(), channels=32, heads=1, head_channels=8, spade=8)


def write_networks(folder: Path, seed: int = 0, face: str = FACE) -> Path:
    """A pair of one made-up training. Its light is a usual one, so that pictures are not black."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    card = save_autoencoder(folder / AUTOENCODER, Autoencoder(CONFIG), "nobody", 0, {})
    mean, scale = torch.zeros(LENGTH), torch.ones(LENGTH)
    mean[-9:] = torch.tensor([0.5, 0.7, 0.6, 1.0, 1.0, 1.0, 0.1, 0.4, 0.9])
    scale[-9:], scale[4096:-9] = 0.1, 0.5
    statistics = Statistics(mean, scale)
    network, schedule = Denoiser(DENOISER_CONFIG), ScheduleConfig.lite()
    save_denoiser(folder / DENOISER, network, schedule, statistics, card.sha256, "nobody", 0, {}, face=face)
    return folder
