"""Makes a .blend and pictures of an avatar folder, without a window: python -m blender_fitdiff.demo AVATAR_DIR OUT_DIR

Runs in any Python that can import bpy, with the repository's root on PYTHONPATH; the extension need not be installed.
Writes head.blend (the photo's camera, maps packed) and square portraits cut from that camera's view: cycles.png, photo.png,
overlay.png (one over the other), and relit_1.png and on under other lights.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from .errors import FitDiffError
from .portrait import portrait
from .rendering.pictures import BACKDROP, over, pixels, render, save
from .rendering.renderers import use_cycles
from .scene.camera import build_camera
from .scene.colours import working_colour
from .scene.environment import build_hdri_world, hdris
from .scene.importer import import_avatar
from .scene.nodes import background_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: every picture is there. 1: one sentence on stderr says why not. 2: wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m blender_fitdiff.demo", description=__doc__.splitlines()[0])
    parser.add_argument("avatar", type=Path, help="avatar folder")
    parser.add_argument("out", type=Path, help="folder for head.blend and the pictures, made when missing")
    parser.add_argument(
        "--relight", type=int, default=3, choices=range(len(RELIGHTS) + 1), help="how many other lights"
    )
    parser.add_argument("--size", type=int, default=512, help="side of the pictures in pixels")
    parser.add_argument("--samples", type=int, default=32, help="Cycles samples per pixel")
    options = parser.parse_args(arguments)
    try:
        bpy.ops.wm.read_homefile(use_empty=True)
        run(options.avatar, options.out, relight=options.relight, size=options.size, samples=options.samples)
    except FitDiffError as error:
        sys.stderr.write(f"{error.sentence} [{error.code}]\n")
        return 1
    return 0


def run(avatar: Path, out: Path, *, relight: int, size: int, samples: int) -> list[Path]:
    """Write all files; gives their paths. The current scene must be empty."""
    out.mkdir(parents=True, exist_ok=True)
    clock = time.perf_counter()

    def done(path: Path) -> Path:
        nonlocal clock
        now = time.perf_counter()
        sys.stderr.write(f"{path.name}: {now - clock:.1f} s\n")
        clock = now
        return path

    imported = import_avatar(avatar, pack=True)
    scene = bpy.context.scene
    use_cycles(scene, samples)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "head.blend"), compress=True)
    files = [done(out / "head.blend")]

    left, top, side = portrait(imported.source)
    scene.camera = build_camera("portrait", imported.source.camera.cropped(left, top, side, side), None)
    scene.collection.objects.link(scene.camera)
    scene.render.resolution_x = scene.render.resolution_y = size
    match = render(scene)
    save(over(match, BACKDROP), out / "cycles.png")
    files.append(done(out / "cycles.png"))
    backgrounds = imported.camera.data.background_images
    if len(backgrounds):
        photo = cropped(pixels(backgrounds[0].image), left, top, side, size)
        save(photo, out / "photo.png")
        save(over(match, photo[..., :3]), out / "overlay.png")
        files += [out / "photo.png", done(out / "overlay.png")]
    imported.sun.hide_render = True
    for number, light in enumerate(RELIGHTS[:relight], start=1):
        made = light(scene)
        save(over(render(scene), BACKDROP), out / f"relit_{number}.png")
        bpy.data.batch_remove(made)
        files.append(done(out / f"relit_{number}.png"))
    return files


def cropped(picture: np.ndarray, left: int, top: int, side: int, size: int) -> np.ndarray:
    """picture (H, W, 4), bottom row first -> (size, size, 4): the square that `portrait` gave; backdrop outside the picture."""
    height, width = picture.shape[:2]
    part = np.concatenate([np.tile(BACKDROP, (side, side, 1)), np.ones((side, side, 1))], -1).astype(np.float32)
    x0, x1, y0, y1 = max(left, 0), min(left + side, width), max(top, 0), min(top + side, height)
    part[y0 - top : y1 - top, x0 - left : x1 - left] = picture[::-1][y0:y1, x0:x1]
    image = bpy.data.images.new("crop", side, side, alpha=False, float_buffer=True)
    image.pixels.foreach_set(np.ascontiguousarray(part[::-1]).ravel())
    image.scale(size, size)
    values = pixels(image)
    bpy.data.images.remove(image)
    return values


def strong_key(scene: bpy.types.Scene) -> list[bpy.types.ID]:
    """A hard light from the head's left, almost none from elsewhere."""
    return [*sun("key", (1.0, 0.4, 0.6), 4.6, (1.0, 0.95, 0.88), 3.0), world(scene, (0.6, 0.75, 1.0), 0.12)]


def warm_and_cool(scene: bpy.types.Scene) -> list[bpy.types.ID]:
    """Warm light from one side, cool light from the other, both from a little behind."""
    warm = sun("warm", (-1.0, 0.25, 0.35), 3.2, (1.0, 0.55, 0.25), 8.0)
    cool = sun("cool", (1.0, 0.45, 0.15), 2.6, (0.3, 0.5, 1.0), 8.0)
    return [*warm, *cool, world(scene, (0.5, 0.5, 0.7), 0.06)]


def outdoors(scene: bpy.types.Scene) -> list[bpy.types.ID]:
    """Blender's HDRI `forest`; three lamps where a build has none."""
    path = hdris().get("forest")
    if path is None:
        lamps = [
            sun("key", (0.6, 0.7, 1.0), 2.6, (1.0, 0.96, 0.9), 20.0),
            sun("fill", (-1.0, 0.2, 0.6), 0.9, (0.85, 0.92, 1.0), 40.0),
            sun("rim", (-0.5, 0.8, -1.0), 3.0, (1.0, 1.0, 1.0), 10.0),
        ]
        return [block for lamp in lamps for block in lamp] + [world(scene, (1.0, 1.0, 1.0), 0.15)]
    place = build_hdri_world("relight", path, strength=0.85)
    scene.world = place
    return [place, *(node.image for node in place.node_tree.nodes if getattr(node, "image", None))]


Relight = Callable[[bpy.types.Scene], list[bpy.types.ID]]
RELIGHTS: tuple[Relight, ...] = (strong_key, warm_and_cool, outdoors)


def sun(
    name: str, towards: tuple[float, float, float], strength: float, colour: tuple[float, float, float], degrees: float
) -> list[bpy.types.ID]:
    """A sun seen from the head in direction `towards` (head space: x to its left, y up, z forward)."""
    data = bpy.data.lights.new(name, "SUN")
    data.energy, data.color, data.angle = strength, working_colour(colour), math.radians(degrees)
    lamp = bpy.data.objects.new(name, data)
    x, y, z = towards
    lamp.rotation_euler = Vector((x, -z, y)).to_track_quat("Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(lamp)
    return [lamp, data]


def world(scene: bpy.types.Scene, colour: tuple[float, float, float], strength: float) -> bpy.types.World:
    """A world that gives the same light from everywhere, set as the scene's."""
    made = bpy.data.worlds.new("relight")
    background = background_of(made)
    background.inputs["Color"].default_value = (*working_colour(colour), 1.0)
    background.inputs["Strength"].default_value = strength
    scene.world = made
    return made


if __name__ == "__main__":
    sys.exit(main())
