"""Lights a scene by an HDRI: one that comes with Blender, or the artist's own file."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ..errors import FitDiffError
from .nodes import background_of, node_tree

SUFFIXES = (".exr", ".hdr")


def hdris() -> dict[str, Path]:
    """Name -> file of the HDRIs that come with Blender (city, courtyard, forest, ...); empty where a build has none."""
    folder = bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    if not folder or not Path(folder).is_dir():
        return {}
    return {path.stem: path for path in sorted(Path(folder).iterdir()) if path.suffix in SUFFIXES}


def find_hdri(name: str) -> Path:
    """The file of an HDRI that comes with Blender, by name, or a file by its path. Raises FitDiffError hdri-missing."""
    known = hdris()
    if name in known:
        return known[name]
    if Path(name).suffix.lower() in SUFFIXES and Path(name).is_file():
        return Path(name)
    choice = f"Choose one of {', '.join(known)}, or" if known else "This Blender comes without any: choose"
    raise FitDiffError("hdri-missing", f"There is no HDRI “{name}”. {choice} an .exr or .hdr file.", details=name)


def build_hdri_world(name: str, path: Path, *, strength: float = 1.0, degrees: float = 0.0) -> bpy.types.World:
    """A world lit by the picture, turned about the vertical. The picture is packed: its path may not exist on another
    machine."""
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError as error:
        sentence = f"“{path.name}” cannot be read as an HDRI. Choose an .exr or .hdr file."
        raise FitDiffError("hdri-broken", sentence, details=str(error)) from error
    if not image.has_data and not image.size[0]:
        bpy.data.images.remove(image)
        sentence = f"“{path.name}” cannot be read as an HDRI. Choose an .exr or .hdr file."
        raise FitDiffError("hdri-broken", sentence, details=str(path))
    image.pack()
    world = bpy.data.worlds.new(name)
    image.name = world.name
    tree, background = node_tree(world), background_of(world)
    background.inputs["Strength"].default_value = strength
    coordinates, turn, environment = (
        tree.nodes.new(kind) for kind in ("ShaderNodeTexCoord", "ShaderNodeMapping", "ShaderNodeTexEnvironment")
    )
    for node, place in ((coordinates, -900), (turn, -700), (environment, -450)):
        node.location = (place, 0)
    turn.name, environment.image = "Turn", image
    turn.inputs["Rotation"].default_value = (0.0, 0.0, math.radians(degrees))
    tree.links.new(coordinates.outputs["Generated"], turn.inputs["Vector"])
    tree.links.new(turn.outputs["Vector"], environment.inputs["Vector"])
    tree.links.new(environment.outputs["Color"], background.inputs["Color"])
    return world
