"""Photograph the people of `fitdiff.evaluation.subjects make`: python -m tests.blender.truth.subjects DIR

Runs in Blender's Python. Every <person>/avatar becomes <person>/photo.png under one of the panoramas that come with
Blender, in a skin that is not the extension's: other index of refraction, a roughness map, light that travels all the
way through the flesh, microscopic bumps. lit.json says where the light came from. Persons with both stay.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import bpy
import numpy as np

from blender_fitdiff.rendering.pictures import pixels
from blender_fitdiff.rendering.renderers import use_cycles
from blender_fitdiff.scene.environment import find_hdri
from blender_fitdiff.scene.importer import ImportedAvatar, import_avatar
from blender_fitdiff.scene.mesh import UV_LAYER
from blender_fitdiff.scene.nodes import background_of, load_image, node_tree

from .panorama import FRONT, Lighting, to_head, turned

SAMPLES = 32
INDEX = 1.4  # of refraction: what the extension's skin is not
REFLECTED = ((INDEX - 1) / (INDEX + 1)) ** 2
PORES_PER_METRE = 1600.0


def photograph(person: Path, samples: int = SAMPLES) -> Path:
    """The current scene must be empty."""
    wanted = json.loads((person / "scene.json").read_text(encoding="utf-8"))
    # The truth is that of the mesh as it is: subdividing would round it.
    imported = import_avatar(person / "avatar", subdivision=0)
    if imported.lashes is not None:
        imported.lashes.hide_render = True  # no map of the truth knows them
    scene = bpy.context.scene
    use_cycles(scene, samples)
    scene.render.film_transparent = False  # what is behind the head belongs to the photo
    imported.sun.hide_render = True
    dress(imported, person / "avatar" / "maps", wanted)
    lit = light(imported.world, wanted)
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
    partial = person / "photo.partial.png"
    scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    (person / "lit.json").write_text(json.dumps(lit, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, person / "photo.png")
    return person / "photo.png"


def dress(imported: ImportedAvatar, maps: Path, wanted: dict) -> None:
    """The skin in a material of its own."""
    tree = node_tree(imported.materials["skin"])
    tree.nodes.clear()
    output, shader = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new("ShaderNodeBsdfPrincipled")
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    sockets = shader.inputs
    sockets["IOR"].default_value = INDEX
    sockets["Subsurface Weight"].default_value = 1.0
    sockets["Subsurface Radius"].default_value = (1.0, 0.42, 0.22)
    sockets["Subsurface Scale"].default_value = wanted["subsurface"]
    uv = tree.nodes.new("ShaderNodeUVMap")
    uv.uv_map = UV_LAYER

    def texture(kind: str) -> bpy.types.NodeSocket:
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = load_image(maps / f"{kind}.png", f"subject {kind}", srgb=kind == "diffuse", pack=False)
        tree.links.new(uv.outputs["UV"], node.inputs["Vector"])
        return node.outputs["Color"]

    tree.links.new(texture("diffuse"), sockets["Base Color"])
    tree.links.new(texture("roughness"), sockets["Roughness"])
    # A specular map of s reflects 0.08 s; Principled's level 0.5 reflects what the index says.
    level = tree.nodes.new("ShaderNodeMath")
    level.operation, level.inputs[1].default_value = "MULTIPLY", 0.5 * 0.08 / REFLECTED
    tree.links.new(texture("specular"), level.inputs[0])
    tree.links.new(level.outputs[0], sockets["Specular IOR Level"])
    normal, noise, bump = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("NormalMap", "TexNoise", "Bump"))
    place = tree.nodes.new("ShaderNodeTexCoord")
    normal.uv_map = UV_LAYER
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = PORES_PER_METRE, 1.0
    bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = wanted["bump"], 0.0002
    tree.links.new(place.outputs["Object"], noise.inputs["Vector"])
    tree.links.new(noise.outputs[0], bump.inputs["Height"])
    tree.links.new(texture("normal"), normal.inputs["Color"])
    tree.links.new(normal.outputs["Normal"], bump.inputs["Normal"])
    tree.links.new(bump.outputs["Normal"], sockets["Normal"])


def light(world: bpy.types.World, wanted: dict) -> dict:
    """One of Blender's panoramas, turned and exposed as wanted; what it then is, in the head's axes."""
    return surround(world, bpy.data.images.load(str(find_hdri(wanted["room"])), check_existing=False), wanted)


def surround(world: bpy.types.World, image: bpy.types.Image, wanted: dict) -> dict:
    lighting = Lighting.of(pixels(image)[..., :3].astype(float))
    turn = lighting.turn_for(wanted["aside"])
    gain = np.array(wanted["colour"]) * wanted["level"] / np.maximum(lighting.white(turned(FRONT, turn)), 1e-6)
    tree = node_tree(world)
    kinds = ("TexCoord", "Mapping", "TexEnvironment", "VectorMath")
    place, mapping, environment, product = (tree.nodes.new(f"ShaderNode{kind}") for kind in kinds)
    environment.image = image
    mapping.inputs["Rotation"].default_value = (0.0, 0.0, turn)
    product.operation, product.inputs[1].default_value = "MULTIPLY", gain.tolist()
    background = background_of(world)
    background.inputs["Strength"].default_value = 1.0
    tree.links.new(place.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], environment.inputs["Vector"])
    tree.links.new(environment.outputs["Color"], product.inputs[0])
    tree.links.new(product.outputs["Vector"], background.inputs["Color"])
    tinted = Lighting.of(lighting.panorama * gain)
    return {
        "direction": to_head(turned(tinted.towards, -turn)).tolist(),
        "share": tinted.share,
        "front": tinted.white(turned(FRONT, turn)).tolist(),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.blender.truth.subjects", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args(arguments)
    for truth in sorted(options.folder.glob("*/truth.npz")):
        if (truth.parent / "photo.png").is_file():
            continue
        started = time.perf_counter()
        bpy.ops.wm.read_homefile(use_empty=True)
        made = photograph(truth.parent, options.samples)
        sys.stderr.write(f"{made}: {time.perf_counter() - started:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
