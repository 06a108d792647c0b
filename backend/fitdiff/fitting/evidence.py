"""What one photo says of one face, laid out for comparison with a drawn head: the window round the face, its masks and
landmarks, the first camera, and what the recogniser makes of it. Made once for a photo, and shared by all that compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..face.model import MorphableModel, model_on
from ..perception.analyse import Analysis, crop_camera
from ..perception.facemesh import MIRROR
from ..perception.gaze import gaze_of
from ..perception.landmark_basis import FACE_OVAL
from ..perception.parting import PARTS
from ..perception.regions import LIPS_INNER, LIPS_OUTER, Crop
from ..perception.types import IdentityFeatures, IdentityNetwork
from ..render.camera import Camera
from .expected_shape import ExpectedShape, expected_shape
from .light_hints import LightHints, light_hints

CONTOUR = 0.5  # how far the landmarks of the outline are believed: they slide with the view
LIPS = 3.0  # and those of the lips: where they part is seen at once, and no other points say it


@dataclass(frozen=True, eq=False)
class Evidence:
    """All tensors on one device; pictures are the photo in the mask's window, h pixels a side."""

    analysis: Analysis
    device: torch.device
    model: MorphableModel
    crop: Crop
    camera: Camera  # of the window, as the landmarks alone have it
    photo: Tensor  # (1, 3, h, h) sRGB
    skin: Tensor  # (1, 1, h, h) where the face's skin is to be compared
    bare: Tensor  # the same where no hair is likely: its colour is the skin's
    eyes: Tensor
    mouth: Tensor  # lips, and what lies between them
    inside: Tensor  # between the lips alone
    hair: Tensor  # of the scalp
    head: Tensor  # hair, beard and bare skin: neither what hides them nor the background
    tone: tuple[float, float, float]  # linear, the face's sure skin
    landmarks: dict[str, Tensor]  # name -> (N, 2) pixels of the window
    mesh_points: Tensor  # (1, 468, 2) the same of FaceMesh, for the recogniser
    unit: float  # pixels between the eyes
    gaze: Tensor  # (1, G) where the eyes look at first sight

    @property
    def recogniser(self) -> IdentityNetwork:
        return self.analysis.perception.identity

    def trust(self, name: str) -> Tensor:
        """(N,) how far each landmark of a set is believed."""
        return trust(name, self.landmarks[name])

    @cached_property
    def hints(self) -> LightHints:
        return light_hints(self.analysis)

    @cached_property
    def expected(self) -> ExpectedShape:
        return expected_shape(self.analysis)

    @cached_property
    def whole(self) -> IdentityFeatures:
        """What the recogniser makes of the photo as it is."""
        return self._recognised(self.photo)

    @cached_property
    def alone(self) -> IdentityFeatures:
        """The same of the face on grey."""
        return self._recognised(on_grey(self.photo, self.skin))

    @cached_property
    def mirrored(self) -> IdentityFeatures:
        """The same of the photo in a mirror."""
        points = in_mirror(self.mesh_points, self.photo.shape[-1])[:, MIRROR]
        with torch.no_grad():
            return self.recogniser.embed(self.photo.flip(3), points)

    @torch.no_grad()
    def _recognised(self, picture: Tensor) -> IdentityFeatures:
        return self.recogniser.embed(picture, self.mesh_points)


def trust(name: str, points: Tensor) -> Tensor:
    """The set's name, its points (N, 2) -> (N,) how far each of them is believed; 1 is ordinary."""
    weight = torch.ones(len(points), device=points.device)
    if name == "facemesh468":
        weight[list(FACE_OVAL)] = CONTOUR
        weight[[*LIPS_OUTER, *LIPS_INNER]] = LIPS
    else:
        weight[:17] = CONTOUR
        weight[48:68] = LIPS
    return weight


def read_evidence(analysis: Analysis) -> Evidence:
    device, mask, face = analysis.perception.device, analysis.mask, analysis.face
    crop = mask.crop
    shares = dict(zip(PARTS, analysis.parting.inside(crop), strict=True))

    def pictured(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values)[None, None].to(device)

    def placed(points: np.ndarray) -> Tensor:
        return torch.from_numpy(crop.inside(points)).float().to(device)

    return Evidence(
        analysis=analysis,
        device=device,
        model=model_on(analysis.model, device),
        crop=crop,
        camera=crop_camera(analysis.pose.camera().to(device), crop),
        photo=torch.from_numpy(crop.read(analysis.photo.pixels)).permute(2, 0, 1)[None].float().to(device),
        skin=pictured(mask.face),
        bare=pictured(mask.skin),
        eyes=pictured(mask.eyes),
        mouth=pictured(np.maximum(mask.mouth_inner, mask.lips)),
        inside=pictured(mask.mouth_inner),
        hair=pictured(shares["hair"]),
        head=pictured(shares["hair"] + shares["skin"] + shares["beard"] + shares["brows"]),
        tone=mask.tone,
        landmarks={name: placed(points) for name, points in analysis.landmarks.items()},
        mesh_points=placed(face.landmarks468)[None],
        unit=analysis.pose.interocular / crop.step,
        gaze=torch.as_tensor(gaze_of(face, analysis.pose, analysis.model)).float()[None].to(device),
    )


def in_mirror(points: Tensor, width: int) -> Tensor:
    """(..., 2) pixels -> where they lie in the picture flipped left to right."""
    return points * points.new_tensor([-1.0, 1.0]) + points.new_tensor([float(width), 0.0])


def on_grey(picture: Tensor, mask: Tensor) -> Tensor:
    return picture * mask + 0.5 * (1 - mask)
