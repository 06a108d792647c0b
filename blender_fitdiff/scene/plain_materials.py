"""Simplifies materials during an export. Exporters read only values and pictures at the shader's inputs, so nodes between
them are bypassed, and connected again afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np

from .eyes import FILM
from .hair import COLOUR
from .heads import Head
from .material import PORES, principled_of

DISPLAY_COLOUR = "displayColor"  # USD's attribute for the colour of curves; Blender's importer reads it too
SURFACE = 0.08  # reflectance at a Specular IOR Level of 1


@contextmanager
def plain_materials(head: Head, strands: Sequence[bpy.types.Object] = (), *, coat: bool = True) -> Iterator[None]:
    """coat: whether the format has a clear coat. Where it has none, a surface with a coat and no specular of its own gets the
    coat's specular and roughness."""
    with ExitStack() as undo:
        for material in head.materials:
            _bypass_pores(undo, material)
            _bypass_film(undo, material)
            if not coat:
                _fold_coat(undo, material)
        for thing in strands:
            for material in thing.data.materials:
                if material is not None:
                    _plain_strands(undo, material, thing.data)
        yield


def _bypass_pores(undo: ExitStack, material: bpy.types.Material) -> None:
    """Connect the normal map directly to what the pores' bump feeds."""
    nodes = material.node_tree.nodes if material.node_tree else {}
    bend, pores = nodes.get("Normal Map"), nodes.get(PORES)
    if bend is None or pores is None or not bend.outputs["Normal"].is_linked:
        return
    for socket in [link.to_socket for link in pores.outputs["Normal"].links]:
        undo.callback(material.node_tree.links.new, pores.outputs["Normal"], socket)
        material.node_tree.links.new(bend.outputs["Normal"], socket)


def _bypass_film(undo: ExitStack, material: bpy.types.Material) -> None:
    """Give the eyes' coat the weight of its socket everywhere, instead of the film's weight by direction."""
    film = material.node_tree.nodes.get(FILM) if material.node_tree else None
    shader = principled_of(material) if film is not None else None
    if shader is not None:
        _unplug(undo, material, shader.inputs["Coat Weight"], film)


def _fold_coat(undo: ExitStack, material: bpy.types.Material) -> None:
    shader = principled_of(material) if material.node_tree else None
    if shader is None:
        return
    specular, roughness = shader.inputs["Specular IOR Level"], shader.inputs["Roughness"]
    weight = shader.inputs["Coat Weight"].default_value
    if any(shader.inputs[name].is_linked for name in ("Specular IOR Level", "Roughness", "Coat Weight")):
        return
    if specular.default_value > 0 or not weight > 0:
        return
    index = shader.inputs["Coat IOR"].default_value
    _set(undo, specular, weight * ((index - 1) / (index + 1)) ** 2 / SURFACE)
    _set(undo, roughness, shader.inputs["Coat Roughness"].default_value)


def _plain_strands(undo: ExitStack, material: bpy.types.Material, curves: bpy.types.Curves) -> None:
    """Give all strands one colour, without the variation from strand to strand."""
    own = material.node_tree.nodes.get(COLOUR) if material.node_tree else None
    if own is None or own.type != "RGB" or (shader := principled_of(material)) is None:
        return
    colour = tuple(own.outputs["Color"].default_value)
    base = shader.inputs["Base Color"]
    if base.is_linked:
        _unplug(undo, material, base)
        _set(undo, base, colour)
    if DISPLAY_COLOUR not in curves.attributes:
        kind, channels = ("FLOAT_COLOR", 4) if bpy.app.version >= (4, 5, 0) else ("FLOAT_VECTOR", 3)
        shown = curves.attributes.new(DISPLAY_COLOUR, kind, "CURVE")  # USD of 4.2 writes vectors of curves, not colours
        undo.callback(lambda: curves.attributes.remove(curves.attributes[DISPLAY_COLOUR]))
        values = np.tile(np.array(colour[:channels], np.float32), len(curves.curves))
        shown.data.foreach_set("color" if channels == 4 else "vector", values)


def _unplug(
    undo: ExitStack,
    material: bpy.types.Material,
    socket: bpy.types.NodeSocket,
    only_from: bpy.types.Node | None = None,
) -> None:
    for link in list(socket.links):
        if only_from is None or link.from_node == only_from:
            undo.callback(material.node_tree.links.new, link.from_socket, socket)
            material.node_tree.links.remove(link)


def _set(undo: ExitStack, socket: bpy.types.NodeSocket, value: object) -> None:
    before = socket.default_value
    undo.callback(setattr, socket, "default_value", before if isinstance(before, float) else tuple(before))
    socket.default_value = value
