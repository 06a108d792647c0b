"""Compare an engine's head with a rendered person whose shape, maps, light and camera are known."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_closing

from ..avatar import Avatar, read_avatar
from ..avatar.convert import camera_from_avatar
from ..colour import linear_from_srgb
from ..errors import FitDiffError
from ..face import texels
from ..face.appearance import lips_mask
from ..face.model import MorphableModel
from ..perception.analyse import Analysis, analyse
from ..photo import open_photo
from ..pictures.relight import Head, posed
from ..render.camera import Camera
from ..render.colour import to_srgb
from ..skin_maps import LEARNED
from ..topology import REGIONS
from . import map_figures
from .neutral_likeness import Front
from .outline import Outline
from .shapes import FaceShape, reachable

TEXELS = 512
GRID = 256  # cells a side in which visible texels are counted
OVERSAMPLING = 3  # of the photo, when its pixels are mapped to texels
FACING = 0.3  # cosine to the camera below which skin counts as not visible
BARE = 0.99  # share of bare skin in a texel's neighbourhood
LIPS = 0.05


class Ground:
    """Shared by all persons: the face model and its skin tile's masks of face and lips."""

    def __init__(self, model: MorphableModel) -> None:
        topology = model.topology
        self.model, self.topology = model, topology
        mask = np.zeros((int(topology.triangles.max()) + 1, 1))
        mask[: len(topology.vertex_masks["face"]), 0] = topology.vertex_masks["face"]
        self.face = texels.bake(topology, mask, TEXELS)[..., 0] > 0.5
        self.lips = lips_mask(topology, TEXELS) > LIPS
        self.basis = torch.cat([model.identity_basis, model.expression_basis]).double().numpy()
        self.mean = model.mean.double().numpy()


class Subject:
    """One person of `fitdiff.evaluation.subjects`, with their photo."""

    def __init__(self, folder: Path, ground: Ground) -> None:
        self.folder, self.ground = folder, ground
        self.avatar = read_avatar(folder / "avatar")
        if not np.array_equal(self.avatar.mesh.quads, ground.topology.quads):
            raise FitDiffError(
                "truth-mesh", f"{folder.name} was made on another face model: make the people again with this one."
            )
        try:
            self.scene, self.lit = (
                json.loads((folder / name).read_text(encoding="utf-8")) for name in ("scene.json", "lit.json")
            )
            with np.load(folder / "truth.npz", allow_pickle=False) as stored:
                bare, self.yaw = stored["bare"].astype(np.float64), float(stored["yaw"])
        except (OSError, ValueError, KeyError) as error:
            raise FitDiffError(
                "truth-broken", f"The truth of {folder.name} is incomplete: make it again.", details=repr(error)
            ) from error
        self.head, self.camera = Head(self.avatar, hair=False), camera_from_avatar(self.avatar)
        self.shape = FaceShape(ground.topology, posed(self.avatar))
        self.neutral = FaceShape(ground.topology, self.avatar.mesh.vertices)
        self.outline = Outline(ground.topology, posed(self.avatar), self.camera)
        self.front = Front(self.avatar, ground.model, self.neutral)
        self.maps = stored_maps(self.avatar)
        self.seen = seen_texels(self.head, self.camera) & ground.face
        self.skin = self.seen & (map_figures.resized(bare, TEXELS) > BARE) & ~ground.lips

    @cached_property
    def analysis(self) -> Analysis:
        analysis = analyse(open_photo(self.folder / "photo.png"), model=self.ground.model)
        _ = analysis.pose, analysis.mask
        return analysis

    def about(self) -> dict[str, Any]:
        return {
            "light": self.scene["group"],
            "room": self.scene["room"],
            "one_sided": self.lit["share"],
            "yaw": self.yaw,
            "lightness": map_figures.lightness(linear_from_srgb(self.maps["diffuse"]), self.skin),
            "texels": int(self.skin.sum()),
            "reachable": self.shape.errors(reachable(self.ground.basis, self.ground.mean, self.shape)),
        }

    def judge(self, avatar: Avatar, front: Front) -> dict[str, Any]:
        """All figures of one engine's head: millimetres, degrees, and recognisers' and map_figures' own units."""
        head, camera, maps = Head(avatar, hair=False), camera_from_avatar(avatar), stored_maps(avatar)
        shape = self.shape.errors(posed(avatar)) | {"neutral": self.neutral.errors(avatar.mesh.vertices)["overall"]}
        albedo = [linear_from_srgb(one["diffuse"]).astype(np.float64) for one in (maps, self.maps)]
        direction, truth = (
            np.array(where) @ one.rotation[0].double().numpy().T
            for where, one in ((avatar.manifest.light.direction, camera), (self.lit["direction"], self.camera))
        )
        return {
            "shape": shape,
            "outline": self.outline.errors(posed(avatar), camera),
            "front": self.front.likeness(front),
            "maps": {name: map_figures.likeness(maps[name], self.maps[name], self.seen) for name in LEARNED},
            "normals": self._normals(head, camera),
            "light": float(map_figures.degrees(direction, truth)),
            "albedo": map_figures.albedo_error(albedo[0], albedo[1], self.skin),
        }

    def _normals(self, head: Head, camera: Camera) -> float | None:
        """Mean angle in degrees between both heads' normals, maps applied, over the photo's pixels."""
        found, _ = normals_in_view(head, camera)
        truth, uv = normals_in_view(self.head, self.camera)
        both = np.isfinite(found[..., 0]) & np.isfinite(truth[..., 0])
        place = np.clip((np.nan_to_num(uv) * TEXELS).astype(int), 0, TEXELS - 1)
        both &= self.seen[TEXELS - 1 - place[..., 1], place[..., 0]]
        return float(map_figures.degrees(found[both], truth[both]).mean()) if both.any() else None


def stored_maps(avatar: Avatar) -> dict[str, NDArray[np.float64]]:
    """Maps 0..1 as stored, TEXELS a side; colours are averaged in linear light."""
    maps = {}
    for name in LEARNED:
        values = avatar.maps[name] / np.iinfo(avatar.maps[name].dtype).max
        if name == "diffuse":
            linear = map_figures.resized(linear_from_srgb(values), TEXELS)
            values = to_srgb(torch.from_numpy(linear)).numpy()
        maps[name] = map_figures.resized(values, TEXELS)
    return maps


def seen_texels(head: Head, camera: Camera) -> NDArray[np.bool_]:
    """(TEXELS, TEXELS): skin that the camera sees, not at a grazing angle."""
    fine = camera.resized((camera.size[0] * OVERSAMPLING, camera.size[1] * OVERSAMPLING))
    surface = head.draw(fine).surface
    towards = (surface.normal * surface.view).sum(1) > FACING
    uv = surface.uv[towards & (surface.region == REGIONS.index("skin"))].double().numpy()
    cells = np.clip((uv * GRID).astype(int), 0, GRID - 1)
    counted = np.zeros((GRID, GRID), bool)
    counted[GRID - 1 - cells[:, 1], cells[:, 0]] = True
    closed = binary_closing(np.pad(counted, 2), np.ones((3, 3)))[2:-2, 2:-2]
    return closed.repeat(TEXELS // GRID, 0).repeat(TEXELS // GRID, 1)


def normals_in_view(head: Head, camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(H, W, 3) unit normals in camera axes and (H, W, 2) texture coordinates of the skin; NaN elsewhere."""
    drawn = head.draw(camera)
    skin = (drawn.surface.region == REGIONS.index("skin")).numpy()
    pictures = []
    for rows in (drawn.surface.normal.double() @ camera.rotation[0].double().T, drawn.surface.uv.double()):
        flat = np.full((camera.size[0] * camera.size[1], rows.shape[1]), np.nan)
        flat[drawn.pixel.numpy()[skin]] = rows.numpy()[skin]
        pictures.append(flat.reshape(*camera.size, -1))
    return pictures[0], pictures[1]
