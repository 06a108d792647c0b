"""Any bytes give an avatar or a named error: never another exception, a hang, or memory without bounds."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitdiff import avatar as av
from fitdiff.avatar import groom_file, images, manifest, mesh
from fitdiff.errors import FitDiffError

CODES = {"avatar-missing", "avatar-broken", "avatar-newer"}
FUZZ = settings(max_examples=150)


def answers(function, *arguments) -> bool:
    """Whether the reader accepted; any exception but a named one passes through and fails the test."""
    try:
        function(*arguments)
    except Exception as error:
        if type(error).__name__ != FitDiffError.__name__:  # the extension has a class of its own
            raise
        if error.code not in CODES or not error.sentence.endswith("."):
            raise
        return False
    return True


@st.composite
def damage(draw, original: bytes) -> bytes:
    """A valid file with bytes overwritten, cut out, doubled or cut off."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "double", "end"]))
        piece = draw(st.binary(min_size=1, max_size=8))
        if kind == "set":
            data[at : at + len(piece)] = piece
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = piece
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        else:
            del data[at:]
    return bytes(data)


@pytest.fixture(scope="module")
def folder(avatar: av.Avatar, tmp_path_factory) -> Path:
    return av.write_avatar(avatar, tmp_path_factory.mktemp("fuzz") / "head")


def decode_groom(data: bytes) -> object:
    """As if avatar.json said what `synthetic_groom` has."""
    about = manifest.GroomEntry(sha256="0" * 64, bytes=1, guides=24, strands=480)
    return groom_file.decode(data, about)


@pytest.mark.parametrize(
    "decode", [manifest.decode, mesh.decode, decode_groom, lambda data: images.decode(data, "maps/x.png")]
)
@FUZZ
@given(data=st.binary(max_size=400))
def test_any_bytes(decode, data):
    assert not answers(decode, data)


@FUZZ
@given(data=st.data())
def test_damaged_manifest(folder, data):
    answers(manifest.decode, data.draw(damage((folder / "avatar.json").read_bytes())))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def other_values(draw, about: dict) -> bytes:
    """JSON that is well formed but means something else, at any place."""
    place = about
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(json_values)
    return json.dumps(about).encode("utf-8", "surrogatepass")


@FUZZ
@given(data=st.data())
def test_manifest_with_other_values(folder, data):
    answers(manifest.decode, data.draw(other_values(json.loads((folder / "avatar.json").read_bytes()))))


ARCHIVES = pytest.mark.parametrize(("name", "decode"), [("mesh.npz", mesh.decode), ("hair.npz", decode_groom)])


@ARCHIVES
@FUZZ
@given(data=st.data())
def test_damaged_archive(folder, name, decode, data):
    whole = (folder / name).read_bytes()
    assert answers(decode, whole)
    answers(decode, data.draw(damage(whole)))


@ARCHIVES
@FUZZ
@given(data=st.data())
def test_archive_with_damaged_arrays(folder, name, decode, data):
    """The zip is sound and its checksums agree; what it holds is not what it should be."""
    with zipfile.ZipFile(folder / name) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    array = data.draw(st.sampled_from(sorted(members)))
    kind = data.draw(st.sampled_from(["header", "bytes", "array"]))
    if kind == "header":
        members[array] = data.draw(damage(members[array][:128])) + members[array][128:]
    elif kind == "bytes":
        members[array] = data.draw(damage(members[array]))
    else:
        dtype = data.draw(
            st.sampled_from(["<f2", "<f4", ">f4", "<f8", "<i4", "<i8", "|u1", "<U3", "|S3", "|b1", "<c8", "<M8[s]"])
        )
        shape = data.draw(st.lists(st.integers(0, 6), max_size=4))
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.zeros(shape, dtype))
        members[array] = buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    answers(decode, buffer.getvalue())


def mend_checksums(png: bytes) -> bytes:
    """Recompute every chunk's CRC, so that damage reaches the code behind it."""
    out, position = bytearray(png[:8]), 8
    while position + 12 <= len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        chunk = png[position + 4 : position + 8 + length]
        out += png[position : position + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        position += 12 + length
    return bytes(out + png[position:])


@pytest.mark.parametrize("name", ["maps/diffuse.png", "maps/displacement.png", "maps/specular.png"])
@FUZZ
@given(data=st.data())
def test_damaged_picture(folder, name, data):
    changed = data.draw(damage((folder / name).read_bytes()))
    if data.draw(st.booleans()):
        changed = mend_checksums(changed)
    answers(images.decode, changed, name)


@pytest.mark.parametrize("depth", [8, 16])
def test_picture_bombs_are_refused_before_memory_is_set_aside(depth):
    import tracemalloc

    def png(width, height, body):
        header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, 2, 0, 0, 0])
        chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
        return images.SIGNATURE + b"".join(images._chunk(kind, data) for kind, data in chunks)

    bomb = zlib.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        for data in (png(8192, 8192, b"x"), png(60000, 60000, bomb), png(0, 4, bomb), png(1 << 31, 1, bomb)):
            assert not answers(images.decode, data, "maps/x.png")
        answers(images.decode, png(2, 2, bomb), "maps/x.png")  # more than it says: the rest is never unpacked
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1), (1, 1, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_survive(shape, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    data = images.encode(pixels, srgb=True)
    again = images.decode(data, "x")
    assert again.dtype == pixels.dtype
    assert np.array_equal(again, pixels)
    assert data == images.encode(np.asfortranarray(pixels), srgb=True)


@pytest.mark.parametrize("line_filter", [0, 1, 2])
def test_sixteen_bits_with_every_row_filter_that_is_known(line_filter):
    pixels = np.random.default_rng(1).integers(0, 65536, (4, 6, 3), np.uint16)
    rows = pixels.astype(">u2").view(np.uint8).reshape(4, -1).astype(int)
    before = {0: 0 * rows, 1: np.pad(rows, ((0, 0), (6, 0)))[:, :-6], 2: np.pad(rows, ((1, 0), (0, 0)))[:-1]}[
        line_filter
    ]
    lines = np.concatenate([np.full((4, 1), line_filter), (rows - before) % 256], 1).astype(np.uint8)
    png = images.encode(pixels, srgb=False)
    header = png[: 8 + 25]
    data = header + images._chunk(b"IDAT", zlib.compress(lines.tobytes())) + images._chunk(b"IEND", b"")
    assert np.array_equal(images.decode(data, "x"), pixels)


def test_what_a_map_holds_of_values():
    assert av.stored_diffuse(np.array([0.0, 0.21404114, 1.0])).tolist() == [0, 128, 255]
    assert av.stored(np.array([0.0, 0.5, 2.0]), 16).tolist() == [0, 32768, 65535]


@settings(parent=FUZZ, max_examples=40)
@given(data=st.data())
def test_whole_folders_with_one_damaged_file(folder, tmp_path_factory, data):
    """Through the front door, the manifest agreeing with the damage half of the time."""
    target = tmp_path_factory.mktemp("damaged")
    (target / "maps").mkdir()
    about = json.loads((folder / "avatar.json").read_bytes())
    chosen = data.draw(st.sampled_from(sorted(about["files"])))
    for name in about["files"]:
        content = (folder / name).read_bytes()
        if name == chosen:
            content = data.draw(damage(content))
            if data.draw(st.booleans()):
                about["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (target / name).write_bytes(content)
    (target / "avatar.json").write_text(json.dumps(about))
    answers(av.read_avatar, target)
