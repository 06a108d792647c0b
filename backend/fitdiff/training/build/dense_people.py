"""Pictures of made-up people for the dense network, each with where the head's vertices lie in it.

A head differs from the face model's by a smooth warp of space, as real people do. Painting a skin takes longer than
rendering one, so a few heads of different shape wear each skin. Hair, clothes and backgrounds are real portraits'.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...face.appearance import Paint, head_maps
from ...face.embedded import EmbeddedFace
from ...face.geometry import vertex_areas
from ...face.people import random_expression, random_identity
from ...face.skin import HAEMOGLOBIN, MELANIN
from ...perception import Perception, alignment, weights
from ...perception.dense import window_around
from ...perception.dense_network import SIDE
from ...perception.facemesh import FaceMesh
from ...perception.facemesh_v2 import FaceMeshV2
from ...perception.landmarks import LEFT_EYE, MARGIN, RIGHT_EYE
from ...render.arithmetic import limited
from ...render.camera import Camera, rotation_from_axis_angle
from ...render.colour import to_srgb
from ...render.geometry import vertex_normals
from ...render.projection import depth_picture
from ...render.renderer import Rendering, Surface
from ...render.shading import DirectionalLight, blinn_phong
from ...render.shadows import second_order
from ...render.visibility import visible_faces
from ...topology import REGIONS
from .. import genes, photographs
from ..paint import paint
from ..photographs import Photographer, metered
from ..shards import Columns
from ..synthetic import Crowd
from .cover_lessons import LINEAR, Sheet, cloth, developed, glasses, hand, thing
from .portrait_layers import Lent, Portrait, choose, lend

STORED = 208  # pixels of a picture: SIDE with a rim, in which lessons place their window
PER_SKIN = 8  # heads that wear the same skin
SKIN = 256  # texels
LAMP_SIZE, LAMP_REACH = 128, 0.32  # pixels and metres of the lamp's view, for cast shadows
BIAS = 0.004  # metres
COVERS, SHARES = (glasses, hand, thing, cloth), (0.55, 0.2, 0.1, 0.15)
ROUGH = 0.7  # share of pictures with a camera's and a file's defects
MOST_YAW = 62.0  # degrees
EYE_CORNERS = (33, 263)
MARGINS = {"face": 1.0, "ears": 0.7}  # how densely regions get points, beside ELSEWHERE
ELSEWHERE, NECK = 0.45, 0.2
LOWEST = -0.145  # metres: no points further down the neck
# The warp: (length in metres over which it changes, RMS displacement in metres along each axis).
WARPS, WAVES, ASYMMETRY = ((0.035, 0.0010), (0.014, 0.0004)), 24, 0.3


def choose_vertices(model: EmbeddedFace, count: int) -> NDArray[np.int64]:
    """About `count` vertices of the skin, evenly spread, densest on the face, the same on both sides; sorted."""
    topology, mean = model.topology, model.mean.double().numpy()
    density = np.full(len(mean), ELSEWHERE)
    density += (NECK - ELSEWHERE) * topology.vertex_masks["neck"]
    for name, dense in MARGINS.items():
        density = np.maximum(density, dense * topology.vertex_masks[name])
    skin = np.unique(topology.triangles[topology.triangle_region == REGIONS.index("skin")])
    mirror = np.asarray(topology.mirror)
    half = skin[(mean[skin, 0] >= -1e-6) & (mean[skin, 1] > LOWEST) & np.isin(mirror[skin], skin)]
    nearest = np.full(len(half), np.inf)
    taken: list[int] = []
    row = int(np.argmax(mean[half, 2]))  # the tip of the nose
    while len(np.unique(np.concatenate([taken, mirror[taken]]))) < count if taken else True:
        vertex = int(half[row])
        taken.append(vertex)
        for other in {vertex, int(mirror[vertex])}:
            nearest = np.minimum(nearest, np.linalg.norm(mean[half] - mean[other], axis=1))
        row = int(np.argmax(nearest * density[half]))
    return np.unique(np.concatenate([taken, mirror[taken]])).astype(np.int64)


class Heads(NamedTuple):
    vertices: Tensor  # (B, V, 3) metres, posed
    identity: Tensor  # (B, I) nearest to the warped head
    expression: Tensor  # (B, E)


class Sculptor:
    """Draws heads: the model's, warped, with expressions beyond its components; and their nearest coefficients."""

    def __init__(self, model: EmbeddedFace) -> None:
        self.model = model
        mean = model.mean.double().numpy()
        triangles = model.topology.triangles[model.topology.triangle_region == REGIONS.index("skin")]
        face = np.maximum(model.topology.vertex_masks["face"], 0.15)
        weight = np.zeros(len(mean))
        weight[: len(face)] = vertex_areas(mean, triangles)[: len(face)] * face
        assert model.arkit_shapes is not None
        self.to_identity = _nearest(model.identity_basis, mean, weight, rigid=True)
        self.to_expression = _nearest(model.expression_basis, mean, weight, rigid=False)
        self.shapes = dict(zip(model.arkit_names, model.arkit_shapes, strict=True))

    def draw(self, count: int, seed: int) -> Heads:
        generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        model = self.model
        identity = random_identity(model, count, generator)
        strength = random.choice([0.1, 0.3, 0.55, 0.9], count, p=[0.25, 0.4, 0.25, 0.1])
        expression = random_expression(model, count, generator, 1.0) * torch.from_numpy(strength).float()[:, None]
        gaze = torch.from_numpy(random.normal(0, 0.12, (count, 1, 2))).float().expand(-1, 2, -1)
        moved = torch.stack([self._slid(random) for _ in range(count)])
        warp = torch.stack([self._warp(random) for _ in range(count)])
        vertices = model.vertices(identity, expression, gaze) + moved + warp
        return Heads(
            vertices,
            identity + warp.flatten(1) @ self.to_identity.T,
            expression + moved.flatten(1) @ self.to_expression.T,
        )

    def _slid(self, random: np.random.Generator) -> Tensor:
        """(V, 3): a few sliders, and often an open mouth, a smile or a blink."""
        moved = torch.zeros_like(self.model.mean)
        names = [name for name in self.shapes if not name.startswith("eyeLook") and name != "tongueOut"]
        for name in random.choice(names, int(random.integers(0, 4)), replace=False):
            moved = moved + float(random.uniform(0.05, 0.4)) * self.shapes[str(name)]
        for chance, most, pair in (
            (0.2, 0.6, ("jawOpen",)),
            (0.3, 0.8, ("mouthSmileLeft", "mouthSmileRight")),
            (0.1, 0.9, ("eyeBlinkLeft", "eyeBlinkRight")),
        ):
            if random.random() < chance:
                much = float(random.uniform(0.1, most))
                moved = moved + much * torch.stack([self.shapes[name] for name in pair]).sum(0)
        return moved

    def _warp(self, random: np.random.Generator) -> Tensor:
        """(V, 3): a smooth random displacement of space, more symmetric than noise."""
        points, mirror = self.model.mean, self.model.mean.new_tensor([-1.0, 1.0, 1.0])
        strength = float(random.uniform(0.2, 1.3))
        here, there = torch.zeros_like(points), torch.zeros_like(points)
        for length, rms in WARPS:
            waves = torch.from_numpy(random.normal(0, 1 / length, (3, WAVES))).float()
            phase = torch.from_numpy(random.uniform(0, 2 * np.pi, WAVES)).float()
            size = torch.from_numpy(random.normal(0, strength * rms * math.sqrt(2 / WAVES), (WAVES, 3))).float()
            here = here + torch.cos(points @ waves + phase) @ size
            there = there + torch.cos((points * mirror) @ waves + phase) @ size * mirror
        return (1 + ASYMMETRY) / 2 * here + (1 - ASYMMETRY) / 2 * there


def _nearest(basis: Tensor, mean: NDArray[np.float64], weight: NDArray[np.float64], rigid: bool) -> Tensor:
    """(K, 3V): displacements (3V,) -> the components (K, V, 3) that come nearest, by least squares over the skin; with
    `rigid`, but for the head's place, turn and size."""
    sigma = 0.0005  # metres: what a component of deviation 1 may leave
    root = np.sqrt(weight / weight.sum())[:, None] / sigma
    terms = [basis.double().numpy()]
    if rigid:
        axes = np.eye(3)
        shifts = np.broadcast_to(axes[:, None], (3, *mean.shape))
        terms += [shifts, np.cross(axes[:, None], mean) / 0.1, mean[None] / 0.1]
    system = (np.concatenate(terms) * root).reshape(-1, mean.size)
    price = np.diag([1.0] * len(basis) + [1e-9] * (len(system) - len(basis)))
    solved = np.linalg.solve(system @ system.T + price, system) * root.repeat(3, 1).reshape(1, -1)
    return torch.from_numpy(solved[: len(basis)]).float()


class Studio:
    """Takes the pictures. Picture n of a seed is the same everywhere, if portraits and batches are the same."""

    def __init__(self, portraits: list[Portrait], seed: int) -> None:
        self.seed, self.portraits = seed, portraits
        self.crowd = Crowd(seed, size=SKIN)
        assert isinstance(self.crowd.model, EmbeddedFace)
        self.model = self.crowd.model
        self.photographer = Photographer(self.model, self.crowd.canvas, side=STORED)
        self.sculptor, self.recogniser = Sculptor(self.model), Perception.load().identity
        self.onlookers = Onlookers()

    @torch.no_grad()
    def make(self, first: int, count: int, vertices: NDArray[np.int64]) -> Columns:
        """Pictures first to first + count; both divide by PER_SKIN. Points are those of `vertices`."""
        random = np.random.default_rng([self.seed, 301, first])
        heads = self.sculptor.draw(count, int(random.integers(2**62)))
        who = genes.draw(self.seed, first // PER_SKIN, count // PER_SKIN)
        who = {name: value.repeat_interleave(PER_SKIN, 0) for name, value in who.items()}
        shots = [_shot(random) for _ in range(count)]
        camera, marks = self._camera(heads.vertices, shots)
        drawn = self._draw(heads, who, shots, camera, marks, random, first, count)
        images = self._finish(drawn, shots, marks, random)
        errors = torch.from_numpy(random.normal(0, 0.8, marks.shape)).float()
        embedding = self.recogniser.embed(images, marks + errors.mean(1, keepdim=True)).embedding
        rows = torch.from_numpy(vertices)
        placed = camera.project(heads.vertices[:, rows])
        eyes = self.model.landmarks(heads.vertices, "facemesh468")[:, list(EYE_CORNERS)]
        eye = (eyes[:, 0] - eyes[:, 1]).norm(dim=1)
        middle = placed.depth.mean(1)
        return {
            "image": (images * 255).round().to(torch.uint8),
            "points": placed.screen,
            "depth": (placed.depth - middle[:, None]) / eye[:, None],
            "identity": heads.identity,
            "expression": heads.expression,
            "embedding": F.normalize(embedding, dim=1).half(),
            "marks": marks,
            "seen": self.onlookers.look(images, marks, random),
            "eye": eye,
            "unit": camera.focal * eye / middle,  # pixels of an eye distance
            "yaw": torch.tensor([float(shot["yaw"]) for shot in shots]),
            "hair": torch.tensor([float(shot["lent"] > 0) for shot in shots]),
            "covered": torch.tensor([float(shot["covered"]) for shot in shots]),
        }

    def _camera(self, vertices: Tensor, shots: list[dict[str, float]]) -> tuple[Camera, Tensor]:
        """Cameras whose picture is the network's window with a rim, a little misplaced, and the landmarks (B, 468, 2)."""
        marks = self.model.landmarks(vertices, "facemesh468")
        middle = marks.mean(1)

        def column(*names: str) -> Tensor:
            return torch.tensor([[shot[name] for name in names] for shot in shots], dtype=torch.float32)

        rotation = rotation_from_axis_angle(column("pitch", "yaw", "none").double()).float()
        distance = column("distance")[:, 0]
        back = torch.stack([0 * distance, 0 * distance, -distance], 1)
        aside = column("aside", "down") * distance[:, None]  # off the photo's middle
        back[:, :2] = aside
        shift = back - (rotation @ middle[:, :, None])[:, :, 0]
        focal = 1000.0 * distance
        camera = Camera(rotation, shift, focal, torch.zeros(len(shots), 2), (STORED, STORED))
        seen = camera.project(marks).screen.double().numpy()
        windows = [window_around(points, STORED, STORED / SIDE) for points in seen]
        turns, steps, principals = [], [], []
        for window, shot in zip(windows, shots, strict=True):
            angle = shot["roll"]
            turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            axes = window.axes @ turn * shot["size"]
            place = window.origin + window.axes @ np.full(2, STORED / 2)
            origin = place - axes @ (STORED * (0.5 + np.array([shot["left"], shot["up"]])))
            inverse = np.linalg.inv(axes)
            steps.append(1 / np.sqrt(abs(np.linalg.det(axes))))
            principals.append(-inverse @ origin)
            turns.append(math.atan2(axes[1, 0], axes[0, 0]))
        # y runs down in pictures and up in camera space, so the picture's turn has the same sign there.
        roll = rotation_from_axis_angle(torch.tensor([[0.0, 0.0, turn] for turn in turns], dtype=torch.float64)).float()
        camera = Camera(
            roll @ rotation,
            (roll @ shift[:, :, None])[:, :, 0],
            focal * torch.tensor(steps, dtype=torch.float32),
            torch.from_numpy(np.stack(principals)).float(),
            (STORED, STORED),
        )
        return camera, camera.project(marks).screen

    def _draw(
        self,
        heads: Heads,
        who: genes.Genes,
        shots: list[dict[str, float]],
        camera: Camera,
        marks: Tensor,
        random: np.random.Generator,
        first: int,
        count: int,
    ) -> Rendering:
        """The heads in their light, exposed."""
        photographer, canvas = self.photographer, self.crowd.canvas
        one = {name: value[::PER_SKIN] for name, value in who.items()}
        skin = paint(canvas, one)
        tone = torch.from_numpy(random.normal(0, 1, (count, 2)) * (0.35, 0.4)).float()
        pigment = tone @ torch.from_numpy(np.stack([MELANIN, HAEMOGLOBIN])).float()
        diffuse = skin.diffuse.repeat_interleave(PER_SKIN, 0) * pigment.exp()[:, :, None, None]
        diffuse = diffuse.clamp(0.008, 0.93)
        how = photographs.draw(self.seed, first, count)
        how["hair"] = how["hair"] * torch.tensor([float(shot["lent"] == 0) for shot in shots])
        cover = photographer._hair_cover(how)
        strands = photographs._strands(canvas, how)
        coloured = (who["hair"].clamp(min=0.004).log()[:, :, None, None] + 0.3 * strands).exp()
        diffuse = torch.lerp(diffuse, coloured, cover)
        specular = skin.specular.repeat_interleave(PER_SKIN, 0) * (1 - 0.6 * cover)
        own = Paint(who["iris"], who["sclera"], who["pupil"], specular, skin.normal.repeat_interleave(PER_SKIN, 0))
        maps = head_maps(self.model, diffuse, own, eye_size=64)
        maps["skin"] = maps["skin"]._replace(occlusion=photographer.room)
        thick = (how["hair_height"][:, None] * photographer._hair_on_vertices(how))[..., None]
        vertices = heads.vertices
        vertices = vertices + thick * vertex_normals(vertices, photographer.renderer.mesh)
        light = torch.from_numpy(np.stack([photographs.light(random) for _ in range(count)])).float()
        uneven = torch.from_numpy(
            random.normal(0, 1, (count, 8, 1)) * random.uniform(0, 0.4, (count, 1, 1))
            + 0.12 * random.normal(0, 1, (count, 8, 3))
        ).float()
        hardness = torch.tensor([[shot["hardness"]] for shot in shots])
        lamps = [self._lamp(vertices[k], light[k, 6:]) if hardness[k] > 0 else None for k in range(count)]

        def shade(surface: Surface, numbers: Tensor) -> Tensor:
            room = surface.occlusion
            full = DirectionalLight.of(surface.spread(numbers))
            open_ = 0.35 + 0.65 * room
            assert surface.owner is not None
            whose = surface.owner.argmax(1)
            for k, lamp in enumerate(lamps):
                if lamp is not None:
                    mine = (whose == k).nonzero()[:, 0]
                    reached = _reached(*lamp, surface.position[mine], float(shots[k]["softness"]))
                    open_ = open_.index_copy(0, mine, open_[mine] * (1 - hardness[k] * (1 - reached)))
            sky = (second_order(surface.normal)[:, :, None] * uneven[whose]).sum(1)
            shaded = full._replace(
                ambient=full.ambient * room * limited(1 + sky, low=0.1),
                diffuse=full.diffuse * open_,
                specular=full.specular * open_,
            )
            return blinn_phong(surface.albedo, surface.specular, surface.normal, surface.view, shaded)

        drawn = photographer.renderer(vertices, maps, camera, light, shade)
        exposure = metered(drawn.image, marks, how["metering"])
        return replace(drawn, image=drawn.image * exposure[:, None, None, None])

    def _lamp(self, vertices: Tensor, direction: Tensor) -> tuple[Camera, Tensor]:
        """A view from the lamp, and how deep it sees (1, 1, LAMP_SIZE, LAMP_SIZE)."""
        yaw = math.degrees(math.atan2(float(direction[0]), float(direction[2])))
        pitch = math.degrees(math.atan2(float(direction[1]), math.hypot(float(direction[0]), float(direction[2]))))
        middle = vertices[: len(self.photographer.scalp)].mean(0)
        field = 2 * math.degrees(math.atan(LAMP_REACH / 2 / 4))
        lamp = Camera.facing((LAMP_SIZE, LAMP_SIZE), 4.0, field, yaw, pitch, middle, "weak")
        mesh = self.photographer.renderer.mesh
        projected = lamp.project(vertices[None, : mesh.vertex_count])
        faces = visible_faces(projected, mesh.triangles, lamp.size)
        return lamp, depth_picture(faces, projected.screen[0], projected.depth[0], mesh.triangles)

    def _finish(
        self, drawn: Rendering, shots: list[dict[str, float]], marks: Tensor, random: np.random.Generator
    ) -> Tensor:
        """(B, 3, STORED, STORED) sRGB: on backgrounds, with hair and clothes, behind covers, as a camera's file."""
        alpha = drawn.alpha
        heads = to_srgb(drawn.image / alpha.clamp(min=1e-3)).clamp(0, 1)
        pictures = []
        for k, shot in enumerate(shots):
            portrait, mirror, alike = choose(self.portraits, float(shot["yaw"]), random)
            lent = lend(portrait, mirror, marks[k], STORED, random)
            worn = alike and shot["lent"] > 0
            shot["lent"] = float(worn)
            picture = _laid(lent, heads[k], alpha[k], worn, shot["dressed"] > 0, random)
            if shot["covered"]:
                picture = _covered(picture, marks[k], random)
            pictures.append(picture)
        plain = torch.stack(pictures)
        rough = torch.from_numpy(random.random(len(shots)) < ROUGH)
        return torch.where(rough[:, None, None, None], developed(plain, random), plain)


def _laid(lent: Lent, head: Tensor, alpha: Tensor, hair: bool, dressed: bool, random: np.random.Generator) -> Tensor:
    gain = torch.from_numpy(np.exp(random.normal(0, 0.25) + random.normal(0, 0.06, 3))).float()[:, None, None]
    picture = (lent.background * gain).clamp(0, 1)
    front = (lent.front * gain).clamp(0, 1)
    if hair:
        picture = torch.lerp(picture, (lent.behind * gain).clamp(0, 1), lent.behind_share)
    picture = torch.lerp(picture, head, alpha)
    if dressed:
        picture = torch.lerp(picture, front, lent.cloth_share)
    return torch.lerp(picture, front, lent.hair_share) if hair else picture


def _covered(picture: Tensor, marks: Tensor, random: np.random.Generator) -> Tensor:
    seen = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    sheet = Sheet(LINEAR[seen], marks.numpy().astype(np.float32), random)
    sheet.unit = 0.75 * float(np.linalg.norm(np.ptp(marks.numpy(), axis=0))) / math.sqrt(2)
    COVERS[int(random.choice(len(COVERS), p=SHARES))](sheet)
    return to_srgb(torch.from_numpy(np.asarray(sheet.light, np.float32))).clamp(0, 1).permute(2, 0, 1)


def _reached(lamp: Camera, depth: Tensor, points: Tensor, softness: float) -> Tensor:
    """(M, 1) share of the lamp's light that reaches points (M, 3) past the head itself."""
    seen = lamp.project(points[None])
    reached = torch.zeros(len(points))
    spots = ((0, 0), (1, 0.4), (-0.4, 1), (-1, -0.4), (0.4, -1))
    for x, y in spots:
        places = (seen.screen[0] + softness * seen.screen.new_tensor([x, y])) / LAMP_SIZE * 2 - 1
        nearest = F.grid_sample(depth, places.view(1, 1, -1, 2), mode="nearest", align_corners=False)[0, 0, 0]
        reached += (seen.depth[0] < nearest + BIAS).float() / len(spots)
    return reached[:, None]


def _shot(random: np.random.Generator) -> dict[str, float]:
    yaw = random.normal(0, 20) if random.random() < 0.75 else random.uniform(-MOST_YAW, MOST_YAW)
    return {
        "yaw": math.radians(float(np.clip(yaw, -MOST_YAW, MOST_YAW))),
        "pitch": math.radians(float(np.clip(random.normal(0, 10), -28, 28))),
        "none": 0.0,
        "distance": float(np.exp(random.normal(0.05, 0.4)).clip(0.45, 4.0)),
        "aside": float(random.normal(0, 0.06)),
        "down": float(random.normal(0, 0.06)),
        "roll": float(random.normal(0, 0.05)),
        "size": float(np.exp(random.normal(0, 0.04))),
        "left": float(random.normal(0, 0.015)),
        "up": float(random.normal(0, 0.015)),
        "lent": float(random.random() < 0.68),
        "dressed": float(random.random() < 0.8),
        "covered": float(random.random() < 0.25),
        "hardness": float(random.random() < 0.6) * float(random.uniform(0.3, 1.0)),
        "softness": float(random.uniform(0.5, 3.0)),
    }


class Onlookers:
    """Both landmark networks, as they look at pictures whose face is known about."""

    def __init__(self) -> None:
        self.first, self.second = (
            weights.load(FaceMesh(), "facemesh"),
            weights.load(FaceMeshV2(), "facemesh_v2"),
        )

    @torch.no_grad()
    def look(self, images: Tensor, marks: Tensor, random: np.random.Generator) -> Tensor:
        """Pictures (B, 3, S, S) sRGB 0..1, true landmarks (B, 468, 2) -> landmarks seen (B, 468, 3) pixels: of half the
        pictures the first network's, of the others the mean of both, by their belief to have seen a face."""
        low, high = marks.amin(1), marks.amax(1)
        side = MARGIN * (high - low).amax(1)
        eyes = marks[:, LEFT_EYE] - marks[:, RIGHT_EYE]
        miss = torch.from_numpy(random.normal(0, (0.01, 0.01, 0.02, 0.02), (len(marks), 4))).float()
        centre = (low + high) / 2 + miss[:, :2] * side[:, None]
        side, turn = side * miss[:, 2].exp(), torch.atan2(eyes[:, 1], eyes[:, 0]) + miss[:, 3]
        both = torch.from_numpy(random.random(len(marks)) < 0.5)
        seen, trust = [], []
        for network, mine in ((self.first, torch.ones_like(both)), (self.second, both)):
            to_image = alignment.square(centre[mine], side[mine], turn[mine], network.size)
            crops = alignment.crop(images[mine], to_image, network.size, padding="border")
            points, _, presence = network(crops)
            scale = torch.linalg.det(to_image[:, :, :2]).sqrt()
            placed = torch.cat([alignment.apply(to_image, points[..., :2]), points[..., 2:] * scale[:, None, None]], 2)
            seen.append(torch.zeros(len(marks), 468, 3).masked_scatter_(mine[:, None, None], placed))
            trust.append(torch.zeros(len(marks)).masked_scatter_(mine, presence.clamp(min=1e-6)))
        share = torch.stack(trust) / torch.stack(trust).sum(0)
        return (torch.stack(seen) * share[:, :, None, None]).sum(0)


def mirrored_rows(vertices: NDArray[np.int64], model: EmbeddedFace) -> NDArray[np.int64]:
    """(N,): where among `vertices` each one's twin on the other side is."""
    mirror = np.asarray(model.topology.mirror)
    return np.searchsorted(vertices, mirror[vertices])
