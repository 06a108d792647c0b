"""The numbers that a fit solves for, and the head that they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..face.appearance import BROWN, OILY, SCLERA, Paint, gloss, head_maps, oily_parts
from ..face.skin import SkinBasis, load_skin
from ..perception.analyse import crop_camera
from ..render.arithmetic import limited
from ..render.atlas import Atlas
from ..render.camera import Camera, rotation_from_axis_angle
from ..render.maps import Maps
from ..render.renderer import Renderer, Rendering
from ..render.shadows import Shaded, Shadows, softened
from ..resize import resized
from .evidence import Evidence
from .iris_colour import iris_colour
from .residual import Residual, without_glow

MAP_SIZE = 512  # of the optimised albedo; the finished maps may be larger
EYE_SIZE = 128  # texels while fitting; finished ones are as large as any eye's
DARKEST, PALEST = 0.004, 0.97  # albedo
FLAT = (0.0, 0.0, 1.0)
ORDINARY_HARDNESS = 0.8
ORDINARY_LIGHT = (0.55, 0.65, 0.65, 1.0, 1.0, 1.0, 0.2, 0.5, 0.85)


@dataclass(frozen=True)
class Start:
    """A head drawn by another engine, where a fit begins. Only differences from its skin are penalised."""

    identity: Tensor  # (1, I)
    expression: Tensor  # (1, E)
    light: Tensor  # (1, 9)
    skin: SkinBasis  # its mean is the drawn skin
    gloss: Tensor  # (1, 1, S, S)
    normal: Tensor  # (1, 3, S, S) tangent space


class FitHead:
    """The numbers are leaves for an optimiser; everything else is computed from them. All on one device."""

    def __init__(self, evidence: Evidence, start: Start | None = None, likeness: float = 1.0) -> None:
        analysis, self.device, self.drawn = evidence.analysis, evidence.device, start
        pose, self.model, self.crop = analysis.pose, evidence.model, evidence.crop
        self.posed = pose.camera()
        self.likeness = likeness
        self.renderer = Renderer(self.model.topology).to(self.device)
        self.atlas = Atlas(self.model.topology, MAP_SIZE)
        self.basis = (load_skin() if start is None else start.skin).to(self.device)
        self._oily = self._fixed(oily_parts(self.model.topology, MAP_SIZE))[:, None]

        self.identity, self.expression = self._free(pose.identity[None]), self._free(pose.expression[None])
        self.gaze = self._free(evidence.gaze)
        self.turn, self.shift = self._free(np.zeros(3)), self._free(np.zeros(3))
        self.skin = self._free(np.zeros((1, self.basis.count)))
        self.own = torch.ones(1, 3, 1, 1, device=self.device)  # the skin's tint beyond its pigments
        eyes = iris_colour(analysis.photo.pixels, analysis.face, analysis.mask.eyes_shown)
        self.iris, self.sclera = self._free([BROWN] if eyes is None else eyes[None]), self._free([SCLERA])
        self.iris_start = self.iris.detach().clone()
        self.shine = self._free([0.0])  # log factor of the whole gloss map
        self.oil = self._free(np.zeros((len(OILY), 1, 1, 1)))  # log factors of oily parts of the face, added to it
        self.residual = Residual(MAP_SIZE).to(self.device)
        self.light = self._free([ORDINARY_LIGHT])
        self.uneven = self._free(np.zeros((8, 3)))
        if start is not None:
            self.identity, self.expression = self._free(start.identity), self._free(start.expression)
            self.light = self._free(start.light)
        self.unsure = torch.zeros(
            1, 1, 1, 1, device=self.device
        )  # relative uncertainty of each texel's light, from nearby shadow edges
        self.shown = torch.ones(1, 1, 1, 1, device=self.device)  # how well the photo shows each texel, 0 to 1
        self.hardness = self._free([ORDINARY_HARDNESS])  # of the lamp's shadow
        self.shade = Shaded({"skin": torch.ones(1, 3, 1, 1, device=self.device)}, self.uneven, self.hardness)

    def _fixed(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float().to(self.device)

    def _free(self, values: object) -> Tensor:
        known = values.detach() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
        return known.to(self.device, torch.float32, copy=True).requires_grad_()

    @cached_property
    def _gloss(self) -> Tensor:
        """(1, 1, S, S) the usual gloss, before this person's own factors."""
        if self.drawn is not None:
            return self.drawn.gloss.to(self.device)
        return self._fixed(gloss(self.model.topology, MAP_SIZE))[None, None]

    def numbers(self) -> list[Tensor]:
        """All that is solved for."""
        shape = [self.turn, self.shift, self.identity, self.expression, self.gaze]
        paint = [self.skin, self.iris, self.sclera, self.shine, self.oil, *self.residual.parameters()]
        return [*shape, *paint, self.light, self.uneven, self.hardness]

    def vertices(self) -> Tensor:
        """(1, V, 3)."""
        return self.model.vertices(self.identity, self.expression, self.gaze)

    def camera(self) -> Camera:
        """Of the whole photo."""
        posed = self.posed.to(self.device)
        turn = rotation_from_axis_angle(self.turn[None])
        moved = posed.translation + self.shift * posed.translation.norm()
        return Camera(turn @ posed.rotation, moved, posed.focal, posed.principal, posed.size)

    def window(self) -> Camera:
        """Of the mask's window in it."""
        return crop_camera(self.camera(), self.crop)

    def prior(self, size: int = MAP_SIZE) -> Tensor:
        """(1, 3, size, size) linear albedo of the skin basis, without the residual."""
        return limited(self.basis.albedo(self.skin, size) * self.own, DARKEST, PALEST)

    def beyond(self) -> Tensor:
        """(1, 3, MAP_SIZE, MAP_SIZE) log albedo that the photo adds to it."""
        residual = without_glow(self.residual(), self.lit())
        if residual.requires_grad:
            # Where the photo shows nothing, only priors may move the residual: the recogniser would paint there.
            shown = self.shown
            residual.register_hook(lambda gradient: gradient * shown)
        return residual

    def albedo(self) -> Tensor:
        """(1, 3, MAP_SIZE, MAP_SIZE) linear."""
        return limited(self.prior() * (self.likeness * self.beyond()).exp(), DARKEST, PALEST)

    def maps(self, albedo: Tensor, normal: Tensor | None = None, eyes: int = EYE_SIZE) -> dict[str, Maps]:
        """albedo (1, 3, S, S) linear -> all that the head is painted with, the skin smooth unless a normal map is given."""
        shine = self.shine + (self._oily * self.oil).sum(0, keepdim=True)
        specular = resized(self._gloss * shine.exp(), albedo.shape[-1])
        paint = Paint(
            iris=self.iris.clamp(0.004, 0.6),
            sclera=self.sclera.clamp(0.05, 0.9),
            specular=limited(specular, 0, 1),
            normal=albedo.new_tensor(FLAT).view(1, 3, 1, 1) if normal is None else normal,
        )
        return head_maps(self.model, albedo, paint, eyes)

    def rendered(self) -> Rendering:
        """In the window, as the photo has it."""
        return self.renderer(self.vertices(), self.maps(self.albedo()), self.window(), self.light, self.shade)

    def look_at_shadows(self) -> None:
        """The head's own occlusion of the room and shadow of the lamp, as it lies now."""
        vertices = self.vertices()[0].detach()
        shadows = Shadows(self.model.topology, vertices, self.renderer.mesh, self.atlas)
        self.shade = Shaded(shadows.under(self.light.detach()).reaching, self.uneven, self.hardness)
        self.unsure = shadows.unsure(self.light.detach())

    def lit(self) -> Tensor:
        """(1, 1, S, S) the share of all light, room and lamp, that reaches each texel; 1 in the open."""
        room, lamp = self.shade.reaching["skin"][:, :2].split(1, 1)
        lamp = softened(lamp, self.hardness.detach())
        ambient, diffuse = self.light[0, :2].detach()
        return (ambient * room + diffuse * lamp) / (ambient + diffuse)

    @torch.no_grad()
    def keep_light_possible(self) -> None:
        self.light[:, :6].clamp_(min=0.02)
        self.light[:, 2] = self.light[:, 1]  # one lamp: its highlight is as strong as its diffuse light
        self.hardness.clamp_(0, 1)
