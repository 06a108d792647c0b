"""The extension has a reader of its own, in numpy and the standard library: it must see what the backend wrote, accept
what the backend accepts, and be as hard to fool."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitdiff import avatar as av
from fitdiff.avatar import mesh
from fitdiff.errors import FitDiffError

from .test_avatar_fuzz import FUZZ, answers, damage


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
        extension("scene.arrays").read_mesh(changed)
        accepted = True
    except ValueError:
        accepted = False
    assert accepted == answers(mesh.decode, changed)


@FUZZ
@given(data=st.data())
def test_what_the_backend_accepts_the_extension_accepts(reader, folder, tmp_path_factory, data):
    target = tmp_path_factory.mktemp("damaged")
    (target / "maps").mkdir()
    about = (folder / "avatar.json").read_bytes()
    chosen = data.draw(st.sampled_from(["avatar.json", *sorted(json.loads(about)["files"])]))
    listed = json.loads(about)
    for name in listed["files"]:
        content = (folder / name).read_bytes()
        if name == chosen:
            content = data.draw(damage(content))
            listed["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (target / name).write_bytes(content)
    about = data.draw(damage(about)) if chosen == "avatar.json" else json.dumps(listed).encode()
    (target / "avatar.json").write_bytes(about)
    try:
        reader.read_avatar(target)
        accepted = True
    except Exception as error:
        if type(error).__name__ != FitDiffError.__name__:
            raise
        accepted = False
    assert accepted or not answers(av.read_avatar, target)
