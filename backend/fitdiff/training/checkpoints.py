"""The state that a run continues from: one safetensors file, written atomically, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..tensor_files import damaged, opened, write_unchecked


def save_state(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Save everything that a run needs to continue exactly."""
    write_unchecked(path, tensors, {"facts": json.dumps(facts)})


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, header = opened(path)
    if "facts" not in header:
        raise damaged(path, "no facts in its header")
    return tensors, json.loads(header["facts"])


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimiser's moments as plain tensors, by the number of the parameter."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}{number}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for number, entry in state.items()
        for name, value in entry.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str) -> None:
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            number, name = key[len(prefix) :].split(".", 1)
            found.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": found, "param_groups": optimizer.state_dict()["param_groups"]})
