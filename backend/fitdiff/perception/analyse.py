"""One photo, one chosen face, and everything known of it, each computed on first use."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ..face.model import MorphableModel
from ..photo import Photo
from ..render.camera import Camera
from ..render.visibility import visible_faces
from ..topology import REGIONS
from .bundle import Perception
from .dense import DenseEvidence, see
from .facemesh import MIRROR
from .outline import OutlineEvidence, find_outline
from .parting import PARTS, Parting, part
from .pose import IdentityPrior, PoseFit, solve_pose
from .regions import Crop, Mask, PosedHead
from .select import choose_face
from .shape_guess import RECOGNISER, guess_shape
from .skin import FaceMask, broad, face_mask, mask_crop
from .types import Face, IdentityFeatures

HIDDEN = {
    "glasses": (0.01, "The glasses were left out, and what they hide is guessed."),
    "cover": (0.01, "Something lies before the face: it was left out, and what it hides is guessed."),
    "hair": (0.06, "Hair hangs over the face: the skin under it is guessed."),
}
"""Share of the face's outline that a part must hide before the artist is told so."""
GUESSED, UNKNOWN = 0.3, 0.01
"""Weights of hidden landmarks beside 1 for visible ones: GUESSED where the mirrored landmark is visible, since the network
then places the hidden one well; UNKNOWN where both are hidden, as for a mouth under a mask."""
GRAZING = 0.12  # cosine between normal and view below which skin is left out of the mask


class Analysis:
    """A photo's face with all that the engines read of it.

    photo, faces, face   the photo, all its faces, the one meant
    image                (1, 3, H, W) float32 sRGB 0..1, for the networks
    pose                 camera and first shape from landmarks, dense evidence and outline
    outline              where the photo shows the head end
    dense                where the head's surface lies in the photo, as a network sees it
    expected_identity    the likely identity, before landmarks are fitted
    parting              what lies where: skin, hair, beard, glasses, covers, cloth
    mask                 which pixels show this face's skin
    landmarks            the landmarks that a fit should match
    identity             features of the recogniser that guides
    conditioning         features of the recogniser that conditions the diffusion model
    """

    def __init__(
        self, photo: Photo, faces: list[Face], face: Face, model: MorphableModel, perception: Perception
    ) -> None:
        self.photo, self.faces, self.face = photo, faces, face
        self.model, self.perception = model, perception

    @cached_property
    def image(self) -> Tensor:
        pixels = torch.from_numpy(self.photo.pixels).to(self.perception.device)
        return pixels.permute(2, 0, 1)[None].float() / 255.0

    @cached_property
    def pose(self) -> PoseFit:
        return pose_of(self.photo, self.face, self.model, self.expected_identity, self.belief, self.dense, self.outline)

    @cached_property
    def outline(self) -> OutlineEvidence:
        """Where the photo shows the head end."""
        return find_outline(self.parting, (self.photo.height, self.photo.width))

    @cached_property
    def expected_identity(self) -> IdentityPrior | None:
        """The likely identity; None unless face model and recogniser are those that the guess was learned for."""
        if not self._learned_for:
            return None
        return guess_shape(self.face.landmarks468, self._embedding, self.model)

    @cached_property
    def dense(self) -> DenseEvidence | None:
        """What the dense network sees; None unless face model and recogniser are those that it was taught with."""
        if not self._learned_for:
            return None
        return see(self.photo.pixels, self.face.landmarks468, self._embedding, self.model)

    @property
    def _learned_for(self) -> bool:
        known = self.model.name == "embedded" and "facemesh468" in self.model.topology.landmarks
        return known and self.perception.identity.name == RECOGNISER

    @property
    def _embedding(self) -> NDArray[np.floating]:
        """(D,) of the recogniser that guides."""
        return np.asarray(self.identity.embedding[0].detach().cpu().numpy())

    @cached_property
    def mask(self) -> FaceMask:
        trusted = self.pose.verdict != "bad"
        posed = self._posed_head if trusted else None
        return face_mask(self.photo.pixels, self.face, self.parting, posed=posed)

    @cached_property
    def parting(self) -> Parting:
        return part(self.photo.pixels, self.face.landmarks468)

    @property
    def belief(self) -> dict[str, NDArray[np.float64]]:
        """Weights (468,) of FaceMesh's landmarks: 1 where visible, GUESSED or UNKNOWN where something broad hides them."""
        crop = mask_crop(self.face)
        column, row = crop.inside(self.face.landmarks468).T.clip(0, crop.size - 1).astype(int)
        shares = self.parting.inside(crop)
        hidden = broad(shares[PARTS.index("glasses")] + shares[PARTS.index("cover")])[row, column]
        guessed = np.where(hidden[list(MIRROR)], UNKNOWN, GUESSED)
        return {"facemesh468": np.where(hidden, guessed, 1.0)}

    @cached_property
    def landmarks(self) -> dict[str, NDArray[np.floating]]:
        """Landmarks that a fit should match, name -> (N, 2) pixels. Those of UNKNOWN weight are replaced by the first
        shape's, which was fitted to the others alone."""
        wanted = landmarks_for(self.face, self.model)
        for name, belief in self.belief.items():
            unknown = belief <= UNKNOWN
            if name in wanted and unknown.any():
                wanted[name] = np.where(unknown[:, None], self._projected(name), wanted[name])
        return wanted

    @torch.no_grad()
    def _projected(self, name: str) -> NDArray[np.floating]:
        """A landmark set of the first shape, projected by the pose's camera, (N, 2) pixels."""
        marks = self.model.landmarks(posed_vertices(self.model, self.pose), name)
        return self.pose.camera().project(marks).screen[0].numpy()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that tell the artist about this photo's face."""
        return tuple(note for part, (least, note) in HIDDEN.items() if self.mask.hidden[part] > least)

    @cached_property
    def identity(self) -> IdentityFeatures:
        with torch.no_grad():
            return self.perception.identity.embed(self.image, self._landmarks)

    @cached_property
    def conditioning(self) -> IdentityFeatures:
        with torch.no_grad():
            return self.perception.conditioner.embed(self.image, self._landmarks)

    @property
    def _landmarks(self) -> Tensor:
        """(1, 468, 2) pixels."""
        return torch.from_numpy(np.ascontiguousarray(self.face.landmarks468[None, :, :2])).to(self.perception.device)

    def _posed_head(self, crop: Crop) -> PosedHead:
        return posed_head(self.model, self.pose, crop)


def analyse(
    photo: Photo,
    face: int | None = None,
    model: MorphableModel | None = None,
    perception: Perception | None = None,
) -> Analysis:
    """Find the faces and choose one: by its number from 1 as `fitdiff inspect` counts; None takes one much the largest.

    Raises no-face, no-such-face, several-faces or face-too-small.
    """
    perception = perception or Perception.load()
    faces = perception.detect(photo.pixels)
    chosen = choose_face(faces, photo, face)
    if model is None:
        from ..face.registry import load_face_model

        model = load_face_model()
    return Analysis(photo, faces, chosen, model, perception)


def landmarks_for(face: Face, model: MorphableModel) -> dict[str, np.ndarray]:
    """The landmark sets of this face that a fit of this model should match, name -> (N, 2) pixels.

    The 468 points where the model has them, else the 68, which are interpolated between those and lie a few percent off
    other software's iBUG points.
    """
    if "facemesh468" in model.topology.landmarks:
        return {"facemesh468": face.landmarks468[:, :2]}
    return {"ibug68": face.landmarks68}


def pose_of(
    photo: Photo,
    face: Face,
    model: MorphableModel,
    prior: IdentityPrior | None = None,
    belief: dict[str, NDArray[np.float64]] | None = None,
    dense: DenseEvidence | None = None,
    outline: OutlineEvidence | None = None,
) -> PoseFit:
    """Camera and first shape of one face of a photo; prior: of the identity; belief: weights of its landmarks; dense: where
    a network sees the head's surface; outline: where the photo shows the head end."""
    size, marks = (photo.height, photo.width), landmarks_for(face, model)
    return solve_pose(model, marks, size, photo.focal_px, None, prior, belief, dense, outline)


def posed_vertices(model: MorphableModel, pose: PoseFit) -> Tensor:
    """(1, V, 3) metres, on the CPU: the first shape."""
    identity = torch.as_tensor(pose.identity, dtype=torch.float32)[None]
    expression = torch.as_tensor(pose.expression, dtype=torch.float32)[None]
    return model.vertices(identity.to(model.mean), expression.to(model.mean)).float().cpu()


@torch.no_grad()
def posed_head(model: MorphableModel, pose: PoseFit, crop: Crop) -> PosedHead:
    """The first shape seen by its camera, in a window of the photo."""
    vertices = posed_vertices(model, pose)
    camera = crop_camera(pose.camera(), crop)
    triangles = torch.from_numpy(model.topology.triangles.astype(np.int64))
    seen = visible_faces(camera.project(vertices), triangles, camera.size)[0]
    corners = vertices[0][triangles]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=1)
    towards = camera.position[0] - corners.mean(1)
    cosine = torch.nn.functional.cosine_similarity(normal, towards, dim=1)
    skin = torch.from_numpy(model.topology.triangle_region == REGIONS.index("skin"))
    shows = torch.cat([skin & (cosine > GRAZING), torch.zeros(1, dtype=torch.bool)])
    mask = shows[seen].float()[None, None]
    # Fill the holes of eyes and mouth, which are masked by landmarks, then soften the edge by a pixel.
    closed = -_dilated(-_dilated(mask, 31), 29)
    soft = torch.nn.functional.avg_pool2d(closed, 3, 1, 1, count_include_pad=False)[0, 0].numpy()
    outline = (seen >= 0).numpy().astype(np.float32)
    turned = torch.cat([normal @ camera.rotation[0].T, torch.zeros(1, 3)])[seen].numpy()
    return PosedHead(soft, outline, _smooth_inside(turned, outline))


def _smooth_inside(values: NDArray[np.float32], inside: Mask, reach: float = 3.0) -> NDArray[np.float32]:
    """(h, w, C) blurred over the pixels inside, 0 elsewhere, which hides the triangles' facets."""
    weight = np.maximum(ndimage.gaussian_filter(inside, reach), 1e-3)
    blurred = [
        ndimage.gaussian_filter(channel * inside, reach) / weight * inside for channel in values.transpose(2, 0, 1)
    ]
    return np.stack(blurred, -1)


def _dilated(mask: Tensor, width: int) -> Tensor:
    """Square maximum, one axis after the other."""
    wide = torch.nn.functional.max_pool2d(mask, (1, width), 1, (0, width // 2))
    return torch.nn.functional.max_pool2d(wide, (width, 1), 1, (width // 2, 0))


def crop_camera(camera: Camera, crop: Crop) -> Camera:
    """The same view of a square window of the photo."""
    origin = torch.tensor([crop.origin], dtype=camera.principal.dtype, device=camera.principal.device)
    return Camera(
        camera.rotation,
        camera.translation,
        camera.focal / crop.step,
        (camera.principal - origin) / crop.step,
        (crop.size, crop.size),
        camera.projection,
    )
