"""Opens the user's own weight files without running anything that they hold."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import FitDiffError
from .files import UserWeights


def torch_state(path: Path, wanted: UserWeights) -> dict[str, Tensor]:
    """The tensors of a file that torch.save wrote: a state dict, or one under the key "state_dict"."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise unusable(path, wanted, str(error)) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise unusable(path, wanted, f"holds a {type(content).__name__}, not named tensors")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def fill(network: nn.Module, state: dict[str, Tensor], path: Path, wanted: UserWeights) -> None:
    """Load a state dict that must fit; names that the network lacks are an error, so are missing ones."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise unusable(path, wanted, str(error)) from error


def onnx_network(path: Path, wanted: UserWeights) -> torch.fx.GraphModule:
    """An ONNX file as a torch module, its weights frozen."""
    try:
        import onnx
        import onnx2torch
        from google.protobuf.message import DecodeError
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision built for another torch than this one
        raise FitDiffError(
            "package-broken",
            f"The Python package onnx2torch, which reads {path.name}, is installed but does not start, most often because "
            "its torchvision was built for another torch. Install torch and torchvision from the same place, or use the "
            "embedded stack, which needs neither.",
            details=str(error),
            data={"name": wanted.name},
        ) from error

    try:
        network = onnx2torch.convert(onnx.load(str(path)))
    except (DecodeError, NotImplementedError, RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise unusable(path, wanted, str(error)) from error
    return network.eval().requires_grad_(False)


def unusable(path: Path, wanted: UserWeights, details: str) -> FitDiffError:
    return FitDiffError(
        "weights-damaged",
        f"The file {path.name} could not be used as {wanted.what}, because it is damaged or of another kind. "
        f"{wanted.how_to_get}",
        details=f"{path}: {details}",
        data={"path": str(path), "name": wanted.name},
    )
