"""Finds, verifies and loads networks' weights: safetensors files described by their header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from .. import tensor_files, weight_files
from ..errors import FitDiffError

Network = TypeVar("Network", bound=nn.Module)
GET_EMBEDDED = "Run `python3 build.py assets` in the project's folder; it fetches and converts them once."
NEGLIGIBLE = 1e-20
"""Weights up to this are set to 0: dead channels have some, and CPUs multiply denormal numbers many times slower."""
FETCH_AGAIN = f"Delete it, then fetch it again. {GET_EMBEDDED}"


@dataclass(frozen=True)
class Card:
    """The header of a weights file."""

    what: str
    origin: str  # package, version and file that the weights were read from
    licence: str
    sha256: str  # of the tensors, see tensor_files.checksum()


@dataclass(frozen=True)
class Embedded:
    """A network of the embedded stack: its file is <name>.safetensors."""

    name: str
    what: str
    licence: str


EMBEDDED = (
    Embedded("blazeface", "face detector (MediaPipe, short range)", "Apache-2.0"),
    Embedded("facemesh", "468 face landmarks and irises (MediaPipe)", "Apache-2.0"),
    Embedded("facemesh_v2", "468 face landmarks and irises (MediaPipe, second)", "Apache-2.0"),
    Embedded("dlib_resnet", "identity, 128 numbers (dlib ResNet)", "CC0-1.0"),
    Embedded("fr_feature", "identity, 512 numbers (MobileFaceNet, ArcFace-shaped)", "MIT as stated"),
    Embedded("squeezenet", "perceptual features (SqueezeNet 1.1, ImageNet)", "MIT"),
)

# Used by `fitdiff evaluate` only: no engine may use the network that it is judged by.
EVALUATION = (Embedded("mobilefacenet", "identity, 192 numbers (MobileFaceNet), evaluation only", "MIT as stated"),)
GET_EVALUATION = "Run `python3 build.py assets --evaluation` in the project's folder; it fetches and converts it once."


def save(tensors: dict[str, Tensor], path: Path, what: str, origin: str, licence: str) -> None:
    """Write a weights file with its card, atomically."""
    tensor_files.write(path, tensors, {"what": what, "origin": origin, "licence": licence})


def read(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Tensors and card of a file, its checksum verified."""
    tensors, header = tensor_files.opened(path, FETCH_AGAIN)
    missing = [key for key in ("what", "origin", "licence", "sha256") if key not in header]
    if missing:
        raise tensor_files.damaged(path, f"the header lacks {', '.join(missing)}", FETCH_AGAIN)
    tensor_files.verify(path, tensors, header["sha256"], FETCH_AGAIN)
    return tensors, Card(header["what"], header["origin"], header["licence"], header["sha256"])


def load(
    network: Network,
    name: str,
    device: torch.device | str = "cpu",
    memory_format: torch.memory_format = torch.channels_last,
) -> Network:
    """Fill a network from <name>.safetensors: float32, evaluation mode, no gradients for its own weights."""
    path = weight_files.find(f"{name}.safetensors")
    if path is None:
        what = next((known.what for known in (*EMBEDDED, *EVALUATION) if known.name == name), name)
        raise FitDiffError(
            "weights-missing",
            f"FitDiff cannot look at photos yet, because a network it needs is not installed: {what}. {GET_EMBEDDED}",
            details=f"{name}.safetensors not found in: {', '.join(map(str, weight_files.folders()))}",
            data={"name": name, "looked_in": [str(folder) for folder in weight_files.folders()]},
        )
    tensors, _ = read(path)
    try:
        network.load_state_dict({key: _without_dust(tensor.float()) for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise tensor_files.damaged(path, str(error), FETCH_AGAIN) from error
    network.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)


def _without_dust(weights: Tensor) -> Tensor:
    return weights * (weights.abs() > NEGLIGIBLE)


def report() -> list[dict]:
    """One row per network for `fitdiff doctor`: what it is, whether and where present, how to get it, licence."""
    rows = []
    for known in (*EMBEDDED, *EVALUATION):
        path = weight_files.find(f"{known.name}.safetensors")
        rows.append(
            {
                "name": known.name,
                "stack": "embedded" if known in EMBEDDED else "evaluation",
                "what": known.what,
                "present": path is not None,
                "path": str(path) if path else None,
                "looked_in": [str(folder) for folder in weight_files.folders()],
                "how_to_get": GET_EMBEDDED if known in EMBEDDED else GET_EVALUATION,
                "licence": known.licence,
            }
        )
    from .research import files

    return rows + files.report()
