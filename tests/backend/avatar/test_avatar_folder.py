"""What is written is what is read; nothing else is ever left behind or read."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from fitdiff import atomic_write
from fitdiff import avatar as av
from fitdiff.avatar import folder as folder_module
from fitdiff.avatar import groom_file, groom_rules, manifest, mesh
from fitdiff.errors import FitDiffError


def code_of(function, *arguments, **options) -> str:
    with pytest.raises(FitDiffError) as caught:
        function(*arguments, **options)
    return caught.value.code


def relist(folder: Path, name: str, data: bytes) -> None:
    """Put other bytes into the folder and make the manifest agree, so that only the content can be refused."""
    (folder / name).write_bytes(data)
    about = json.loads((folder / "avatar.json").read_bytes())
    about["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "avatar.json").write_text(json.dumps(about))


@pytest.fixture
def written(avatar: av.Avatar, tmp_path: Path) -> Path:
    return av.write_avatar(avatar, tmp_path / "head")


def test_what_is_written_is_read(avatar, written):
    again = av.read_avatar(written)
    files = again.manifest.files
    assert msgspec.structs.replace(again.manifest, files={}, photo=None, groom=None) == avatar.manifest
    assert again.manifest.photo == "photo.png"
    for name in ("vertices", "quads", "uv", "uv_quads", "quad_region", "shape_keys", "fit_residual"):
        one, other = getattr(avatar.mesh, name), getattr(again.mesh, name)
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other), name
    assert again.mesh.shape_key_names == avatar.mesh.shape_key_names
    assert again.mesh.eye_pivots is None
    assert set(again.maps) == set(avatar.maps)
    for name, pixels in avatar.maps.items():
        assert pixels.dtype == again.maps[name].dtype, name
        assert np.array_equal(pixels, again.maps[name]), name
    assert np.array_equal(again.preview, avatar.preview)
    assert np.array_equal(again.photo, avatar.photo)
    for field in fields(avatar.groom):
        one, other = getattr(avatar.groom, field.name), getattr(again.groom, field.name)
        assert one.dtype == other.dtype, field.name
        assert np.array_equal(one, other), field.name
    on_disk = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert on_disk == {*files, "avatar.json", "hair.npz"}
    assert [path.name for path in written.parent.iterdir()] == ["head"]


def test_older_readers_skip_the_groom(written):
    """They know these names alone in `files`, and pass over keys and files that they do not know."""
    about = json.loads((written / "avatar.json").read_bytes())
    assert about["schema_version"] == 1
    assert all(name in {"mesh.npz", "preview.png", "photo.png"} or name.startswith("maps/") for name in about["files"])
    assert about["groom"]["guides"] == 24
    assert about["groom"]["strands"] == 480
    del about["groom"]
    (written / "avatar.json").write_text(json.dumps(about))
    assert av.read_avatar(written).groom is None


def test_the_largest_groom_keeps_under_the_limit():
    noise = np.random.default_rng(0)
    limits = {"G": groom_rules.GUIDE_LIMIT, "P": groom_rules.POINT_LIMIT}
    arrays = {
        name: noise.uniform(0, min(rule.high, 40), [limits.get(letter) or int(letter) for letter in rule.shape]).astype(
            rule.dtypes[0]
        )
        for name, rule in groom_rules.ARRAYS.items()
    }
    assert len(groom_file.encode(av.Groom(**arrays))) <= groom_rules.SIZE_LIMIT


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_groom_that_went_astray_is_not_written(avatar, tmp_path, bad):
    groom = replace(avatar.groom, clump=np.full_like(avatar.groom.clump, bad))
    assert code_of(av.write_avatar, replace(avatar, groom=groom), tmp_path / "head") == "avatar-broken"
    groom = replace(avatar.groom, points=avatar.groom.points.astype(np.float64))
    assert code_of(av.write_avatar, replace(avatar, groom=groom), tmp_path / "head") == "avatar-broken"
    assert list(tmp_path.iterdir()) == []


def test_equal_avatars_are_equal_bytes(avatar, written, tmp_path):
    other = av.write_avatar(avatar, tmp_path / "äöü 头像" / "größe")
    for path in written.rglob("*.*"):
        assert path.read_bytes() == (other / path.relative_to(written)).read_bytes(), path.name


def test_neutral_plus_sliders_plus_residual_is_the_fit(model, avatar):
    fitted = model.vertices(torch.linspace(-1, 1, 6)[None], torch.tensor([[1.0, -0.5, 0.0, 0.3]]))[0].numpy()
    m, weights = avatar.mesh, np.zeros(52)
    for name, weight in avatar.manifest.arkit.items():
        weights[m.shape_key_names.index(name)] = weight
    assert weights.max() == 1.0  # 1.2 was clamped to what a slider can show
    rebuilt = m.vertices + np.einsum("k,kvc->vc", weights, m.shape_keys.astype(float)) + m.fit_residual
    assert np.abs(rebuilt - fitted).max() < 1e-6
    assert np.abs(m.vertices - fitted).max() > 1e-3


def test_a_model_without_arkit_shapes_keeps_its_expression(model, tmp_path, avatar):
    from fitdiff.face.model import MorphableModel

    bare = MorphableModel("bare", "CC0", model.topology, model.mean, model.identity_basis, model.expression_basis)
    about = avatar.manifest
    made = av.avatar_from_model(
        bare,
        identity=torch.zeros(6),
        expression=torch.ones(4),
        light=about.light,
        camera=about.camera,
        maps=avatar.maps,
        engine="x",
        seed=0,
    )
    again = av.read_avatar(av.write_avatar(made, tmp_path / "bare"))
    assert again.mesh.shape_keys.shape == (0, len(model.mean), 3)
    assert np.allclose(again.mesh.fit_residual, model.expression_basis.sum(0), atol=1e-6)


def test_timings_are_added_when_they_are_known(avatar, tmp_path):
    timed = avatar.with_timings({"maps": np.float32(0.25)})
    again = av.read_manifest(av.write_avatar(timed, tmp_path / "timed"))
    assert again.timings == {"fit": 0.5, "maps": 0.25}


def test_an_existing_target_is_kept_unless_told(avatar, written, tmp_path):
    before = (written / "avatar.json").read_bytes()
    assert code_of(av.write_avatar, avatar, written) == "avatar-exists"
    assert (written / "avatar.json").read_bytes() == before
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "novel.txt").write_text("years of work")
    assert code_of(av.write_avatar, avatar, documents, overwrite=True) == "avatar-exists"
    assert (documents / "novel.txt").exists()
    (tmp_path / "empty").mkdir()
    assert av.read_avatar(av.write_avatar(avatar, tmp_path / "empty")).manifest.seed == 5


@pytest.mark.parametrize("atomic", [True, False])
def test_overwriting_swaps(avatar, written, monkeypatch, atomic):
    if not atomic:
        monkeypatch.setattr(atomic_write, "_exchange", lambda one, other: False)
    newer = replace(avatar, manifest=msgspec.structs.replace(avatar.manifest, seed=6), photo=None)
    av.write_avatar(newer, written, overwrite=True)
    assert av.read_avatar(written).manifest.seed == 6
    assert not (written / "photo.png").exists()
    assert [path.name for path in written.parent.iterdir()] == ["head"]


def test_an_overwrite_that_fails_between_its_renames_brings_the_old_folder_back(avatar, written, monkeypatch):
    monkeypatch.setattr(atomic_write, "_exchange", lambda one, other: False)
    rename = Path.rename

    def fails(self, target):
        if self.suffix == ".fitdiff-tmp":
            raise OSError(errno.EIO, "broken cable")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    newer = replace(avatar, manifest=msgspec.structs.replace(avatar.manifest, seed=6))
    assert code_of(av.write_avatar, newer, written, overwrite=True) == "write-avatar"
    assert av.read_avatar(written).manifest.seed == 5
    assert [path.name for path in written.parent.iterdir()] == ["head"]


def test_a_writer_killed_between_its_renames_is_undone_by_the_next(avatar, written):
    written.rename(written.with_name(".head.0123abcd.fitdiff-old"))
    atomic_write.sweep(written)
    assert av.read_avatar(written).manifest.seed == 5


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
        (OSError(errno.EROFS, "Read-only file system"), "write-avatar"),
        (PermissionError(errno.EACCES, "Permission denied"), "write-avatar"),
        (KeyboardInterrupt(), None),
        (RuntimeError("a bug"), None),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 12])
def test_a_failure_in_the_middle_leaves_nothing(avatar, tmp_path, monkeypatch, failure, expected, step):
    calls, fsync = [], os.fsync

    def fails(descriptor):
        calls.append(descriptor)
        if len(calls) == step:
            raise failure
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    if expected:
        assert code_of(av.write_avatar, avatar, tmp_path / "head") == expected
    else:
        with pytest.raises(type(failure)):
            av.write_avatar(avatar, tmp_path / "head")
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_a_file_is_one_sentence(avatar, tmp_path):
    (tmp_path / "file").write_text("x")
    assert code_of(av.write_avatar, avatar, tmp_path / "file" / "head") == "write-avatar"
    assert code_of(av.write_avatar, avatar, tmp_path / ("x" * 300)) == "write-avatar"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_writer_leaves_no_target_and_the_next_write_sweeps(avatar, written, tmp_path):
    program = textwrap.dedent("""
        import os, sys, time
        from fitdiff import avatar as av
        from fitdiff.avatar import folder
        if sys.argv[3] == "write":
            real, count = folder._write, [0]
            def slow(path, data):
                count[0] += 1
                if count[0] == 4:
                    print("ready", flush=True); time.sleep(60)
                return real(path, data)
            folder._write = slow
        av.write_avatar(av.read_avatar(sys.argv[1]), sys.argv[2])
    """)
    target = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(written), str(target), "write"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(av.__file__).parents[2])},
    )
    assert child.stdout.readline() == b"ready\n"
    left = [path for path in tmp_path.iterdir() if path.name.startswith(".killed")]
    assert len(left) == 1
    assert not target.exists()
    atomic_write.sweep(target)
    assert left[0].exists()  # its writer lives: hands off
    child.kill()
    child.wait()
    child.stdout.close()
    assert not target.exists()
    assert left[0].exists()
    av.write_avatar(avatar, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head", "killed"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_diverged_fit_is_not_written(avatar, tmp_path, bad):
    vertices = avatar.mesh.vertices.copy()
    vertices[3, 1] = bad
    broken = replace(avatar, mesh=replace(avatar.mesh, vertices=vertices))
    assert code_of(av.write_avatar, broken, tmp_path / "head") == "avatar-broken"
    light = msgspec.structs.replace(avatar.manifest.light, ambient=float(bad))
    broken = replace(avatar, manifest=msgspec.structs.replace(avatar.manifest, light=light))
    assert code_of(av.write_avatar, broken, tmp_path / "head") == "avatar-broken"
    assert list(tmp_path.iterdir()) == []


def test_missing_newer_and_changed(written, tmp_path):
    assert code_of(av.read_avatar, tmp_path / "nowhere") == "avatar-missing"
    assert code_of(av.read_avatar, tmp_path) == "avatar-missing"
    assert code_of(av.read_avatar, "a\0b") == "avatar-missing"
    assert code_of(av.read_avatar, "x" * 5000) == "avatar-missing"
    (written / "maps" / "normal.png").write_bytes((written / "maps" / "diffuse.png").read_bytes())
    with pytest.raises(FitDiffError) as caught:
        av.read_avatar(written)
    assert caught.value.code == "avatar-broken"
    assert "maps/normal.png" in caught.value.sentence
    about = json.loads((written / "avatar.json").read_bytes())
    (written / "avatar.json").write_text(json.dumps({**about, "schema_version": 2, "camera": "of the future"}))
    with pytest.raises(FitDiffError) as caught:
        av.read_avatar(written)
    assert caught.value.code == "avatar-newer"
    assert "newer FitDiff" in caught.value.sentence


@pytest.mark.parametrize("name", ["hair", "brows"])
def test_hair_is_not_written_without_its_map(avatar, tmp_path, name):
    bare = replace(avatar, maps={other: pixels for other, pixels in avatar.maps.items() if other != name})
    with pytest.raises(ValueError, match=name):
        av.write_avatar(bare, tmp_path / "bare")


def test_a_folder_from_before_brows_opens(written):
    about = json.loads((written / "avatar.json").read_bytes())
    assert about["schema_version"] == 1  # whoever reads that skips the key
    del about["brows"], about["files"]["maps/brows.png"]
    (written / "maps" / "brows.png").unlink()
    (written / "avatar.json").write_text(json.dumps(about))
    old = av.read_avatar(written)
    assert old.manifest.brows is None
    assert "brows" not in old.maps


@pytest.mark.parametrize(
    "name",
    [
        "../mesh.npz",
        "/etc/passwd",
        "maps/../../x.png",
        "C:\\x.png",
        "maps\\x.png",
        "maps/x\0.png",
        "maps//x.png",
        "x.npz",
        "",
    ],
)
def test_no_path_leaves_the_folder(written, name):
    about = json.loads((written / "avatar.json").read_bytes())
    about["files"][name] = about["files"]["mesh.npz"]
    (written / "avatar.json").write_text(json.dumps(about))
    assert code_of(av.read_avatar, written) == "avatar-broken"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("what", ["mesh.npz", "maps", "avatar.json"])
def test_links_are_not_followed(written, tmp_path, what):
    (written / what).rename(tmp_path / "elsewhere")
    (written / what).symlink_to(tmp_path / "elsewhere")
    assert code_of(av.read_avatar, written) == "avatar-broken"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_waited_for(written):
    (written / "mesh.npz").unlink()
    os.mkfifo(written / "mesh.npz")
    assert code_of(av.read_avatar, written) == "avatar-broken"


def test_sizes_are_checked_before_reading(written):
    with open(written / "avatar.json", "r+b") as file:
        file.truncate(1 << 40)
    assert code_of(av.read_avatar, written) == "avatar-broken"


def npz(mesh_bytes: bytes, **changed: bytes | None) -> bytes:
    """mesh.npz with some members' raw bytes replaced, added, or (None) left out."""
    members = {}
    with zipfile.ZipFile(io.BytesIO(mesh_bytes)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update({f"{name}.npy": data for name, data in changed.items()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            if data is not None:
                archive.writestr(name, data)
    return buffer.getvalue()


def npy(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def test_meshes_that_would_crash_a_renderer_are_refused(avatar, written):
    m, good = avatar.mesh, (written / "mesh.npz").read_bytes()

    def changed(name, index, value):
        array = getattr(m, name).copy()
        array[index] = value
        return {name: npy(array)}

    bad = [
        changed("quads", (0, 0), len(m.vertices)),
        changed("quads", (0, 1), -1),
        changed("quads", (0, 1), -7),
        changed("quads", (0, 1), m.quads[0, 0]),
        changed("uv_quads", (3, 2), len(m.uv)),
        changed("uv_quads", (1, 3), -1),
        changed("quad_region", 0, 4),
        changed("vertices", (0, 0), np.nan),
        changed("shape_keys", (0, 0, 0), np.inf),
        changed("uv", (0, 0), 4.5),
        changed("uv", (0, 1), -0.5),
        {"vertices": npy(m.vertices[:-1])},
        {"vertices": npy(m.vertices.astype(np.float64))},
        {"vertices": npy(np.asfortranarray(m.vertices))},
        {"vertices": npy(m.vertices.astype(object), allow_pickle=True)},
        {"vertices": npy(m.vertices, version=(2, 0))},
        {"vertices": npy(m.vertices) + b"x"},
        {"vertices": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 3), }"},
        {"vertices": None},
        {"shape_key_names": npy(np.array(["a"] * 52))},
        {"shape_key_names": npy(np.array(["ü"] + [f"a{i}" for i in range(51)]))},
        {"shape_key_names": npy(np.array(["Basis"] + [f"a{i}" for i in range(51)]))},
        {"surprise": b"x"},
    ]
    for members in bad:
        relist(written, "mesh.npz", npz(good, **members))
        assert code_of(av.read_avatar, written) == "avatar-broken", members.keys()
    relist(written, "mesh.npz", npz(good))
    av.read_avatar(written)


def test_bombs_cost_no_memory(written):
    import tracemalloc

    bomb = npy(np.zeros((4_000_000, 3), np.float32))  # 48 MB in 47 kB
    honest = npz((written / "mesh.npz").read_bytes(), vertices=bomb)
    lying = bytearray(honest)
    size = len(bomb).to_bytes(4, "little")
    while (at := lying.find(size)) >= 0:
        lying[at : at + 4] = (400).to_bytes(4, "little")
    huge = npz((written / "mesh.npz").read_bytes(), vertices=bytes(200 << 20))
    tracemalloc.start()
    for data, ceiling in ((bytes(lying), 4 << 20), (honest, 110 << 20)):
        tracemalloc.reset_peak()
        assert code_of(mesh.decode, data) == "avatar-broken"
        assert tracemalloc.get_traced_memory()[1] < ceiling
    tracemalloc.stop()
    many = bytearray(huge)
    while (at := many.find((200 << 20).to_bytes(4, "little"))) >= 0:
        many[at : at + 4] = (3 << 30).to_bytes(4, "little")
    tracemalloc.start()
    assert code_of(mesh.decode, bytes(many)) == "avatar-broken"
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_json_that_is_not_ours(written):
    good = json.loads((written / "avatar.json").read_bytes())
    texts = [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"settings":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'"' + b'\\"' * (2 << 20),
        json.dumps({**good, "seed": -1}).encode(),
        json.dumps({**good, "seed": 10**400}).encode(),
        json.dumps({**good, "metrics": {"x": float("nan")}}).encode(),
        json.dumps({**good, "arkit": {"shape00": 1.5}}).encode(),
        json.dumps({**good, "arkit": {"nobody": 0.5}}).encode(),
        json.dumps({**good, "camera": {**good["camera"], "focal_px": 0}}).encode(),
        json.dumps({**good, "camera": {**good["camera"], "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}}).encode(),
        json.dumps({**good, "light": {**good["light"], "direction": [0, 0, 0]}}).encode(),
        json.dumps({**good, "files": {}}).encode(),
        json.dumps({**good, "hair": {**good["hair"], "length": 0}}).encode(),
        json.dumps({**good, "hair": {**good["hair"], "colour": [0.1, 0.1, 2]}}).encode(),
        json.dumps({**good, "brows": {**good["brows"], "length": "long"}}).encode(),
        json.dumps({**good, "files": {name: e for name, e in good["files"].items() if "hair" not in name}}).encode(),
        json.dumps({**good, "files": {name: e for name, e in good["files"].items() if "brows" not in name}}).encode(),
        json.dumps({**good, "settings": {"deep": json.loads("[" * 40 + "]" * 40)}}).encode(),
    ]
    for text in texts:
        (written / "avatar.json").write_bytes(text)
        assert code_of(av.read_avatar, written) == "avatar-broken", text[:80]
    (written / "avatar.json").write_text(json.dumps({**good, "added_later": 1}))
    assert av.read_avatar(written).manifest.seed == 5


def test_the_published_schema_is_the_codes():
    path = Path(__file__).parents[3] / "docs" / "avatar.schema.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(manifest.schema())), (
        "run: python -m fitdiff.avatar > docs/avatar.schema.json"
    )


def test_reading_only_the_manifest_does_not_touch_the_rest(written):
    (written / "mesh.npz").unlink()
    assert av.read_manifest(written).engine == "test"
    assert code_of(av.read_avatar, written) == "avatar-broken"
    assert folder_module.MANIFEST == "avatar.json"


def test_hair_is_one_of_the_files(written):
    about = av.read_manifest(written)
    assert set(about.all_files()) == {*about.files, "hair.npz"}
    for name, entry in about.all_files().items():
        assert (written / name).stat().st_size == entry.bytes
