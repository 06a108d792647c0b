"""BlazeFace, short range: finds faces in a 128 x 128 picture (MediaPipe's face_detection_short_range)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def same_pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME padding: an odd row or column is added at the bottom or the right."""
    total = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (x.shape[3], x.shape[2])]
    if not any(total):
        return x
    return F.pad(x, (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2))


class Block(nn.Module):
    """Depthwise 3x3, pointwise, and a skip that is pooled and zero-padded in channels where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.extra = stride, channels_out - channels_in
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.activation: nn.Module = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        skip = F.max_pool2d(x, 2) if self.stride == 2 else x
        if self.extra:
            skip = F.pad(skip, (0, 0, 0, 0, 0, self.extra))
        return self.activation(skip + self.pointwise(self.depthwise(same_pad(x, 3, self.stride))))


class BlazeFace(nn.Module):
    size = 128

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 24, 5, 2)
        widths = [(24, 24, 1), (24, 28, 1), (28, 32, 2), (32, 36, 1), (36, 42, 1), (42, 48, 2)]
        widths += [(48, 56, 1), (56, 64, 1), (64, 72, 1), (72, 80, 1), (80, 88, 1)]
        self.fine = nn.Sequential(*(Block(*width) for width in widths))
        self.coarse = nn.Sequential(Block(88, 96, 2), *(Block(96, 96) for _ in range(4)))
        self.score_fine, self.score_coarse = nn.Conv2d(88, 2, 1), nn.Conv2d(96, 6, 1)
        self.place_fine, self.place_coarse = nn.Conv2d(88, 32, 1), nn.Conv2d(96, 96, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, 128, 128) sRGB 0..1 -> logits (B, 896), places (B, 896, 16) in pixels from each anchor.

        A place is the box's centre and size, then six keypoints.
        """
        fine = self.fine(F.relu(self.first(same_pad(images * 2 - 1, 5, 2))))
        coarse = self.coarse(fine)
        logits = [m.permute(0, 2, 3, 1).flatten(1) for m in (self.score_fine(fine), self.score_coarse(coarse))]
        places = [
            m.permute(0, 2, 3, 1).reshape(m.shape[0], -1, 16)
            for m in (self.place_fine(fine), self.place_coarse(coarse))
        ]
        return torch.cat(logits, 1), torch.cat(places, 1)


def anchors() -> Tensor:
    """(896, 2) centres in 0..1, in the order of BlazeFace's outputs: 16 x 16 cells of two, then 8 x 8 cells of six."""
    parts = []
    for cells, per_cell in ((16, 2), (8, 6)):
        centre = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        parts.append(torch.stack([x, y], -1).reshape(-1, 1, 2).expand(-1, per_cell, -1).reshape(-1, 2))
    return torch.cat(parts)
