"""Where half precision is not enough, whatever the caller has switched on."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def full(like: Tensor) -> contextlib.AbstractContextManager[object]:
    """No autocasting on the device of `like`; shapes alone (meta) have none."""
    return contextlib.nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)
