"""The switches of hair and beard from a groom, as functions and as the panel's properties."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.groom_controls import groom_state, grown, regrow_hair, set_groom
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from tests import synthetic_groom

ARRAYS = synthetic_groom.arrays(guides=24, points=6, strands=10)


@pytest.fixture
def head(make_folder) -> Head:
    import_avatar(make_folder("haired", groom=ARRAYS))
    return active_head(bpy.context)


def test_inputs_start_at_the_photos_hair(head):
    assert groom_state(head, "Length") == groom_state(head, "Density") == 1.0
    scalp = ARRAYS["kind"] == 0
    middle = 1 - np.exp(np.log(1 - ARRAYS["melanin"][scalp]).mean())
    assert groom_state(head, "Melanin") == pytest.approx(middle, abs=1e-4)
    assert groom_state(head, "Grey") == pytest.approx(0.1)


def test_one_call_sets_hair_and_beard(head):
    set_groom(head, length=0.4, viewport_share=0.5, redness=0.9)
    for thing in grown(head):
        assert groom_state(Head(head.collection, head.mesh, None, None, None, hair=thing), "Length") == pytest.approx(
            0.4
        )
    assert groom_state(head, "Viewport Share") == pytest.approx(0.5)
    set_groom(head, grey=7.0)
    assert groom_state(head, "Grey") == 1.0  # the input's limit
    with pytest.raises(TypeError):
        set_groom(head, sparkle=1.0)


def test_hair_and_beard_are_switched_apart(head):
    controls.set_beard(head, False)
    assert (head.hair.hide_render, head.beard.hide_render) == (False, True)
    assert controls.beard_state(head) is False
    controls.set_hair(head, on=False, length=0.01)
    assert controls.hair_state(head) == (False, None)  # its length is a factor, not metres
    assert groom_state(head, "Length") == 1.0


def test_regrow_without_the_imported_guides_says_so(head):
    regrow_hair(head)
    del head.hair["fitdiff_guides"]
    del head.beard["fitdiff_guides"]
    with pytest.raises(FitDiffError, match="no longer in this file"):
        regrow_hair(head)


def test_a_head_without_a_groom_has_no_inputs(hairy):
    import_avatar(hairy)
    head = active_head(bpy.context)
    assert grown(head) == []
    assert groom_state(head, "Length") is None
    with pytest.raises(FitDiffError, match="no hair of its own"):
        set_groom(head, length=0.5)
    with pytest.raises(FitDiffError, match="no strands of beard"):
        controls.set_beard(head, True)


def test_a_second_import_leaves_nothing_of_the_first(head):
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "hair_curves", "node_groups", "materials")}
    regrow_hair(head)
    import_avatar(head.folder)
    assert {kind: len(getattr(bpy.data, kind)) for kind in before} == before
