"""Hair from a groom: Blender's strands are the backend's, follow the skin, and bear combing, cutting and deleting."""

from __future__ import annotations

import os
import subprocess

import bpy
import numpy as np
import pytest

from blender_fitdiff.scene.groom import build_groom, regrow, set_groom_input
from blender_fitdiff.scene.groom_arrays import GroomArrays
from blender_fitdiff.scene.groom_nodes import COLOUR
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from tests import synthetic_groom

from ..backend_python import ROOT, backend_environment, find_backend

GUIDES, POINTS, STRANDS = 60, 12, 10
ARRAYS = synthetic_groom.arrays(guides=GUIDES, points=POINTS, strands=STRANDS)
CURLED = {
    **ARRAYS,
    "curl": np.full((GUIDES, 2), [0.004, 0.03], np.float32),
    "tint": np.array([1, 0.8, 0.5], np.float32),
}


@pytest.fixture
def head(make_folder) -> Head:
    import_avatar(make_folder("haired", groom=ARRAYS))
    head = active_head(bpy.context)
    for thing in (head.hair, head.beard):
        set_groom_input(thing, "Viewport Share", 1.0)
    return head


def read(data: bpy.types.Curves, name: str, width: int, field: str) -> np.ndarray:
    attribute = data.attributes[name]
    values = np.empty(width * len(attribute.data), np.float32)
    attribute.data.foreach_get(field, values)
    return values.reshape(-1, width)


def drawn(thing: bpy.types.Object, name: str, width: int, field: str) -> np.ndarray:
    return read(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data, name, width, field)


def strands(thing: bpy.types.Object) -> np.ndarray:
    """(N, P, 3) as they are drawn."""
    return drawn(thing, "position", 3, "vector").reshape(-1, POINTS, 3)


def rest(head: Head) -> None:
    for key in head.mesh.data.shape_keys.key_blocks[1:]:
        key.value = 0.0


def test_scalp_and_beard_are_objects_of_their_own(head):
    assert (head.hair.name, head.beard.name) == ("FitDiff haired hair", "FitDiff haired beard")
    assert len(head.hair.data.curves) == GUIDES - GUIDES // 6
    assert len(head.beard.data.curves) == GUIDES // 6
    assert len(strands(head.hair)) == STRANDS * len(head.hair.data.curves)


def test_they_are_the_backends_strands(head, tmp_path):
    """Both sides make them from the same groom, by different means: all but ties between equally near roots are equal."""
    given, made = tmp_path / "given.npz", tmp_path / "made.npz"
    np.savez(given, **CURLED)
    script = (
        "import sys, numpy as np\nfrom fitdiff.avatar import Groom\nfrom fitdiff.hair.strands import strands_of\n"
        "made = strands_of(Groom(**np.load(sys.argv[1])))\n"
        "np.savez(sys.argv[2], points=made.points, colour=made.colour, radius=made.radius)\n"
    )
    environment = {**os.environ, **backend_environment()}
    subprocess.run([find_backend(), "-c", script, given, made], cwd=ROOT, env=environment, check=True)
    expected = np.load(made)
    rest(head)
    groom = GroomArrays(**CURLED)
    shown = [build_groom(f"curled {kind}", head.mesh, groom, kind, 1.0) for kind in ("scalp", "beard")]
    for thing in shown:
        bpy.context.scene.collection.objects.link(thing)
    points = np.concatenate([strands(thing) for thing in shown])[..., (0, 2, 1)] * [1, 1, -1]
    colour, radius = (np.concatenate([drawn(thing, *what) for thing in shown]) for what in
                      ((COLOUR, 4, "color"), ("radius", 1, "value")))  # fmt: skip
    assert points.shape == expected["points"].shape
    equal = np.abs(points - expected["points"]).max((1, 2)) < 1e-5
    assert equal.mean() > 0.995
    assert colour.reshape(len(points), POINTS, 4)[..., :3] == pytest.approx(expected["colour"], abs=1e-4)
    assert radius[:POINTS, 0] == pytest.approx(expected["radius"], rel=1e-4)


def test_strands_follow_the_skin(head):
    rest(head)
    neutral = strands(head.hair)
    key = head.mesh.shape_key_add(name="up", from_mix=False)
    for point in key.data:
        point.co.z += 0.01
    key.value = 1.0
    moved = np.isclose(strands(head.hair) - neutral, [0, 0, 0.01], atol=1e-4).all((1, 2))
    assert moved.mean() > 0.75  # one made-up root lies between faces, and its neighbours share it


def test_combed_and_deleted_guides_take_their_strands_along(head):
    before = strands(head.hair)
    data = head.hair.data
    if not hasattr(data, "remove_curves"):
        pytest.skip("Blender 4.2 removes curves by hand alone")
    data.remove_curves(indices=list(range(10)))
    after = strands(head.hair)
    assert len(after) == STRANDS * (GUIDES - GUIDES // 6 - 10)
    assert np.isfinite(after).all()
    known = {points.tobytes() for points in before}
    assert np.mean([points.tobytes() in known for points in after]) > 0.5  # those whose neighbours are still there
    positions = read(data, "position", 3, "vector")
    data.attributes["position"].data.foreach_set("vector", (positions + [0.01, 0, 0]).astype(np.float32).ravel())
    data.update_tag()
    assert np.abs(strands(head.hair)[:, :, 0] - after[:, :, 0]).mean() == pytest.approx(0.01, abs=0.001)


def test_regrow_brings_the_imported_guides_back(head):
    before = strands(head.hair)
    attribute = head.hair.data.attributes["position"]
    attribute.data.foreach_set("vector", np.zeros(3 * len(attribute.data), np.float32))
    head.hair.data.update_tag()
    assert np.abs(strands(head.hair)).max() < 0.02
    assert regrow(head.hair)
    assert np.array_equal(strands(head.hair), before)


def test_the_modifiers_inputs_shape_the_strands(head):
    def lengths() -> np.ndarray:
        return np.linalg.norm(np.diff(strands(head.hair), axis=1), axis=2).sum(1)

    set_groom_input(head.hair, "Frizz", 0.0)
    whole = lengths()
    set_groom_input(head.hair, "Length", 0.5)
    assert (lengths() < 0.7 * whole).mean() > 0.99
    set_groom_input(head.hair, "Density", 0.3)
    assert len(strands(head.hair)) == pytest.approx(0.3 * len(whole), rel=0.1)
    before = drawn(head.hair, COLOUR, 4, "color")[:, :3].mean()
    set_groom_input(head.hair, "Melanin", 0.05)
    assert drawn(head.hair, COLOUR, 4, "color")[:, :3].mean() > 2 * before


def test_what_is_made_are_ordinary_curves(head):
    """Blender's own hair nodes find what they need, and no helper attributes are left."""
    data = head.hair.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    assert data.surface.original == head.mesh
    assert {"radius", "surface_uv_coordinate", COLOUR} <= set(dict(data.attributes))
    assert not [name for name in dict(data.attributes) if name.startswith("fitdiff_")]
    assert [slot.material for slot in head.hair.material_slots]


def test_without_the_modifier_the_guides_are_left(head):
    head.hair.modifiers.clear()
    assert len(strands(head.hair)) == len(head.hair.data.curves)
