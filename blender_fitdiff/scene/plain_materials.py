"""Simplifies materials during an export. Exporters read only values and pictures at the shader's inputs, so nodes between
them are bypassed, and connected again afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np

from .eyes import FILM
from .groom import is_groom
from .groom_nodes import COLOUR as STRAND_COLOUR
from .hair import COLOUR
from .heads import Head
from .material import principled_of
from .node_graph import NodeGraph
from .pores import PORES

DISPLAY_COLOUR = "displayColor"  # USD's attribute for the colour of curves; Blender's importer reads it too
COLOURS_OF_CURVES = bpy.app.version >= (4, 5, 0)  # USD of 4.2 writes vectors of curves, not colours
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
                    _plain_strands(undo, material, thing)
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


def _plain_strands(undo: ExitStack, material: bpy.types.Material, thing: bpy.types.Object) -> None:
    """Give the material one colour, and the strands theirs as an attribute: of each point where they have colours of their
    own, else of each strand."""
    shader = principled_of(material) if material.node_tree else None
    if shader is None:
        return
    own = material.node_tree.nodes.get(COLOUR)
    if own is not None and own.type == "RGB":
        colour = tuple(own.outputs["Color"].default_value)
        _one_colour(undo, thing.data, colour)
    elif is_groom(thing) and (mean := _mean_colour(thing)) is not None:
        colour = mean
        _point_colours(undo, thing)
    else:
        return
    base = shader.inputs["Base Color"]
    if base.is_linked:
        _unplug(undo, material, base)
        _set(undo, base, colour)


def _one_colour(undo: ExitStack, curves: bpy.types.Curves, colour: tuple[float, ...]) -> None:
    if DISPLAY_COLOUR in curves.attributes:
        return
    channels = 4 if COLOURS_OF_CURVES else 3
    shown = curves.attributes.new(DISPLAY_COLOUR, "FLOAT_COLOR" if COLOURS_OF_CURVES else "FLOAT_VECTOR", "CURVE")
    undo.callback(lambda: curves.attributes.remove(curves.attributes[DISPLAY_COLOUR]))
    values = np.tile(np.array(colour[:channels], np.float32), len(curves.curves))
    shown.data.foreach_set("color" if channels == 4 else "vector", values)


def _point_colours(undo: ExitStack, thing: bpy.types.Object) -> None:
    """Turn the attribute that the strands are coloured by into the one that USD knows, by one more modifier."""
    kind = "COLOUR" if COLOURS_OF_CURVES else "VECTOR"
    graph = NodeGraph(DISPLAY_COLOUR, {})
    coloured = graph.store(graph.geometry, DISPLAY_COLOUR, graph.named(STRAND_COLOUR, kind), kind, "POINT")
    bare = graph.node("GeometryNodeRemoveAttribute", coloured)  # else a file would hold every colour twice
    bare.inputs["Name"].default_value = STRAND_COLOUR
    tree = graph.output(bare.outputs[0])
    undo.callback(bpy.data.node_groups.remove, tree)
    modifier = thing.modifiers.new(DISPLAY_COLOUR, "NODES")
    undo.callback(thing.modifiers.remove, modifier)
    modifier.node_group = tree


def _mean_colour(thing: bpy.types.Object) -> tuple[float, ...] | None:
    """Of the strands as they are drawn; None where they have no colours."""
    drawn = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    colours = drawn.attributes.get(STRAND_COLOUR)
    if colours is None or colours.data_type != "FLOAT_COLOR" or not len(colours.data):
        return None
    values = np.empty(4 * len(colours.data), np.float32)
    colours.data.foreach_get("color", values)
    red, green, blue = values.reshape(-1, 4)[:, :3].mean(0).tolist()
    return red, green, blue, 1.0


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
