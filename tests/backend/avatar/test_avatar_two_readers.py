"""The extension has a reader of its own, in numpy and the standard library: it must see what the backend wrote, and accept
and refuse what the backend accepts and refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitdiff import avatar as av
from fitdiff.avatar import groom_file, mesh
from tests import damaged_avatars

from .test_avatar_fuzz import FUZZ, answers, damage, mend_checksums, other_values


@pytest.fixture(scope="module")
def reader(extension):
    return extension("scene.reader")


@pytest.fixture(scope="module")
def folder(avatar: av.Avatar, tmp_path_factory) -> Path:
    return av.write_avatar(avatar, tmp_path_factory.mktemp("two") / "Zoë")


def test_both_see_the_same(reader, avatar, folder):
    seen = reader.read_avatar(folder)
    about = avatar.manifest
    assert seen.name == "Zoë"
    for name in ("vertices", "quads", "uv", "uv_quads", "quad_region", "shape_keys", "fit_residual"):
        assert np.array_equal(getattr(seen.mesh, name), getattr(avatar.mesh, name)), name
    assert seen.mesh.shape_key_names == avatar.mesh.shape_key_names
    assert seen.arkit == about.arkit
    assert set(seen.maps) == set(avatar.maps)
    assert seen.photo == folder / "photo.png"
    assert (seen.camera.width, seen.camera.height, seen.camera.focal_px) == (320, 400, 900.0)
    assert seen.camera.principal == about.camera.principal
    assert np.array_equal(seen.camera.rotation, about.camera.rotation)
    assert np.array_equal(seen.camera.translation, about.camera.translation)
    assert (seen.hair.colour, seen.hair.length) == (about.hair.colour, about.hair.length)
    assert (seen.brows.colour, seen.brows.length) == (about.brows.colour, about.brows.length)
    for field in fields(avatar.groom):
        ours, theirs = getattr(avatar.groom, field.name), getattr(seen.groom, field.name)
        assert ours.dtype == theirs.dtype, field.name
        assert np.array_equal(ours, theirs), field.name
    light = about.light
    assert (seen.light.ambient, seen.light.diffuse, seen.light.specular) == (
        light.ambient,
        light.diffuse,
        light.specular,
    )
    assert seen.light.colour == light.colour
    assert np.allclose(np.array(seen.light.direction) * np.linalg.norm(light.direction), light.direction)


@FUZZ
@given(data=st.data())
def test_both_agree_on_damaged_meshes(extension, folder, data):
    changed = data.draw(damage((folder / "mesh.npz").read_bytes()))
    try:
        extension("scene.mesh_arrays").read_mesh(changed)
        accepted = True
    except ValueError:
        accepted = False
    assert accepted == answers(mesh.decode, changed)


@FUZZ
@given(data=st.data())
def test_both_agree_on_damaged_grooms(reader, folder, data):
    changed = data.draw(damage((folder / "hair.npz").read_bytes()))
    about = av.read_manifest(folder).groom
    try:
        reader.read_groom(changed, {"guides": about.guides, "strands": about.strands})
        accepted = True
    except ValueError:
        accepted = False
    assert accepted == answers(groom_file.decode, changed, about)


@pytest.mark.parametrize("name", ["avatar_rules.py", "groom_rules.py", "npz_rules.py", "png_rules.py"])
def test_both_keep_the_same_rules(reader, name):
    theirs, ours = (Path(module.__file__).with_name(name) for module in (reader, mesh))
    assert theirs.read_bytes() == ours.read_bytes()


def test_both_answer_every_case_of_the_table_alike(reader, tmp_path):
    ours, theirs = damaged_avatars.answers(tmp_path, av.read_avatar, reader.read_avatar)
    assert ours == theirs == damaged_avatars.expected()


@FUZZ
@given(data=st.data())
def test_both_agree_on_damaged_folders(reader, folder, tmp_path_factory, data):
    """Every checksum is right: those of the manifest, and half of the time those of a picture's chunks."""
    target = tmp_path_factory.mktemp("damaged")
    (target / "maps").mkdir()
    about = (folder / "avatar.json").read_bytes()
    listed = json.loads(about)
    entries = {**listed["files"], "hair.npz": listed["groom"]}
    chosen = data.draw(st.sampled_from(["avatar.json", *sorted(entries)]))
    for name, entry in entries.items():
        content = (folder / name).read_bytes()
        if name == chosen:
            content = data.draw(damage(content))
            if name.endswith(".png") and data.draw(st.booleans()):
                content = mend_checksums(content)
            entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (target / name).write_bytes(content)
    about = data.draw(damage(about)) if chosen == "avatar.json" else json.dumps(listed).encode()
    (target / "avatar.json").write_bytes(about)
    assert answers(reader.read_avatar, target) == answers(av.read_avatar, target)


@FUZZ
@given(data=st.data())
def test_both_agree_on_manifests_with_other_values(reader, folder, tmp_path_factory, data):
    target = tmp_path_factory.mktemp("other") / "head"
    shutil.copytree(folder, target)
    about = data.draw(other_values(json.loads((folder / "avatar.json").read_bytes())))
    (target / "avatar.json").write_bytes(about)
    assert answers(reader.read_avatar, target) == answers(av.read_avatar, target)
