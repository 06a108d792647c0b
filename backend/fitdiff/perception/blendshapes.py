"""MediaPipe's blendshape network: how far each of ARKit's expressions shows in a face's landmarks, by mixing points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The landmarks that the network reads, of FaceMesh's 468; then come all ten of the irises, right eye first.
READ = (
    *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80),
    *(81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153),
    *(154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249),
    *(251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314),
    *(317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382),
    *(384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466),
)
# ARKit's names in the order of the network's outputs; the first says how little the face does, and ARKit has it not.
NAMES = (
    *("neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft"),
    *("mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
    *("noseSneerLeft", "noseSneerRight"),
)
TOKENS, WIDTH = 96, 64


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))


class Mixer(nn.Module):
    """Mixes tokens, then each token's numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.across = nn.LayerNorm(WIDTH, 1e-6, bias=False), _mlp(TOKENS + 1, 384)
        self.norm2, self.within = nn.LayerNorm(WIDTH, 1e-6, bias=False), _mlp(WIDTH, 256)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.within(self.norm2(x))


class Blendshapes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.summary = nn.Parameter(torch.zeros(1, WIDTH))  # the token that the scores are read from
        self.choose, self.lift = nn.Linear(len(READ) + 10, TOKENS), nn.Linear(2, WIDTH)
        self.mixers = nn.Sequential(*(Mixer() for _ in range(4)))
        self.scores = nn.Linear(WIDTH, len(NAMES))

    def forward(self, points: Tensor, irises: Tensor) -> Tensor:
        """points (B, 468, 2 or 3), irises (B, 2, 5, 2), both in pixels of an upright face -> (B, 52) 0..1, as NAMES."""
        read = torch.cat([points[:, list(READ), :2], irises.flatten(1, 2)], 1)
        away = read - read.mean(1, keepdim=True)
        away = away / away.norm(dim=2, keepdim=True).mean(1, keepdim=True) / 2
        tokens = self.lift(self.choose(away.transpose(1, 2)).transpose(1, 2))
        mixed = self.mixers(torch.cat([self.summary.expand(len(tokens), 1, -1), tokens], 1))
        return torch.sigmoid(self.scores(mixed[:, 0]))
