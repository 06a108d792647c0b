"""Translucency and occlusion in the skin's material: their switches, their strengths, and what a glTF file gets of them."""

from __future__ import annotations

import json
import struct

import bpy
import numpy as np
import pytest

from blender_fitdiff.scene import controls
from blender_fitdiff.scene.export import export_head
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.traced import GLTF, TRACED
from tests import synthetic_head

from .test_material import links


@pytest.fixture
def head(make_folder) -> Head:
    grey = np.tile(np.linspace(40, 250, 32).astype(np.uint8), (32, 1))
    import_avatar(make_folder(maps={**synthetic_head.maps(), "translucency": grey, "occlusion": grey}))
    return active_head(bpy.context)


def occlusion_in_gltf(head: Head, folder) -> dict | None:
    data = export_head(head, folder / "head.glb").read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    skins = [one for one in json.loads(data[20 : 20 + length])["materials"] if "skin" in one["name"]]
    return skins[0].get("occlusionTexture")


def test_the_maps_feed_flesh_and_the_gltf_exporter(head):
    found = links(head.materials[0])
    assert ("translucency", "Color", "Translucency Strength", "Value") in found
    assert ("Subsurface Weight", "Result", "Principled BSDF", "Subsurface Weight") in found
    assert ("Subsurface Scale", "Result", "Principled BSDF", "Subsurface Scale") in found
    assert ("Occlusion Strength", "Result", GLTF, "Occlusion") in found


def test_switches_and_strengths_are_read_back_and_undone(head):
    before = links(head.materials[0])
    for kind in TRACED:
        assert controls.maps_state(head, kind) is True
        assert controls.strength_state(head, kind) == 1.0
        controls.set_maps(head, False, [kind])
        assert controls.maps_state(head, kind) is False
        controls.set_strength(head, kind, 0.25)
        assert controls.strength_state(head, kind) == 0.25
    assert len(links(head.materials[0])) == len(before) - 2
    controls.set_maps(head, True)
    assert links(head.materials[0]) == before


def test_heads_without_these_maps_have_no_switch_for_them(make_folder):
    import_avatar(make_folder())
    head = active_head(bpy.context)
    for kind in TRACED:
        assert controls.maps_state(head, kind) is None
        assert controls.strength_state(head, kind) is None


def test_gltf_gets_the_occlusion_with_its_strength(head, tmp_path):
    assert "strength" not in occlusion_in_gltf(head, tmp_path) or occlusion_in_gltf(head, tmp_path)["strength"] == 1.0
    controls.set_strength(head, "occlusion", 0.5)
    assert occlusion_in_gltf(head, tmp_path)["strength"] == pytest.approx(0.5)
    controls.set_maps(head, False, ["occlusion"])
    assert occlusion_in_gltf(head, tmp_path) is None


def test_a_second_head_uses_the_same_group(head, make_folder):
    grey = np.full((32, 32), 128, np.uint8)
    import_avatar(make_folder("Eve", maps={**synthetic_head.maps(), "occlusion": grey}))
    assert len([group for group in bpy.data.node_groups if group.name.startswith(GLTF)]) == 1


def test_pores_lie_on_the_neutral_head_as_deep_as_their_map_says_and_as_wide_apart_everywhere(make_folder):
    grey = np.full((32, 32), 128, np.uint8)
    import_avatar(make_folder("Eve", maps={**synthetic_head.maps(), "pores": grey, "roughness": grey}))
    skin = active_head(bpy.context).materials[0]
    found = links(skin)
    assert ("pores", "Color", "Pore Depth", "Value") in found
    assert ("roughness", "Color", "Principled BSDF", "Roughness") in found
    cells = np.array(skin.node_tree.nodes["Vector Math"].inputs[1].default_value)
    sides = np.array(active_head(bpy.context).mesh.dimensions)
    assert cells / sides == pytest.approx(np.full(3, (cells / sides).mean()), rel=0.01)
