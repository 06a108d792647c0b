"""FaceMesh with attention: 468 points and both irises of a face in a 192 x 192 crop (MediaPipe's face_landmark).

A trunk places all points; then three small networks refine the lips and the eyes, each in a patch of the trunk's early
features, cut out upright around the trunk's points.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import blazeface
from .blazeface import same_pad

PATCH = 16  # side of a region's patch, in cells
MARGIN = 1.5  # a patch's sides over those of the points it is cut around
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
# The index that each point has in the mirrored face.
MIRROR = (
    *(0, 1, 2, 248, 4, 5, 6, 249, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 250, 251, 252, 253, 254, 255, 256),
    *(257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270, 271, 272, 273, 274, 275, 276, 277, 278),
    *(279, 280, 281, 282, 283, 284, 285, 286, 287, 288, 289, 290, 291, 292, 293, 294, 295, 296, 297, 298, 299, 300),
    *(301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 322),
    *(323, 94, 324, 325, 326, 327, 328, 329, 330, 331, 332, 333, 334, 335, 336, 337, 338, 339, 340, 341, 342, 343),
    *(344, 345, 346, 347, 348, 349, 350, 351, 352, 353, 354, 355, 356, 357, 358, 359, 360, 361, 362, 363, 364, 365),
    *(366, 367, 368, 369, 370, 371, 372, 373, 374, 375, 376, 377, 378, 379, 151, 152, 380, 381, 382, 383, 384, 385),
    *(386, 387, 388, 389, 390, 164, 391, 392, 393, 168, 394, 395, 396, 397, 398, 399, 175, 400, 401, 402, 403, 404),
    *(405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 195, 419, 197, 420, 199, 200, 421, 422),
    *(423, 424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 435, 436, 437, 438, 439, 440, 441, 442, 443, 444),
    *(445, 446, 447, 448, 449, 450, 451, 452, 453, 454, 455, 456, 457, 458, 459, 460, 461, 462, 463, 464, 465, 466),
    *(467, 3, 7, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43),
    *(44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70),
    *(71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 95, 96, 97, 98),
    *(99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120),
    *(121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142),
    *(143, 144, 145, 146, 147, 148, 149, 150, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 165, 166, 167),
    *(169, 170, 171, 172, 173, 174, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191),
    *(192, 193, 194, 196, 198, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217),
    *(218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239),
    *(240, 241, 242, 243, 244, 245, 246, 247),
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
    """The network that refines one part of the face.

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
        """(B, 468, 2) -> (B, 2, 3) from a patch's cells to the points' pixels: a turned rectangle."""
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
