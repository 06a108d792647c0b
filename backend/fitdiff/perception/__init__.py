"""What a photo shows: faces, landmarks, identity, skin."""

from .bundle import Perception, detect
from .types import Detection, Face, FaceFinder, IdentityFeatures, IdentityNetwork, PerceptualNetwork

__all__ = [
    "Detection",
    "Face",
    "FaceFinder",
    "IdentityFeatures",
    "IdentityNetwork",
    "Perception",
    "PerceptualNetwork",
    "detect",
]
