"""insightface's SCRFD face detector, from the user's ONNX file."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .. import alignment
from ..detector import overlap
from ..types import Detection
from . import files
from .loading import onnx_network, unusable

SIZE = 640
STRIDES = (8, 16, 32)
ANCHORS = 2  # per cell


class Scrfd(nn.Module):
    """Reads the photo fitted into a square of 640 pixels."""

    def __init__(self, network: nn.Module, score: float = 0.5, overlap: float = 0.4) -> None:
        """network: (1, 3, 640, 640) RGB, (x - 127.5) / 128 -> nine tensors, see decode()."""
        super().__init__()
        self.network, self.score, self.overlap = network, score, overlap

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> Scrfd:
        path = files.locate(files.SCRFD)
        detector = cls(onnx_network(path, files.SCRFD)).to(device)
        try:
            detector.decode(detector.network(torch.zeros(1, 3, SIZE, SIZE, device=device)))
        except (LookupError, RuntimeError) as error:
            raise unusable(path, files.SCRFD, str(error)) from error
        return detector

    @torch.no_grad()
    def forward(self, image: Tensor) -> list[Detection]:
        """image (1, 3, H, W) uint8 or 0..1 -> faces, surest first; the ears' keypoints are not known to this network."""
        height, width = image.shape[-2:]
        scale = max(height, width) / SIZE
        to_image = torch.tensor([[[scale, 0.0, 0.0], [0.0, scale, 0.0]]], device=image.device)
        square = alignment.crop(image, to_image, SIZE)
        scores, places = self.decode(self.network((square * 255 - 127.5) / 128))
        keep = scores > self.score
        order = scores[keep].argsort(descending=True)
        found: list[Detection] = []
        for score, place in zip(scores[keep][order].tolist(), (places[keep][order] * scale).cpu(), strict=True):
            x0, y0, x1, y1 = place[:2].flatten().tolist()
            if all(overlap((x0, y0, x1, y1), one.box)[0] <= self.overlap for one in found):
                found.append(Detection((x0, y0, x1, y1), score, six_keypoints(place[2:].numpy())))
        return found

    def decode(self, outputs: list[Tensor] | tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """The network's tensors, identified by their sizes -> scores (N,), places (N, 7, 2) in the square's pixels.

        For each stride: scores (.., 1), distances from the anchor to the box's sides (.., 4) and to five keypoints
        (.., 10), in strides. A place is the box's two corners, then the keypoints.
        """
        by_size = {(out.numel() // out.shape[-1], out.shape[-1]): out.reshape(-1, out.shape[-1]) for out in outputs}
        scores, places = [], []
        for stride in STRIDES:
            cells = SIZE // stride
            count = cells * cells * ANCHORS
            score, box, points = (by_size[count, width] for width in (1, 4, 10))
            at = torch.arange(cells, device=score.device, dtype=score.dtype) * stride
            y, x = torch.meshgrid(at, at, indexing="ij")
            anchors = torch.stack([x, y], -1).view(-1, 1, 2).repeat_interleave(ANCHORS, 0)
            corners = box.view(-1, 2, 2) * torch.tensor([[[-1.0], [1.0]]], device=box.device)
            scores.append(score[:, 0])
            places.append(anchors + stride * torch.cat([corners, points.view(-1, 5, 2)], 1))
        return torch.cat(scores), torch.cat(places)


def six_keypoints(five: np.ndarray) -> np.ndarray:
    """Eyes, nose and mouth corners (5, 2) -> the six keypoints of Detection, with ears estimated on the eyes' line."""
    right_eye, left_eye, nose, *mouth = five
    across = left_eye - right_eye
    ears = (right_eye - 0.6 * across, left_eye + 0.6 * across)
    return np.stack([right_eye, left_eye, nose, np.mean(mouth, 0), *ears]).astype(np.float32)
