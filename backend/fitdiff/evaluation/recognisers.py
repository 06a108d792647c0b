"""The networks that compare two pictures for identity."""

from __future__ import annotations

from functools import cache

from .. import weight_files
from ..perception import weights
from ..perception.bundle import Perception
from ..perception.mobilefacenet import MobileFaceNet
from ..perception.types import IdentityNetwork

EXTRA = "mobilefacenet"


def networks(perception: Perception) -> dict[str, IdentityNetwork]:
    """By name: the stack's own, and the one for evaluation only, if installed."""
    known = [perception.conditioner, perception.identity]
    if extra_is_there():
        known.append(_extra(str(perception.device)))
    return {network.name: network for network in known}


def extra_is_there() -> bool:
    return weight_files.find(f"{EXTRA}.safetensors") is not None


@cache
def _extra(device: str) -> IdentityNetwork:
    return weights.load(MobileFaceNet(), EXTRA, device)
