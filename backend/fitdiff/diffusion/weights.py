"""Weights of the two networks as files: safetensors with a card in the header, written whole or not at all, verified when
read. Nothing in them can run code."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .. import tensor_files
from ..errors import FitDiffError
from ..networks import Autoencoder, AutoencoderConfig, Denoiser, DenoiserConfig
from .latent import Statistics
from .schedule import ScheduleConfig

LICENCE = "CC0-1.0"
FACE = "embedded"
Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class Card:
    """What a weights file says of itself."""

    what: str
    trained_on: str
    licence: str
    steps: int
    sha256: str
    details: dict[str, Any]  # losses, settings: what a reader may want to know


@dataclasses.dataclass(frozen=True)
class TrainedDenoiser:
    network: Denoiser
    schedule: ScheduleConfig
    statistics: Statistics
    autoencoder: str  # sha256 of the autoencoder whose latents it knows
    card: Card
    face: str = FACE  # the face model whose shapes it knows


def save_autoencoder(
    path: Path, network: Autoencoder, trained_on: str, steps: int, details: dict[str, Any], half: bool = True
) -> Card:
    header = {"config": _packed(network.config)}
    return _save(path, network.state_dict(), "branched VQGAN autoencoder", trained_on, steps, details, header, half)


def load_autoencoder(path: Path, device: torch.device | str = "cpu") -> tuple[Autoencoder, Card]:
    tensors, header, card = _read(path, "branched VQGAN autoencoder")
    network = _filled(path, lambda: Autoencoder(_unpacked(AutoencoderConfig, header["config"])), tensors)
    return network.to(device), card


def save_denoiser(
    path: Path,
    network: Denoiser,
    schedule: ScheduleConfig,
    statistics: Statistics,
    autoencoder: str,
    trained_on: str,
    steps: int,
    details: dict[str, Any],
    half: bool = True,
    face: str = FACE,
) -> Card:
    tensors = network.state_dict()
    # Kept in full: the light's numbers need it.
    kept = {"statistics.mean": statistics.mean, "statistics.scale": statistics.scale}
    header = {
        "config": _packed(network.config),
        "schedule": _packed(schedule),
        "autoencoder": autoencoder,
        "face": face,
    }
    return _save(path, tensors, "SPADE denoiser", trained_on, steps, details, header, half, kept)


def load_denoiser(path: Path, device: torch.device | str = "cpu") -> TrainedDenoiser:
    tensors, header, card = _read(path, "SPADE denoiser")
    try:
        statistics = Statistics(tensors.pop("statistics.mean"), tensors.pop("statistics.scale"))
        schedule, autoencoder = _unpacked(ScheduleConfig, header["schedule"]), header["autoencoder"]
    except (KeyError, TypeError, ValueError) as error:
        raise tensor_files.damaged(path, repr(error)) from error
    network = _filled(path, lambda: Denoiser(_unpacked(DenoiserConfig, header["config"])), tensors)
    face = header.get("face", FACE)
    return TrainedDenoiser(network.to(device), schedule, statistics.to(device), autoencoder, card, face)


def _save(
    path: Path,
    tensors: dict[str, Tensor],
    what: str,
    trained_on: str,
    steps: int,
    details: dict[str, Any],
    header: dict[str, str],
    half: bool,
    kept: dict[str, Tensor] | None = None,
) -> Card:
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if half:
        # Vectors are small, and some, as the schedule's, need all their digits.
        held = {name: t.half() if t.is_floating_point() and t.dim() > 1 else t for name, t in held.items()}
    held |= {name: tensor.detach().cpu().float().contiguous() for name, tensor in (kept or {}).items()}
    facts = {"what": what, "trained_on": trained_on, "licence": LICENCE, "steps": str(steps)}
    digest = tensor_files.write(path, held, {**facts, "details": json.dumps(details), **header})
    return Card(what, trained_on, LICENCE, steps, digest, details)


def _read(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, str], Card]:
    tensors, header = tensor_files.opened(path)
    try:
        card = Card(
            header["what"],
            header["trained_on"],
            header["licence"],
            int(header["steps"]),
            header["sha256"],
            json.loads(header["details"]),
        )
    except (KeyError, ValueError) as error:
        raise tensor_files.damaged(path, f"its header lacks {error}") from error
    if card.what != what:
        raise FitDiffError("weights-other", f"{path.name} holds a {card.what}, where a {what} is wanted.")
    tensor_files.verify(path, tensors, card.sha256)
    return tensors, header, card


Network = TypeVar("Network", bound=nn.Module)


def _filled(path: Path, build: Callable[[], Network], tensors: dict[str, Tensor]) -> Network:
    try:
        network = build()
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise tensor_files.damaged(path, str(error)) from error
    return network.eval()


def _packed(config: Any) -> str:
    return json.dumps(dataclasses.asdict(config))


def _unpacked(kind: type[Config], text: str) -> Config:
    return kind(**{name: _tuples(value) for name, value in json.loads(text).items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
