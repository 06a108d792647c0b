"""Roughness and pores by part of the face."""

import numpy as np

from fitdiff.face.embedded import load
from fitdiff.face.surface import SIZE, surface_maps
from fitdiff.face.texels import bake
from fitdiff.topology import Topology


def test_noses_are_smooth_and_porous_and_lips_have_no_pores():
    topology = load().topology
    maps = surface_maps(topology)
    masks = {
        name: bake(topology, mask[:, None].astype(float), SIZE)[..., 0] > 0.95
        for name, mask in topology.vertex_masks.items()
    }
    nose, neck, face = (
        {name: picture[masks[part]].mean() for name, picture in maps.items()} for part in ("nose", "neck", "face")
    )
    assert nose["roughness"] < 0.47 < neck["roughness"]
    assert nose["pores"] > 0.7 > neck["pores"]
    assert abs(face["roughness"] - (2 / 34) ** 0.25) < 0.02  # the fit's highlight
    assert maps["pores"].min() < 0.2
    assert np.abs(np.diff(maps["roughness"])).max() < 0.03  # no line at a mask's edge


def test_a_face_without_named_parts_has_one_value():
    topology = load().topology
    bare = Topology(topology.quads, topology.uv, topology.uv_quads, topology.quad_region)
    assert all(np.ptp(picture) < 1e-6 for picture in surface_maps(bare).values())
    assert abs(surface_maps(bare)["roughness"].mean() - 0.5) < 1e-6
