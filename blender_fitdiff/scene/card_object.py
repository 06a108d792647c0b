"""Hair cards as an object of the scene while a head is exported: a mesh that follows the head's shape keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from .card_atlas import SIZE
from .groom_arrays import GroomArrays
from .hair_cards import Cards, make_cards
from .heads import Head
from .mesh import UV_LAYER, to_blender
from .nodes import node_tree

STILL = 1e-4  # metres: shape keys that move no root further than this are left out
ROUGHNESS, SPECULAR = 0.55, 0.3


@contextmanager
def hair_cards(head: Head, groom: GroomArrays | None, *, clipped: bool) -> Iterator[bpy.types.Object | None]:
    """The groom's cards on the head, until the block ends; None where there is no hair. clipped: alpha is cut at a half in
    the material, where the exporter understands that."""
    cards = make_cards(groom) if groom is not None else None
    if cards is None:
        yield None
        return
    name = f"{head.collection.name} hair cards"
    images = _images(name, cards)
    material = _material(name, *images, clipped=clipped)
    mesh = _mesh(name, cards, material)
    thing = bpy.data.objects.new(name, mesh)
    try:
        head.collection.objects.link(thing)
        thing.parent = head.mesh
        _follow(thing, head.mesh, cards)
        yield thing
    finally:
        bpy.data.objects.remove(thing)
        bpy.data.meshes.remove(mesh)
        bpy.data.materials.remove(material)
        for image in images:
            bpy.data.images.remove(image)


def _mesh(name: str, cards: Cards, material: bpy.types.Material) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    count = len(cards.quads)
    mesh.vertices.add(len(cards.points))
    mesh.loops.add(4 * count)
    mesh.polygons.add(count)
    mesh.vertices.foreach_set("co", to_blender(cards.points).ravel())
    mesh.loops.foreach_set("vertex_index", cards.quads.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, 4 * count, 4, dtype=np.int32))
    layer = mesh.uv_layers.new(name=UV_LAYER, do_init=False)
    layer.uv.foreach_set("vector", cards.uv[cards.quads.ravel()].ravel())
    mesh.materials.append(material)
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    mesh.normals_split_custom_set_from_vertices(to_blender(cards.normals))
    return mesh


def _follow(thing: bpy.types.Object, head: bpy.types.Object, cards: Cards) -> None:
    """Give the cards those of the head's shape keys that move their roots, at the same values: each card goes as a whole with
    the vertex of the head that is nearest to its root."""
    keys = head.data.shape_keys
    if keys is None:
        return
    basis = _positions(keys.reference_key)
    roots = to_blender(cards.roots)
    nearest = np.concatenate(
        [
            np.linalg.norm(part[:, None] - basis, axis=2).argmin(1)
            for part in np.array_split(roots, len(roots) // 128 + 1)
        ]
    )
    own = to_blender(cards.points)
    for key in keys.key_blocks[1:]:
        moved = (_positions(key) - basis)[nearest]
        if np.abs(moved).max() <= STILL:
            continue
        if thing.data.shape_keys is None:
            thing.shape_key_add(name=keys.reference_key.name, from_mix=False)
        made = thing.shape_key_add(name=key.name, from_mix=False)
        made.data.foreach_set("co", (own + moved[cards.card]).ravel())
        made.slider_min, made.slider_max, made.value = key.slider_min, key.slider_max, key.value


def _positions(key: bpy.types.ShapeKey) -> np.ndarray:
    values = np.empty(3 * len(key.data), np.float32)
    key.data.foreach_get("co", values)
    return values.reshape(-1, 3)


def _images(name: str, cards: Cards) -> tuple[bpy.types.Image, bpy.types.Image]:
    """Colour with alpha in sRGB, and normals."""
    colour = cards.atlas.colour.copy()
    colour[..., :3] = _srgb(colour[..., :3])
    normal = np.concatenate([cards.atlas.normal, np.ones((SIZE, SIZE, 1), np.float32)], 2)
    made = []
    for kind, values in (("colour", colour), ("normal", normal)):
        image = bpy.data.images.new(f"{name} {kind}", SIZE, SIZE, alpha=kind == "colour", is_data=kind == "normal")
        image.filepath_raw = f"//{bpy.path.clean_name(image.name)}.png"  # FBX names its copy after it
        image.alpha_mode = "CHANNEL_PACKED"
        image.pixels.foreach_set(values.ravel())
        image.update()
        image.pack()
        made.append(image)
    return made[0], made[1]


def _srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(0.0031308) ** (1 / 2.4) - 0.055)


def _material(name: str, colour: bpy.types.Image, normal: bpy.types.Image, *, clipped: bool) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_backface_culling = False
    tree = node_tree(material)
    tree.nodes.clear()
    shader, output, painted, relief, bend = (
        tree.nodes.new(f"ShaderNode{kind}")
        for kind in ("BsdfPrincipled", "OutputMaterial", "TexImage", "TexImage", "NormalMap")
    )
    painted.image, relief.image, bend.uv_map = colour, normal, UV_LAYER
    shader.inputs["Roughness"].default_value, shader.inputs["Specular IOR Level"].default_value = ROUGHNESS, SPECULAR
    link = tree.links.new
    link(painted.outputs["Color"], shader.inputs["Base Color"])
    if clipped:
        cut = tree.nodes.new("ShaderNodeMath")
        cut.operation = "ROUND"
        link(painted.outputs["Alpha"], cut.inputs[0])
        link(cut.outputs["Value"], shader.inputs["Alpha"])
    else:
        link(painted.outputs["Alpha"], shader.inputs["Alpha"])
    link(relief.outputs["Color"], bend.inputs["Color"])
    link(bend.outputs["Normal"], shader.inputs["Normal"])
    link(shader.outputs["BSDF"], output.inputs["Surface"])
    return material
