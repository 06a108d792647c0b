"""The networks of one stack, each loaded on first use."""

from __future__ import annotations

from functools import cached_property, lru_cache

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import FitDiffError
from . import weights
from .types import Face, FaceFinder, IdentityNetwork, PerceptualNetwork

STACKS = ("embedded", "research")
IDENTITIES = ("fr", "dlib")


class Perception:
    """The networks that engines look at photos with.

    finder        photo -> faces
    conditioner   the recogniser whose features condition the diffusion model: always the same one within a stack
    identity      the recogniser that guides: a stronger one than the conditioner, or the conditioner itself
    perceptual    the network that compares pictures
    """

    def __init__(self, stack: str = "embedded", identity: str = "fr", device: torch.device | str = "cpu") -> None:
        if stack not in STACKS or identity not in IDENTITIES:
            raise FitDiffError(
                "perception-unknown",
                f"There is no perception stack {stack!r} with identity {identity!r}: "
                f"choose a stack of {', '.join(STACKS)} and an identity of {', '.join(IDENTITIES)}.",
            )
        self.stack, self.identity_name, self.device = stack, identity, torch.device(device)

    @staticmethod
    @lru_cache(maxsize=4)
    def load(stack: str = "embedded", identity: str = "fr", device: torch.device | str = "cpu") -> Perception:
        """The bundle of these settings, the same object each time, so that networks load once per process."""
        return Perception(stack, identity, device)

    @cached_property
    def finder(self) -> FaceFinder:
        if self.stack == "research":
            from .research.finder import ResearchFinder

            return ResearchFinder.load(self.device)
        from .blazeface import BlazeFace
        from .detector import Detector
        from .finder import EmbeddedFinder
        from .landmarks import Landmarker

        detector = Detector(weights.load(BlazeFace(), "blazeface", self.device))
        return EmbeddedFinder(detector, Landmarker.load(self.device))

    @cached_property
    def conditioner(self) -> IdentityNetwork:
        if self.stack == "research":
            from .research.arcface import ArcFace

            return ArcFace.load(self.device)
        from .dlib_resnet import DlibResNet

        return weights.load(DlibResNet(), "dlib_resnet", self.device)

    @cached_property
    def identity(self) -> IdentityNetwork:
        if self.stack == "research" or self.identity_name == "dlib":
            return self.conditioner
        from .fr_feature import FrFeature

        # On CPUs this network is four times slower with channels last; the others are faster.
        return weights.load(FrFeature(), "fr_feature", self.device, torch.contiguous_format)

    @cached_property
    def perceptual(self) -> PerceptualNetwork:
        if self.stack == "research":
            from .research.perceptual import Lpips

            return Lpips.load(self.device)
        from .squeezenet import SqueezeNet

        return weights.load(SqueezeNet(), "squeezenet", self.device)

    def detect(self, image: NDArray | Tensor) -> list[Face]:
        """image (H, W, 3) sRGB, uint8 or float 0..1 -> faces, the most likely subject (large, certain) first."""
        return self.finder(image)


def detect(image: NDArray | Tensor, device: torch.device | str = "cpu") -> list[Face]:
    """Faces of a photo with the embedded stack: image (H, W, 3) sRGB, uint8 or float 0..1."""
    return Perception.load(device=device).detect(image)
