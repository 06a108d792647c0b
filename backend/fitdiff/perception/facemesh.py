"""FaceMesh with attention: 468 points and both irises of a face in a 192 x 192 crop (MediaPipe's face_landmark).

A trunk places all points; then three small networks look at the lips and the eyes again, each in a patch of the trunk's
early features that is cut out upright around what the trunk saw there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import blazeface
from .blazeface import same_pad

PATCH = 16  # side of a region's patch, in cells
MARGIN = 1.5  # a patch's sides over those of what it is cut around
CELL = 4  # pixels of the crop per cell of the features that the patches are cut from

LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
RIGHT_EYE = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24),
    *(23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233),
    *(244, 113, 225, 224, 223, 222, 221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120),
    *(121, 128, 245, 156, 70, 63, 105, 66, 107, 55, 193),
)
LEFT_EYE = (
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254),
    *(253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453),
    *(464, 342, 445, 444, 443, 442, 441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349),
    *(350, 357, 465, 383, 300, 293, 334, 296, 336, 285, 417),
)


class Block(blazeface.Block):
    """BlazeFace's block with a PReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, stride)
        self.activation = nn.PReLU(channels_out)


def _stages(*widths: tuple[int, int, int]) -> list[nn.Module]:
    """(channels in, out, stride), each followed by two blocks of its width."""
    return [block for a, b, stride in widths for block in (Block(a, b, stride), Block(b, b), Block(b, b))]


def _narrow() -> list[nn.Module]:
    return [nn.Conv2d(128, 32, 1), nn.PReLU(32), Block(32, 32)]


class Region(nn.Module):
    """The second look at one part of the face.

    members  the points it places, in the order of its output
    level    two of them whose line lies level in the patch
    iris     whether it also places the iris: its middle, then right, top, left, bottom
    """

    def __init__(self, members: tuple[int, ...], level: tuple[int, int], iris: bool) -> None:
        super().__init__()
        self.members, self.level = list(members), level
        self.stem = nn.Sequential(Block(32, 32), Block(32, 32), *_stages((32, 64, 2)), Block(64, 128, 2))
        self.heads = nn.ModuleList(
            nn.Sequential(
                *(Block(128, 128), Block(128, 128), *_stages((128, 128, 2)), *_narrow()),
                nn.Conv2d(32, 2 * count, 2),
            )
            for count in ((len(members), 5) if iris else (len(members),))
        )

    def forward(self, features: Tensor, points: Tensor) -> list[Tensor]:
        """features (B, 32, 48, 48), points (B, 468, 2) in pixels -> points (B, N, 2) in pixels, one set per head."""
        to_features = self.place(points / CELL)
        turn, corner = to_features[:, :, :2], to_features[:, :, 2]
        at = torch.arange(PATCH, dtype=points.dtype, device=points.device) + 0.5
        cells = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).view(1, -1, 2)
        where = cells @ turn.transpose(1, 2) + corner[:, None]
        extent = torch.tensor([features.shape[3], features.shape[2]], dtype=points.dtype, device=points.device)
        grid = (where / extent * 2 - 1).view(-1, PATCH, PATCH, 2)
        patch = F.grid_sample(features, grid, "bilinear", "zeros", align_corners=False)
        stem = self.stem(patch)
        seen = [head(stem).flatten(1).view(len(points), -1, 2) for head in self.heads]
        return [one @ turn.transpose(1, 2) + CELL * corner[:, None] for one in seen]

    def place(self, points: Tensor) -> Tensor:
        """(B, 468, 2) -> (B, 2, 3) from a patch's cells to where the points are measured: a turned rectangle."""
        along = F.normalize(points[:, self.level[1]] - points[:, self.level[0]], dim=1)
        axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], 1)], 2)  # columns: along, down
        local = points[:, self.members] @ axes
        low, high = local.amin(1), local.amax(1)
        middle = (axes @ ((low + high) / 2)[:, :, None])[:, :, 0]
        turn = axes * ((high - low) * MARGIN / PATCH)[:, None]
        corner = middle - turn.sum(2) * (PATCH / 2)
        return torch.cat([turn, corner[:, :, None]], 2)


class FaceMesh(nn.Module):
    size = 192

    def __init__(self) -> None:
        super().__init__()
        self.first, self.activation = nn.Conv2d(3, 16, 3, 2), nn.PReLU(16)
        self.early = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 32, 2))
        self.late = nn.Sequential(
            *(Block(32, 32), Block(32, 32), *_stages((32, 64, 2), (64, 128, 2), (128, 128, 2), (128, 128, 2))),
            *_narrow(),
        )
        self.landmarks = nn.Conv2d(32, 468 * 3, 3)
        self.lips = Region(LIPS, (61, 291), iris=False)
        self.right_eye = Region(RIGHT_EYE, (33, 133), iris=True)
        self.left_eye = Region(LEFT_EYE, (362, 263), iris=True)
        self.presence = nn.Conv2d(32, 1, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images (B, 3, 192, 192) sRGB 0..1 -> points (B, 468, 3) in the crop's pixels, irises (B, 2, 5, 2) right then
        left, presence (B,) 0..1."""
        features = self.early(self.activation(self.first(same_pad(images, 3, 2))))
        x = self.late(features)
        points = self.landmarks(x).flatten(1).view(-1, 468, 3)
        flat, irises = points[..., :2].clone(), []
        for region in (self.lips, self.right_eye, self.left_eye):
            members, *iris = region(features, points[..., :2])
            flat[:, region.members] = members
            irises += iris
        refined = torch.cat([flat, points[..., 2:]], 2)
        return refined, torch.stack(irises, 1), torch.sigmoid(self.presence(x).flatten())
