"""Photographs of made-up people: cameras, light, hair, glasses and other covers, backgrounds, and defects of lenses and files.
They are used for the condition only, so none of this enters the latent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.appearance import Paint, head_maps
from ..face.model import MorphableModel
from ..face.skin import Skin
from ..perception.alignment import apply
from ..render import Camera, Renderer, rotation_from_axis_angle
from ..render.atlas import Atlas
from ..render.colour import to_srgb
from ..render.geometry import vertex_normals
from ..render.occlusion import ambient_occlusion
from ..render.renderer import Surface
from ..render.shading import DirectionalLight, blinn_phong
from .canvas import Canvas, cut, fields
from .genes import Genes
from .skin_bank import blur

SIDE = 208  # pixels of a photograph
SHARE = 0.62  # the face's height over the photograph's, about
FACE_LIGHT = 0.15  # linear brightness to which a camera exposes a face's middle
LATITUDE = 0.6  # stops by which it lets a face differ from that
WHITE = 0.9  # linear brightness of a face's lightest tenth from which it burns out
EYES = (36, 39), (42, 45)
QUANTIZATION = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # JPEG's table for brightness at quality 50


class Shot(NamedTuple):
    image: Tensor  # (B, 3, SIDE, SIDE) sRGB 0..1
    landmarks: Tensor  # (B, 468, 2) pixels, with a detector's errors
    light: Tensor  # (B, 9)
    camera: Camera


def draw(seed: int, first: int, count: int, view: int = 0) -> Genes:
    """Settings of the view-th photograph of people `first` to `first + count`."""
    rows = [_shot(np.random.default_rng([seed, 78, first + k, view])) for k in range(count)]
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


def light(random: np.random.Generator) -> np.ndarray:
    """Nine numbers: a room and a lamp, mostly from in front and above, mostly nearly white."""
    turn = random.normal(0, 50) if random.random() < 0.85 else random.uniform(-180, 180)
    tilt = np.clip(random.normal(22, 22), -50, 80)
    direction = (
        math.sin(math.radians(turn)) * math.cos(math.radians(tilt)),
        math.sin(math.radians(tilt)),
        math.cos(math.radians(turn)) * math.cos(math.radians(tilt)),
    )
    share = random.beta(2.2, 2.0)  # the lamp's
    level = np.exp(random.normal(0.0, 0.22))
    warm = random.normal(0, 0.09)
    colour = np.exp(np.array([warm, 0.15 * random.normal(0, 0.1), -warm]))
    diffuse = 1.55 * level * share
    return np.array(
        [level * (1.05 - 0.85 * share), diffuse, diffuse * np.exp(random.normal(-0.25, 0.2)), *colour, *direction]
    )


def _shot(random: np.random.Generator) -> dict[str, np.ndarray]:
    hair = random.random() < 0.62
    glasses = random.random() < 0.17
    numbers = {
        "turn": np.radians([random.normal(0, 9), np.clip(random.normal(0, 20), -45, 45), random.normal(0, 6)]),
        "field": math.radians(float(np.exp(random.normal(3.0, 0.35)))),
        "share": SHARE * np.exp(random.normal(0, 0.12)),
        "offset": random.normal(0, 0.04, 2),
        "light": light(random),
        "fill": np.array([*random.normal(0, 1, 3), max(0.0, random.normal(0.0, 0.3))]),
        "metering": random.uniform(0.5, 0.95),  # share of a wrong exposure that the camera corrects
        "gaze": random.normal(0, 0.10, 2),
        "hair": float(hair) * random.uniform(0.3, 1.0),
        "hair_height": float(hair) * random.uniform(0.004, 0.035),
        "hair_fringe": random.uniform(-0.6, 0.5),
        "hair_noise": random.normal(0, 1, (1, 5, 5)),
        "hair_behind": float(hair and random.random() < 0.45) * random.uniform(0.5, 1.0),
        "tile": random.integers(0, 24, 2),
        "shift": random.integers(0, 512, (2, 2)),
        "glasses": float(glasses),
        "frame": np.array(
            [
                random.uniform(0.36, 0.52),
                random.uniform(0.26, 0.46),
                random.uniform(0.012, 0.07),
                random.uniform(0.08, 0.26),
            ]
        ),
        "frame_colour": np.exp(random.uniform(-4.5, -0.7)) * np.exp(random.normal(0, 0.25, 3)),
        "tint": float(random.random() < 0.18) * random.uniform(0.3, 0.95),
        "thing": float(random.random() < 0.08),
        "thing_place": np.array(
            [
                random.choice([-1, 1]) * random.uniform(0.7, 1.4),
                random.uniform(0.0, 1.6),
                random.uniform(0.6, 1.1),
                random.uniform(0, math.pi),
                random.uniform(0.35, 0.9),
            ]
        ),
        "thing_colour": _colours(random, 1)[0],
        "back": _colours(random, 2),
        "back_noise": random.normal(0, 1, (1, 7, 7)) + 0.15 * random.normal(0, 1, (3, 7, 7)),
        "back_gain": random.uniform(0.0, 0.5),
        "clothes": _colours(random, 1)[0],
        "blur": float(random.choice([0.0, random.uniform(0.3, 1.0), random.uniform(1.0, 2.2)], p=[0.45, 0.4, 0.15])),
        "grain": random.choice([random.uniform(0, 0.012), random.uniform(0.012, 0.045)], p=[0.75, 0.25]),
        "quality": random.uniform(0.15, 2.2),
        "tone": random.normal(0, 1, 4) * np.array([0.10, 0.08, 0.12, 0.05]),
        "miss": random.normal(0, 1, 6) * np.array([0.012, 0.012, 0.02, 0.015, 0.012, 0.012]),
    }
    return {
        name: np.asarray(value, np.int64 if np.asarray(value).dtype.kind == "i" else np.float32)
        for name, value in numbers.items()
    }


def _colours(random: np.random.Generator, count: int) -> np.ndarray:
    """Any brightness, mostly not very colourful; linear."""
    grey = random.uniform(0.02, 0.95, (count, 1)) ** 1.6
    return np.clip(grey * np.exp(random.normal(0, 0.3, (count, 3))), 0.005, 1.0)


class Photographer:
    """Renders a batch of people from one face model, on the canvas' device; no gradients."""

    def __init__(self, model: MorphableModel, canvas: Canvas, side: int = SIDE) -> None:
        self.model, self.canvas, self.side = model, canvas, side
        self.renderer = Renderer(model.topology, antialias=False).to(canvas.device)
        self.device_model = model.to(canvas.device)
        mean = model.mean
        triangles = self.renderer.mesh.triangles
        normals = vertex_normals(mean[None], self.renderer.mesh)[0]
        room = ambient_occlusion(mean.cpu(), normals.cpu(), triangles.cpu(), 48)
        baked = Atlas(model.topology, 128).bake(room[:, None].float())
        self.room = blur(0.25 + 0.75 * baked, 1.2).to(canvas.device)
        self.scalp = torch.from_numpy(model.topology.vertex_masks["scalp"]).float().to(canvas.device)

    @torch.no_grad()
    def vertices(self, genes: Genes, gaze: Tensor | None = None) -> Tensor:
        look = None if gaze is None else gaze[:, None].expand(-1, 2, -1)
        device = self.canvas.device
        return self.device_model.vertices(genes["identity"].to(device), genes["expression"].to(device), look)

    @torch.no_grad()
    def shoot(self, genes: Genes, skin: Skin, shot: Genes) -> Shot:
        g, s = ({k: v.to(self.canvas.device) for k, v in some.items()} for some in (genes, shot))
        vertices = self.vertices(g, s["gaze"])
        camera = self._camera(vertices, s)
        marks = camera.project(self.device_model.landmarks(vertices, "facemesh468")).screen
        points = camera.project(self.device_model.landmarks(vertices, "ibug68")).screen
        cover = self._hair_cover(s)
        strands = _strands(self.canvas, s)
        coloured = (g["hair"].clamp(min=0.004).log()[:, :, None, None] + 0.35 * strands).exp()
        diffuse = torch.lerp(skin.diffuse, coloured, cover)
        specular = skin.specular * (1 - 0.6 * cover)
        maps = head_maps(
            self.model, diffuse, Paint(g["iris"], g["sclera"], g["pupil"], specular, skin.normal), eye_size=128
        )
        maps["skin"] = maps["skin"]._replace(occlusion=self.room)
        thick = (s["hair_height"][:, None] * self._hair_on_vertices(s))[..., None]
        normals = vertex_normals(vertices, self.renderer.mesh)
        fill = s["fill"]

        def shade(surface: Surface, numbers: Tensor) -> Tensor:
            room = surface.occlusion
            full = DirectionalLight.of(surface.spread(numbers))
            shaded = full._replace(
                ambient=full.ambient * room,
                diffuse=full.diffuse * (0.35 + 0.65 * room),
                specular=full.specular * (0.35 + 0.65 * room),
            )
            lit = blinn_phong(surface.albedo, surface.specular, surface.normal, surface.view, shaded)
            second = surface.spread(fill)
            direction = F.normalize(second[:, :3], dim=-1)
            facing = (surface.normal * direction).sum(-1, keepdim=True).clamp(min=0)
            return lit + surface.albedo * full.colour * second[:, 3:] * facing * room

        drawn = self.renderer(vertices + thick * normals, maps, camera, s["light"], shade)
        exposure = metered(drawn.image, marks, s["metering"])
        drawn = replace(drawn, image=drawn.image * _row(exposure))
        light = torch.cat([s["light"][:, :3] * exposure[:, None], s["light"][:, 3:]], 1)
        behind = self._background(s, g, points, camera.size[0])
        picture = self._things(drawn.over(behind), s, points)
        image = develop(picture, s, self.canvas)
        return Shot(image, _missed(marks, s["miss"]), light, camera)

    def _camera(self, vertices: Tensor, s: Genes) -> Camera:
        marks = self.device_model.landmarks(vertices, "facemesh468")
        middle = marks.mean(1)
        height = (marks[..., 1].amax(1) - marks[..., 1].amin(1)).clamp(min=0.05)
        rotation = rotation_from_axis_angle(s["turn"].double()).to(vertices.dtype)
        focal = 0.5 * self.side / torch.tan(0.5 * s["field"])
        distance = focal * height / (s["share"] * self.side)
        back = torch.zeros_like(middle)
        back[:, 2] = -distance
        shift = -(rotation @ middle[:, :, None])[:, :, 0] + back
        principal = (0.5 + s["offset"]) * self.side
        return Camera(rotation, shift, focal, principal, (self.side, self.side))

    def _hair_on_vertices(self, s: Genes) -> Tensor:
        return self.scalp[None] ** 0.6 * (s["hair"][:, None] > 0)

    def _hair_cover(self, s: Genes) -> Tensor:
        """(B, 1, S, S) coverage of the tile by hair; a fringe reaches down the forehead."""
        canvas = self.canvas
        uneven = fields(s["hair_noise"], canvas.size)
        mask = canvas.masks["scalp"] + _row(s["hair_fringe"]) * 0.9 * torch.exp(-(((canvas.y - 0.17) / 0.06) ** 2)) * (
            canvas.y > 0.02
        )
        return ((mask + 0.12 * uneven - 0.35) / 0.3).clamp(0, 1) * (_row(s["hair"]) > 0) * 0.97

    def _background(self, s: Genes, g: Genes, points: Tensor, side: int) -> Tensor:
        """(B, 3, H, W) linear: a wall or a blurred room, clothes below, hair behind the head."""
        y, x = _pixels(side, points)
        top, bottom = s["back"].unbind(1)
        wall = torch.lerp(top[:, :, None, None], bottom[:, :, None, None], (y / side)[None, None])
        wall = (wall * (1 + _row(s["back_gain"]) * fields(s["back_noise"], side))).clamp(0.0, 1.5)
        chin, brow = points[:, 8], points[:, 27]
        up = brow - chin
        size = up.norm(dim=1).clamp(min=8)
        local_x = (x[None] - brow[:, :1, None]) / size[:, None, None]
        local_y = (y[None] - brow[:, 1:, None]) / size[:, None, None]
        shoulders = torch.sigmoid(14 * (local_y - 1.45 - 0.35 * local_x.abs().clamp(max=1.4) ** 2 * 0.6))[:, None]
        wall = torch.lerp(wall, s["clothes"][:, :, None, None].expand_as(wall), shoulders)
        round_ = ((local_x / 0.95) ** 2 + ((local_y + 0.05) / 1.05) ** 2).sqrt()
        falling = torch.maximum(round_ - 1, local_y - 1.1 - 1.2 * _row(s["hair_behind"])[:, 0])
        falling = torch.minimum(falling, torch.maximum(local_x.abs() - 0.86, (local_y - 1.7) * (local_y + 0.0)))
        behind = torch.sigmoid(-45 * falling)[:, None] * (_row(s["hair_behind"]) > 0)
        strands = F.interpolate(_strands(self.canvas, s), (side, side), mode="bilinear", align_corners=False)
        hair = (g["hair"].clamp(min=0.004).log()[:, :, None, None] - 0.5 + 0.35 * strands).exp()
        return torch.lerp(wall, hair, behind)

    def _things(self, picture: Tensor, s: Genes, points: Tensor) -> Tensor:
        """Glasses, and sometimes a hand-sized object."""
        y, x = _pixels(picture.shape[-1], points)
        left, right = (points[:, list(pair)].mean(1) for pair in EYES)
        across = right - left
        span = across.norm(dim=1, keepdim=True).clamp(min=4)
        up = torch.stack([across[:, 1], -across[:, 0]], 1) / span
        tall = (points[:, 27] - points[:, 8]).norm(
            dim=1, keepdim=True
        ) / 1.55  # the eyes' distance, seen from the front
        offset_x, offset_y = x[None] - (left + right)[:, :1, None] / 2, y[None] - (left + right)[:, 1:, None] / 2
        u = (offset_x * across[:, :1, None] + offset_y * across[:, 1:, None]) / span[..., None] ** 2
        v = -(offset_x * up[:, :1, None] + offset_y * up[:, 1:, None]) / tall[..., None]
        half_x, half_y, width, corner = (column[:, None, None] for column in s["frame"].unbind(1))
        qx, qy = (u.abs() - 0.5).abs() - half_x + corner, (v - 0.03).abs() - half_y + corner
        inside = torch.minimum(torch.maximum(qx, qy), torch.zeros_like(qx))
        rim = inside + (qx.clamp(min=0) ** 2 + qy.clamp(min=0) ** 2).sqrt() - corner
        sharp = tall[..., None]
        frame = torch.sigmoid((width / 2 - rim.abs()) * sharp * 2.0)
        bridge = torch.sigmoid((width / 2 - (v + 0.08 + 0.3 * u * u).abs()) * sharp * 2) * (
            u.abs() < (0.5 - half_x + 0.02)
        )
        temple = (
            torch.sigmoid((width / 2 - (v + 0.10).abs()) * sharp * 2)
            * (u.abs() > 0.5 + half_x - 0.02)
            * (u.abs() < 1.02 + half_x * 0.4)
        )
        worn = s["glasses"][:, None, None]
        lens = torch.sigmoid(-rim * sharp * 2) * s["tint"][:, None, None] * worn
        colour = s["frame_colour"].clamp(0.005, 0.8)[:, :, None, None]
        picture = torch.lerp(picture, 0.25 * colour.expand_as(picture), lens[:, None])
        picture = torch.lerp(
            picture, colour.expand_as(picture), (worn * torch.stack([frame, bridge, temple]).amax(0))[:, None]
        )
        px, py, radius, angle, squash = (column[:, None, None] for column in s["thing_place"].unbind(1))
        a, b = u - 1.3 * px, v - 0.35 - py
        turned_x, turned_y = a * angle.cos() + b * angle.sin(), (b * angle.cos() - a * angle.sin()) / squash
        thing = torch.sigmoid((radius - (turned_x**2 + turned_y**2).sqrt()) * sharp) * s["thing"][:, None, None]
        shade = s["thing_colour"][:, :, None, None] * (0.8 + 0.3 * torch.sin(3 * turned_x))[:, None]
        return torch.lerp(picture, shade, thing[:, None])


def metered(linear: Tensor, marks: Tensor, share: Tensor) -> Tensor:
    """(B,) exposure factor, from the face's brightness in (B, 3, H, W) at its landmarks (B, N, 2).

    share (B,): of the stops beyond LATITUDE, and of those by which the lightest parts burn out, that is corrected. So dark
    skin stays darker than pale skin."""
    places = 2 * marks / linear.shape[-1] - 1
    seen = F.grid_sample(linear.mean(1, keepdim=True), places[:, None], padding_mode="border", align_corners=False)[
        :, 0, 0
    ]
    off = (seen.median(1).values / FACE_LIGHT).clamp(min=1e-2).log2()
    stops = -share * (off - off.clamp(-LATITUDE, LATITUDE))
    burnt = seen.quantile(0.9, dim=1) * 2**stops
    return 2 ** (stops - share * (burnt / WHITE).clamp(min=1).log2())


def develop(linear: Tensor, s: Genes, canvas: Canvas) -> Tensor:
    """Linear light to the file's sRGB: tone, blur, grain, compression."""
    contrast, gamma, saturation, brightness = (column.view(-1, 1, 1, 1) for column in s["tone"].unbind(1))
    image = to_srgb(linear)
    image = image.clamp(1e-4, 1) ** torch.exp(gamma)
    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * torch.exp(saturation)
    image = 0.5 + (image - 0.5) * torch.exp(contrast) + brightness
    soft = [image, blur(image, 0.8), blur(image, 1.8)]
    amount = s["blur"].view(-1, 1, 1, 1)
    image = torch.lerp(soft[0], soft[1], (amount / 0.8).clamp(max=1))
    image = torch.lerp(image, soft[2], ((amount - 0.8) / 1.0).clamp(0, 1))
    side = image.shape[-1]
    grain = cut(canvas, s["tile"][:, 1], s["shift"][:, 1], side)
    image = (image + s["grain"].view(-1, 1, 1, 1) * grain).clamp(0, 1)
    return compressed(image, s["quality"])


def compressed(image: Tensor, coarseness: Tensor) -> Tensor:
    """Pictures (B, 3, 8 h, 8 w) sRGB with JPEG's losses: blocks of 8 x 8 rounded in cosine space. coarseness (B,) scales the
    table; 1 is quality 50."""
    batch, _, height, width = image.shape
    k = torch.arange(8, device=image.device, dtype=image.dtype)
    cosine = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    cosine[0] *= 0.5**0.5
    table = torch.tensor(QUANTIZATION, device=image.device, dtype=image.dtype) / 255
    to_ycc = image.new_tensor([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ycc = torch.einsum("ij,bjhw->bihw", to_ycc, image)
    blocks = ycc.view(batch, 3, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    waves = cosine @ blocks @ cosine.T
    step = table * coarseness.view(-1, 1, 1, 1, 1, 1) * image.new_tensor([1.0, 1.7, 1.7]).view(1, 3, 1, 1, 1, 1)
    kept = cosine.T @ ((waves / step).round() * step) @ cosine
    ycc = kept.permute(0, 1, 2, 4, 3, 5).reshape(batch, 3, height, width)
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycc), ycc).clamp(0, 1)


def _strands(canvas: Canvas, s: Genes) -> Tensor:
    """(B, 1, S, S), mean 0, deviation 1: noise stretched downwards."""
    noise = cut(canvas, s["tile"][:, 0], s["shift"][:, 0])
    drawn = F.avg_pool2d(F.pad(noise, (1, 1, 12, 12), mode="replicate"), (25, 3), 1)
    return drawn * math.sqrt(75)


def _missed(marks: Tensor, miss: Tensor) -> Tensor:
    """Landmarks turned, scaled and shifted a little about their middle, as by another detector."""
    middle = marks.mean(1, keepdim=True)
    size = (marks[..., 0].amax(1) - marks[..., 0].amin(1))[:, None]
    grow, turn = 1 + miss[:, 2:3], miss[:, 3:4]
    rotation = torch.stack([grow * turn.cos(), -grow * turn.sin(), grow * turn.sin(), grow * turn.cos()], -1).view(
        -1, 2, 2
    )
    shift = middle[:, 0] + miss[:, :2] * size
    return apply(torch.cat([rotation, shift[:, :, None]], 2), marks - middle)


def _pixels(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    run = torch.arange(side, device=like.device, dtype=like.dtype) + 0.5
    return torch.meshgrid(run, run, indexing="ij")[0], torch.meshgrid(run, run, indexing="ij")[1]


def _row(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def plain(photographer: Photographer, genes: Genes, skin: Skin) -> Tensor:
    """(B, 3, SIDE, SIDE) portraits without covers, on a grey wall, in soft light from slightly to one side."""
    count = len(skin.diffuse)
    shot = draw(0, 0, count)
    still = {name: torch.zeros_like(value) for name, value in shot.items()}
    still |= {name: shot[name] for name in ("tile", "shift")}
    ones = torch.ones(count, 1)
    still["turn"] = ones * torch.tensor([[0.05, 0.25, 0.0]])
    still["field"] = torch.full((count,), 0.35)
    still["share"] = torch.full((count,), 0.62)
    still["light"] = ones * torch.tensor([[0.5, 0.75, 0.6, 1.0, 0.97, 0.93, 0.5, 0.5, 0.9]])
    still["back"] = torch.full((count, 2, 3), 0.06)
    still["clothes"] = torch.full((count, 3), 0.06)
    still["quality"] = torch.full((count,), 0.05)
    still["frame"], still["thing_place"] = shot["frame"], shot["thing_place"]
    return photographer.shoot(genes, skin, still).image
