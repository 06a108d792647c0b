"""Open the user's weight files without running code in them."""

from __future__ import annotations

import pickle
import sys
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
    """Load a state dict whose names must be exactly the network's."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise unusable(path, wanted, str(error)) from error


def onnx_network(path: Path, wanted: UserWeights) -> torch.fx.GraphModule:
    """An ONNX file as a torch module, its weights frozen."""
    try:
        start_torchvision()
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


_declared: list[torch.library.Library] = []  # declarations end with their Library


def start_torchvision() -> None:
    """Import torchvision, which onnx2torch and lpips need, even where its compiled part does not load.

    The published wheels are linked against CUDA. Beside a CPU torch that part silently fails to load, and the import stops
    at the first operator that Python code refers to. These networks use none, so declaring them is enough; a call of one
    still raises torchvision's own error.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        import torchvision  # noqa: F401


def unusable(path: Path, wanted: UserWeights, details: str) -> FitDiffError:
    return FitDiffError(
        "weights-damaged",
        f"The file {path.name} could not be used as {wanted.what}, because it is damaged or of another kind. "
        f"{wanted.how_to_get}",
        details=f"{path}: {details}",
        data={"path": str(path), "name": wanted.name},
    )
