"""Measure perception on people rendered by Cycles, whose every number is known.

python -m fitdiff.evaluation.truth make DIR --scenes 16     one avatar folder and its truth for each scene
python -m tests.blender.truth.render DIR                    (in Blender's Python) DIR/<scene>/photo.png
python -m fitdiff.evaluation.truth measure DIR              how far perception is off, and DIR/sheet.png
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..avatar import Light, avatar_from_model, write_avatar
from ..avatar.convert import camera_to_avatar, maps_to_avatar
from ..face import embedded
from ..face.brows import hair_alpha
from ..face.embedded import EmbeddedFace
from ..face.hairline import growth
from ..face.looks import Look, look_maps, random_look
from ..face.people import random_expression, random_identity
from ..face.skin import load_skin
from ..perception import Perception, regions
from ..perception.analyse import Analysis
from ..perception.pose import solve_pose
from ..photo import photo_from_pixels
from ..render.camera import Camera, rotation_from_axis_angle
from ..render.interpolate import covered
from ..render.outline import filled
from ..render.projection import depth_picture
from ..render.renderer import Renderer
from ..render.visibility import visible_faces
from ..topology import REGIONS

SEED = 4
SIZE = 320  # pixels, square
TEXELS = 1024
AT_LINE = 0.01  # metres in front of the hairline that a strand may start; cover further down is brows
COVERED = 0.35  # alpha of hair that hides the skin
FINER = 4  # oversampling of the depth picture, which decides which landmarks are visible
BEHIND = 0.003  # metres: landmarks further behind the nearest surface are hidden
SKULL = 1.0  # of the distance from the brows to the oval's top: up to there the truth leaves out what a mask may have
LEAST = 0.5  # of a soft mask, from which a pixel counts
NEAR = 30  # degrees of yaw
THIRDS = ("light", "middle", "dark")


def make(folder: Path, scenes: int, seed: int = SEED) -> None:
    """Skin from melanin -2 to 2 and yaws from -45 to 45 degrees, spread evenly in different orders."""
    model = embedded.load()
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    melanin = np.linspace(-2, 2, scenes)
    # Each third of the tones gets all yaws: every third of them in turn.
    yaws = np.linspace(-45, 45, scenes)[np.argsort(np.arange(scenes) % 3, kind="stable")]
    for number in range(scenes):
        look = random_look(generator, load_skin().count)
        skin = look.skin.clone()
        skin[0] = melanin[number]
        look = replace(look, skin=skin)
        identity = random_identity(model, 1, generator)
        expression = random_expression(model, 1, generator, 0.6)
        gaze = torch.from_numpy(np.tile(random.uniform(-0.2, 0.2, 2), (2, 1))).float()
        vertices = model.vertices(identity, expression, gaze[None])
        camera = _camera(model, vertices, float(yaws[number]), random)
        with torch.no_grad():
            maps = maps_to_avatar(look_maps(model, [look], TEXELS, eye_size=512))
        strength = float(random.uniform(0.5, 1.4))
        avatar = avatar_from_model(
            model,
            identity=identity[0],
            expression=expression[0],
            gaze=gaze,
            light=Light(
                ambient=float(random.uniform(0.15, 0.6)),
                diffuse=strength,
                specular=strength,
                colour=tuple(random.uniform((0.9, 0.85, 0.75), 1.0).tolist()),
                direction=tuple((random.normal(0, 1, 3) * (0.8, 0.4, 0) + (0, 0.5, 1)).tolist()),
            ),
            camera=camera_to_avatar(camera),
            maps=maps,
            engine="truth",
            seed=number,
        )
        place = folder / f"{number:02d}"
        write_avatar(avatar, place / "avatar", overwrite=True)
        np.savez_compressed(place / "truth.npz", allow_pickle=False, **_truth(model, vertices, camera, look))


def _camera(model: EmbeddedFace, vertices: torch.Tensor, yaw: float, random: np.random.Generator) -> Camera:
    """From 0.6 to 1.6 m, the face two fifths of the picture or more, not in its middle, the camera a little tilted."""
    distance = float(random.uniform(0.6, 1.6))
    target = vertices[0, : len(model.topology.vertex_masks["face"])].mean(0) + torch.tensor([0.0, 0.01, 0.02])
    shift = torch.from_numpy(random.uniform(-0.025, 0.025, 3)).float()
    angle = 2 * math.degrees(math.atan(0.17 * float(random.uniform(0.9, 1.2)) / distance))
    camera = Camera.facing((SIZE, SIZE), distance, angle, yaw, float(random.uniform(-14, 14)), target + shift)
    roll = rotation_from_axis_angle(torch.tensor([[0.0, 0.0, math.radians(float(random.uniform(-10, 10)))]]))
    return replace(camera, rotation=roll @ camera.rotation, translation=(roll @ camera.translation[..., None])[..., 0])


@torch.no_grad()
def _truth(model: EmbeddedFace, vertices: torch.Tensor, camera: Camera, look: Look) -> dict[str, np.ndarray]:
    def pixels(name: str) -> np.ndarray:
        return camera.project(model.landmarks(vertices, name)).screen[0].double().numpy()

    marks = pixels("facemesh468")
    eyes = model.landmarks(vertices, "ibug68")[0, [36, 45]]
    depth = -(camera.rotation[0] @ eyes.mean(0) + camera.translation[0])[2]
    return {
        "facemesh468": marks,
        "in_sight468": in_sight(model, vertices, camera, "facemesh468"),
        "ibug68": pixels("ibug68"),
        "interocular": (camera.focal[0] * (eyes[0] - eyes[1]).norm() / depth).numpy(),
        "rotation": camera.rotation[0].double().numpy(),
        "focal": camera.focal[0].numpy(),
        "melanin": look.skin[0].numpy(),
        "skin": visible_face(model, vertices, camera, look, marks),
    }


def in_sight(model: EmbeddedFace, vertices: torch.Tensor, camera: Camera, name: str) -> np.ndarray:
    """(N,) bool: landmarks that nothing hides from the camera, not even their own cheek."""
    large = replace(
        camera,
        focal=camera.focal * FINER,
        principal=camera.principal * FINER,
        size=(camera.size[0] * FINER, camera.size[1] * FINER),
    )
    projected = large.project(vertices)
    triangles = torch.from_numpy(model.topology.triangles.astype(np.int64))
    faces = visible_faces(projected, triangles, large.size)
    nearest = depth_picture(faces, projected.screen[0], projected.depth[0], triangles)[0, 0]
    marks = large.project(model.landmarks(vertices, name))
    column, row = (marks.screen[0, :, axis].long().clamp(0, large.size[1 - axis] - 1) for axis in (0, 1))
    return (marks.depth[0] < nearest[row, column] + BEHIND).numpy()


def visible_face(
    model: EmbeddedFace, vertices: torch.Tensor, camera: Camera, look: Look, marks: np.ndarray
) -> np.ndarray:
    """(H, W) bool: skin within the face's outline that no hair, eye or mouth hides; brows and lips are skin here."""
    renderer = Renderer(model.topology, antialias=False)
    mesh = renderer.mesh
    drawn = renderer(vertices, {}, camera, vertices.new_tensor([[1.0] * 6 + [0, 0, 1]]))
    pixel = covered(drawn.face, mesh.region)
    alpha = hair_alpha(model, look.style, TEXELS, look.seed)
    inside = torch.from_numpy(growth(model, TEXELS).inside).to(alpha)[None, None]
    uv = drawn.surface.uv * 2 - 1
    place = (uv * uv.new_tensor([1, -1]))[None, None]
    hair, scalp = (
        torch.nn.functional.grid_sample(picture, place, align_corners=False)[0, 0, 0] for picture in (alpha, inside)
    )
    bare = (drawn.surface.region == REGIONS.index("skin")) & ~((hair > COVERED) & (scalp > -AT_LINE))
    seen = torch.zeros(camera.size[0] * camera.size[1], dtype=torch.bool)
    seen[pixel] = bare
    return seen.view(camera.size).numpy() & _outline(marks, camera.size)


def _outline(marks: np.ndarray, size: tuple[int, int], height: float = regions.FOREHEAD_HEIGHT) -> np.ndarray:
    """(468, 2) pixels -> (h, w) bool: a face with its forehead; height: of what is above the oval."""
    outlines = (regions.raised_oval(marks, height), marks[list(regions.OVAL)])
    return np.any([filled(outline, size) > LEAST for outline in outlines], 0)


def measure(folder: Path) -> dict[str, Any]:
    perception, model = Perception.load(), embedded.load()
    rows, pictures = [], []
    for place in sorted(path.parent for path in folder.glob("*/photo.png")):
        truth = np.load(place / "truth.npz", allow_pickle=False)
        photo = photo_from_pixels(np.asarray(Image.open(place / "photo.png").convert("RGB")))
        row: dict[str, Any] = {"scene": place.name, "melanin": round(float(truth["melanin"]), 2)}
        row["yaw"] = round(math.degrees(math.atan2(truth["rotation"][2, 0], truth["rotation"][2, 2])), 1)
        rows.append(row)
        faces = perception.detect(photo.pixels)
        if not faces:
            row["found"] = False
            continue
        seen = Analysis(photo, faces, faces[0], model, perception)
        unit = float(truth["interocular"])
        for name, points in (("468", seen.face.landmarks468), ("68", seen.face.landmarks68)):
            own = truth["facemesh468" if name == "468" else "ibug68"]
            missed = 100 * np.linalg.norm(points[:, :2] - own, axis=1) / unit
            row[f"landmarks{name} %"] = float(missed.mean())
            if name == "468":
                row["landmarks468 in sight %"] = float(missed[truth["in_sight468"]].mean())
        size = (photo.height, photo.width)
        known = solve_pose(model, {"facemesh468": seen.face.landmarks468}, size, float(truth["focal"]))
        row["pose degrees"] = _turn(seen.pose.rotation, truth["rotation"])
        row["pose degrees, focal known"] = _turn(known.rotation, truth["rotation"])
        mask = seen.mask.over_photo("face", size) > LEAST
        mask &= _outline(truth["facemesh468"], size) | ~_outline(truth["facemesh468"], size, SKULL)
        row["mask IoU"] = float((mask & truth["skin"]).sum() / (mask | truth["skin"]).sum())
        pictures.append(_picture(photo.pixels, seen.face.landmarks468, truth, mask))
    _grid(pictures).save(folder / "sheet.png")
    near = [row for row in rows if abs(row["yaw"]) <= NEAR]
    far = [row for row in rows if abs(row["yaw"]) > NEAR]
    parts = {"all": rows, f"turned up to {NEAR}": near, f"turned by more than {NEAR}": far} | _thirds(rows)
    return {"scenes": rows, **{name: _means(part) for name, part in parts.items() if part}}


def _turn(first: np.ndarray, second: np.ndarray) -> float:
    """Degrees between two rotations."""
    return math.degrees(math.acos(float(np.clip((np.trace(first @ second.T) - 1) / 2, -1, 1))))


def _means(rows: list[dict[str, Any]]) -> dict[str, float]:
    found = [row for row in rows if row.get("found", True)]
    names = [name for name in found[0] if name not in ("scene", "melanin", "yaw")] if found else []
    result = {name: round(float(np.mean([row[name] for row in found])), 3) for name in names}
    return {"scenes": len(rows), "found": len(found), **result}


def _thirds(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    ordered = sorted(rows, key=lambda row: row["melanin"])
    parts = np.array_split(np.arange(len(ordered)), 3)
    return {name: [ordered[i] for i in part] for name, part in zip(THIRDS, parts, strict=True)}


def _picture(pixels: np.ndarray, seen: np.ndarray, truth: Any, mask: np.ndarray) -> np.ndarray:
    """Red: where only the truth has skin; blue: where only the mask has. Dots: true landmarks dark, seen ones green."""
    picture = np.array(pixels, np.float32)
    for wrong, colour in ((truth["skin"] & ~mask, (255, 40, 40)), (mask & ~truth["skin"], (40, 90, 255))):
        picture[wrong] = 0.45 * picture[wrong] + 0.55 * np.array(colour)
    picture = np.asarray(
        Image.fromarray(picture.astype(np.uint8)).resize((2 * SIZE, 2 * SIZE), Image.Resampling.BICUBIC)
    )
    picture = picture.copy()
    for points, colour in ((truth["facemesh468"], (20, 20, 20)), (seen[:, :2], (90, 255, 90))):
        at = np.round(2 * points).astype(int)
        at = at[((at > 0) & (at < 2 * SIZE - 1)).all(1)]
        for dx, dy in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            picture[at[:, 1] + dy, at[:, 0] + dx] = colour
    return picture


def _grid(pictures: list[np.ndarray], columns: int = 5) -> Image.Image:
    blank = np.zeros_like(pictures[0])
    pictures = pictures + [blank] * (-len(pictures) % columns)
    rows = [np.concatenate(pictures[start : start + columns], 1) for start in range(0, len(pictures), columns)]
    return Image.fromarray(np.concatenate(rows))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.evaluation.truth", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make", help="make people with cameras and truth")
    maker.add_argument("folder", type=Path)
    maker.add_argument("--scenes", type=int, default=16)
    maker.add_argument("--seed", type=int, default=SEED, help="seed of people and cameras")
    measurer = commands.add_parser("measure", help="measure perception on the pictures")
    measurer.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "make":
        make(options.folder, options.scenes, options.seed)
    else:
        sys.stdout.write(json.dumps(measure(options.folder), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
