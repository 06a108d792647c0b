"""Avatar folders that are whole, and folders that are not although every checksum is right: one table for both readers.

Needs numpy and the standard library alone, so that it can be read in Blender's Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import avatar_folders, synthetic_groom, synthetic_head

DIFFUSE = "maps/diffuse.png"
ARRAYS = synthetic_head.arrays(8, 10)
GROOM = synthetic_groom.arrays(12, 4)


@dataclass
class Draft:
    """A folder that is not written yet. json: the text of avatar.json, where it is not `about` as it stands."""

    about: dict[str, Any]
    files: dict[str, bytes]
    hair: bytes  # of hair.npz, which `files` of avatar.json does not list
    json: Callable[[str], str] = field(default=lambda text: text)

    def write(self, folder: Path) -> Path:
        """The manifest lists what the files are, whatever that is."""
        (folder / "maps").mkdir(parents=True)
        listed = {}
        for name, data in self.files.items():
            with contextlib.suppress(OSError):  # a name that this system does not take; readers look at the list first
                (folder / name).write_bytes(data)
            listed[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        (folder / "hair.npz").write_bytes(self.hair)
        about = {**self.about, "files": listed, **self.about.get("files", {})}
        groom = about.pop("groom", MISSING)
        if isinstance(groom, dict):
            groom = {"sha256": hashlib.sha256(self.hair).hexdigest(), "bytes": len(self.hair), **groom}
        text = self.json(json.dumps(about if groom is MISSING else {**about, "groom": groom}))
        (folder / "avatar.json").write_text(text, encoding="utf-8", errors="surrogatepass")
        return folder


def whole() -> Draft:
    """A folder as FitDiff writes it, with hair, brows, a groom and a photo, small."""
    about = {
        **json.loads(json.dumps(avatar_folders.ABOUT)),
        "gaze": [[0.1, 0.0], [0.1, 0.05]],
        "hair": dict(avatar_folders.HAIR),
        "brows": dict(avatar_folders.BROWS),
        "groom": {"guides": len(GROOM["points"]), "strands": int(GROOM["strands"].sum())},
        "metrics": {"photometric": 0.5},
        "timings": {"fit": 1.5},
        "licences": {"face": "CC0-1.0"},
    }
    return Draft(about, dict(_files()), npz(GROOM))


@cache
def _files() -> dict[str, bytes]:
    pictures = synthetic_head.maps(8)
    maps = {**pictures, "hair": pictures["normal"], "brows": pictures["normal"]}
    files = {f"maps/{name}.png": avatar_folders.png(pixels) for name, pixels in maps.items()}
    return {**files, "mesh.npz": npz(ARRAYS), "photo.png": avatar_folders.png(np.zeros((4, 5, 3), np.uint8))}


# --- changes ----------------------------------------------------------------------------------------------------------

Change = Callable[[Draft], object]
MISSING = ...


def put(place: str, value: Any) -> Change:
    """put("light.colour.1", 3): at this place of avatar.json; MISSING takes it away."""

    def change(draft: Draft) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        at: Any = draft.about
        for part in way:
            at = at[part]
        if value is MISSING:
            del at[last]
        else:
            at[last] = value

    return change


def text(old: str, new: str) -> Change:
    """In the text of avatar.json."""

    def change(draft: Draft) -> None:
        assert old in json.dumps(draft.about)
        draft.json = lambda whole: whole.replace(old, new, 1)

    return change


def png(**parts: Any) -> Change:
    """Another diffuse map: see `make_png`."""
    return lambda draft: draft.files.update({DIFFUSE: make_png(**parts)})


def edited(edit: Callable[[bytes], bytes]) -> Change:
    """The bytes of the diffuse map, edited."""
    return lambda draft: draft.files.update({DIFFUSE: edit(draft.files[DIFFUSE])})


def named(name: str) -> Change:
    """One more file, of this name."""
    return lambda draft: draft.files.update({name: draft.files[DIFFUSE]})


def without(name: str) -> Change:
    return lambda draft: draft.files.pop(name)


def array(**changed: Any) -> Change:
    """mesh.npz with other arrays: array(uv=lambda uv: uv * 2), array(uv=None) without it."""

    def change(draft: Draft) -> None:
        arrays = dict(ARRAYS)
        for name, edit in changed.items():
            arrays[name] = edit(arrays.get(name)) if edit else None
        draft.files["mesh.npz"] = npz({name: values for name, values in arrays.items() if values is not None})

    return change


def groom(**changed: Any) -> Change:
    """hair.npz with other arrays, as `array` makes a mesh.npz; avatar.json says how many guides and strands it has."""

    def change(draft: Draft) -> None:
        arrays = {**GROOM, **{name: edit(GROOM.get(name)) if edit else None for name, edit in changed.items()}}
        draft.hair = npz({name: values for name, values in arrays.items() if values is not None})
        guides, strands = arrays["points"], arrays["strands"]
        if guides is not None and strands is not None and len(guides):
            draft.about["groom"] = {"guides": len(guides), "strands": int(strands.sum())}

    return change


def repeated(guides: int) -> Change:
    """A groom of so many equal guides."""
    every = {name: lambda values: np.repeat(values[:1], guides, 0) for name in GROOM if name not in ("tint", "radius")}
    return groom(**every)


def npz(arrays: dict[str, np.ndarray], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, values, version=(1, 0))
            archive.writestr(f"{name}.npy", member.getvalue())
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def make_png(
    header: tuple[int, ...] = (3, 2, 8, 2, 0, 0, 0),
    rows: bytes | None = None,
    packed: bytes | None = None,
    before: bytes = b"",
    pixels: Callable[[bytes], bytes] = lambda packed: chunk(b"IDAT", packed),
    after: bytes = b"",
    end: bytes = chunk(b"IEND", b""),
) -> bytes:
    """A PNG of 3 x 2 pixels, or what is left of it. rows: filter and bytes of each; packed: their zlib stream."""
    line = 1 + header[0] * {0: 1, 2: 3}.get(header[3], 1) * header[2] // 8
    rows = bytes(line * header[1]) if rows is None else rows
    stream = pixels(zlib.compress(rows) if packed is None else packed)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *header)) + before + stream + after + end


def moved(values: np.ndarray, at: Any, value: Any) -> np.ndarray:
    changed = values.copy()
    changed[at] = value
    return changed


LINE = 10  # bytes of a row of make_png
ROWS = bytes(2 * LINE)
STREAM = zlib.compress(ROWS)
HALVES = chunk(b"IDAT", STREAM[:5]) + chunk(b"IDAT", STREAM[5:])
APART = chunk(b"IDAT", STREAM[:5]) + chunk(b"tIME", b"") + chunk(b"IDAT", STREAM[5:])
OPTIONAL = ("gaze", "groom", "metrics", "timings", "licences", "photo")
NO_NAMES = ("con", "prn", "aux", "nul", "com1", "lpt9", "Upper", "a.b", "a ", "a.", "", "a:b", "a\\b", "ä", "x" * 42)
NO_FILES = ("con.png", "photo.png.", "photo.png ", "photo.png::$DATA", "notes.txt")

WHOLE: dict[str, Change] = {
    "as it is written": lambda draft: None,
    "a key that nobody knows": put("eyebrows", [1, {"x": None}]),
    "a whole number where a fraction may be": put("camera.focal_px", 620),
    "no optional key": lambda draft: [draft.about.pop(key) for key in OPTIONAL],
    "no hair": put("hair", None),
    "no texture": put("latent.texture", None),
    "a texture": put("latent.texture", [0.5] * 4096),
    "settings of any kind": put("settings", {"steps": 3, "on": True, "nested": {"x": [None, "y"]}}),
    "letters of every kind": put("engine", "Zoë 顔 🙂"),
    "a map of its own": named("maps/roughness.png"),
    "a map whose name begins like a device": named("maps/console.png"),
    "no preview or photo": lambda draft: (draft.files.pop("photo.png"), draft.about.pop("photo")),
    "a grey map": png(header=(3, 2, 8, 0, 0, 0, 0)),
    "a map of 16 bits": png(header=(3, 2, 16, 2, 0, 0, 0)),
    "every row filter": png(header=(3, 5, 8, 2, 0, 0, 0), rows=b"".join(bytes([n]) + bytes(9) for n in range(5))),
    "three row filters at 16 bits": png(
        header=(3, 3, 16, 0, 0, 0, 0), rows=b"".join(bytes([n]) + bytes(6) for n in range(3))
    ),
    "pixels in two chunks": png(pixels=lambda packed: HALVES),
    "an empty chunk of pixels": png(pixels=lambda packed: chunk(b"IDAT", b"") + chunk(b"IDAT", packed)),
    "a chunk that may be skipped": png(before=chunk(b"sRGB", b""), after=chunk(b"tIME", b"never")),
    "coordinates on the edges of their tiles": array(uv=lambda uv: moved(uv, 0, (4, 1))),
    "a mesh without sliders": lambda draft: (
        array(shape_key_names=lambda names: names[:0], shape_keys=lambda keys: keys[:0])(draft),
        draft.about.update(arkit={}),
    ),
    "no groom": put("groom", None),
    "a groom without strands": groom(strands=lambda strands: 0 * strands),
    "one guide": repeated(1),
    "guides of two points": groom(points=lambda points: points[:, :2].copy()),
    "straight guides, whose turns have no length": groom(curl=lambda curl: 0 * curl),
    "a stored groom": lambda draft: setattr(draft, "hair", npz(GROOM, zipfile.ZIP_STORED)),
    "a stored mesh": lambda draft: draft.files.update({"mesh.npz": npz(ARRAYS, zipfile.ZIP_STORED)}),
}

BROKEN: dict[str, Change] = {
    # avatar.json
    **{
        f"{place} is {value!r:.20} ({number})": put(place, value)
        for place, values in {
            "fitdiff_version": (MISSING, "", "x" * 201, 1, None),
            "engine": (MISSING, "", None, ["fit"]),
            "seed": (MISSING, -1, 1.0, True, 1 << 63, "1"),
            "settings": (None, [], "x", {"x": 1 << 64}, {"x": 10**400}, {"x": "\ud800"}),
            "face_model": (MISSING, {}, None, {"name": "", "licence": "x"}, {"name": "x"}),
            "latent": (MISSING, {}, None),
            "latent.identity": (MISSING, None, ["x"], [True], [1e10], [None], [0.0] * 65537, {}),
            "latent.expression": (MISSING, [[0.0]], 1.0),
            "latent.light": ([0.0] * 8, [0.0] * 10, ["x"] * 9),
            "latent.texture": ([None], "x", {}),
            "gaze": (None, [], [[0, 0]], [[0, 0], [0]], [[0, 0], [0, "x"]], [[0, 0], [0, 1e10]], [0, 0, 0, 0]),
            "light": (MISSING, None, []),
            "light.ambient": (MISSING, -0.1, 1e7, "bright", None),
            "light.colour": ([1, 1], [1, 1, -1], [1, 1, 1, 1]),
            "light.direction": ([0, 0, 0], [0, 0], None),
            "camera": (MISSING, None),
            "camera.width": (0, 65537, 3.5, True, MISSING),
            "camera.focal_px": (0, -1.0, 1e10),
            "camera.principal": ([1], [1, None], [1, 2e9]),
            "camera.rotation": ([[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, -1]], [[2, 0, 0]] * 3, 1),
            "camera.translation": ([0, 0], [0, 0, "x"]),
            "hair": ({}, {"colour": [0, 0, 0]}, {"colour": [0, 0, 2], "length": 0.01}, True),
            "hair.length": (0, 2, None),
            "brows.colour": ([0, 0], [0, 0, -1], "brown"),
            "groom": ({}, [], True, {"guides": 12}, {"strands": 240}),
            "groom.guides": (0, 3001, 1.5, None, MISSING),
            "groom.strands": (-1, 120_001, True, MISSING),
            "groom.bytes": (0, (3 << 20) + 1, "x"),
            "groom.sha256": (None, "A" * 64),
            "arkit": ({"nobody": 0.5}, {"shape03": 1.5}, {"shape03": None}, [0.5], None),
            "photo": ("other.png", True, "preview.png"),
            "metrics": ({"x": None}, {"x": 1e10}, {"x": "y"}, []),
            "timings": ({"x": -1}, {"x": True}, None),
            "licences": ({"x": ""}, {"x": None}, []),
            "format": ("fitdiff", None, MISSING),
            "schema_version": (0, "1", 1.0, True, MISSING),
        }.items()
        for number, value in enumerate(values)
    },
    "brackets 40 deep": put("settings", json.loads('{"x":' * 39 + "1" + "}" * 39)),
    "not a number": text("620.0", "NaN"),
    "an infinite number": text("620.0", "Infinity"),
    "a number too large for a float": text('"engine"', '"more": 1e999, "engine"'),
    "a key twice": text('"engine"', '"seed": 2, "engine"'),
    "a bare control character": text('"test"', '"te\x01st"'),
    "an unknown escape": text('"test"', '"te\\qst"'),
    "a number with a leading zero": text("620.0", "0620.0"),
    "text after the end": lambda draft: setattr(draft, "json", lambda whole: whole + "x"),
    "cut in half": lambda draft: setattr(draft, "json", lambda whole: whole[: len(whole) // 2]),
    "a list": lambda draft: setattr(draft, "json", lambda whole: f"[{whole}]"),
    "a byte order mark": lambda draft: setattr(draft, "json", lambda whole: "\ufeff" + whole),
    # what it lists
    **{f"no {name}": without(name) for name in ("mesh.npz", DIFFUSE, "maps/normal.png", "maps/hair.png", "photo.png")},
    **{f"a map called {name!r}": named(f"maps/{name}.png") for name in NO_NAMES},
    **{f"a file called {name!r}": named(name) for name in NO_FILES},
    "a file above the folder": lambda draft: setattr(
        draft, "json", lambda whole: whole.replace('"photo.png": {', '"maps/../../photo.png": {', 1)
    ),
    "a sha256 in capitals": lambda draft: setattr(
        draft, "json", lambda whole: whole[: whole.index('"sha256": "')] + whole[whole.index('"sha256": "') :].upper()
    ),
    "an entry without its length": lambda draft: setattr(
        draft, "json", lambda whole: whole.replace('"bytes": ', '"octets": ', 1)
    ),
    # pictures
    **{
        f"header {header}": png(header=header, rows=bytes(60))
        for header in (
            (0, 2, 8, 2, 0, 0, 0),
            (3, 0, 8, 2, 0, 0, 0),
            (3, 2, 4, 0, 0, 0, 0),
            (3, 2, 8, 3, 0, 0, 0),
            (3, 2, 8, 4, 0, 0, 0),
            (3, 2, 8, 6, 0, 0, 0),
            (3, 2, 8, 2, 1, 0, 0),
            (3, 2, 8, 2, 0, 1, 0),
            (3, 2, 8, 2, 0, 0, 1),
            (16385, 1, 8, 0, 0, 0, 0),
            (8193, 8192, 8, 0, 0, 0, 0),
            (8000, 8000, 8, 2, 0, 0, 0),
        )
    },
    "an empty picture": lambda draft: draft.files.update({DIFFUSE: b"-"}),
    "another kind of file": edited(lambda data: b"GIF89a" + data),
    "a picture without its end": png(end=b""),
    "a picture cut in its end": edited(lambda data: data[:-2]),
    "a picture cut in its pixels": edited(lambda data: data[:60]),
    "a picture without pixels": png(pixels=lambda packed: b""),
    "a picture with a wrong checksum": edited(lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]),
    "a wrong checksum of what may be skipped": png(before=chunk(b"tIME", b"now")[:-1] + b"x"),
    "bytes after the end": edited(lambda data: data + b"x"),
    "a second end": edited(lambda data: data + chunk(b"IEND", b"")),
    "an end that holds something": png(end=chunk(b"IEND", b"x")),
    "a second header": png(before=chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))),
    "a palette": png(before=chunk(b"PLTE", bytes(6))),
    "an unknown chunk that matters": png(before=chunk(b"WHAT", b"")),
    "a chunk without a name": png(before=chunk(b"\0\0\0\0", b"")),
    "pixels with something between": png(pixels=lambda packed: APART),
    "a chunk longer than the file": edited(lambda data: data[:33] + b"\xff\xff\xff\xff" + data[37:]),
    "no stream": png(packed=b""),
    "nonsense for a stream": png(packed=b"nonsense"),
    "a stream cut off": png(packed=STREAM[:-1]),
    "a stream whose checksum is wrong": png(packed=STREAM[:-1] + bytes([STREAM[-1] ^ 1])),
    "bytes after the stream": png(packed=STREAM + b"x"),
    "a second stream": png(packed=STREAM + STREAM),
    "a row too few": png(rows=ROWS[:LINE]),
    "a byte too few": png(rows=ROWS[:-1]),
    "a byte too many": png(rows=ROWS + b"\0"),
    "far more than it says": png(rows=bytes(1 << 20)),
    "a fifth row filter": png(rows=ROWS[:LINE] + b"\x05" + ROWS[1:LINE]),
    "a fourth row filter at 16 bits": png(header=(3, 2, 16, 0, 0, 0, 0), rows=bytes(7) + b"\x03" + bytes(6)),
    "a damaged photo": lambda draft: draft.files.update({"photo.png": draft.files["photo.png"][:-1]}),
    # mesh
    "coordinates left of their tiles": array(uv=lambda uv: moved(uv, 0, (-0.1, 0.5))),
    "coordinates right of their tiles": array(uv=lambda uv: moved(uv, 0, (4.1, 0.5))),
    "coordinates above their tiles": array(uv=lambda uv: moved(uv, 0, (0.5, 1.1))),
    "a vertex that is no number": array(vertices=lambda v: moved(v, 0, np.nan)),
    "a vertex far away": array(vertices=lambda v: moved(v, 0, 1e6)),
    "a slider that is infinite": array(shape_keys=lambda keys: moved(keys, 0, np.inf)),
    "a corner outside": array(quads=lambda quads: moved(quads, (0, 0), 1 << 20)),
    "a corner twice": array(quads=lambda quads: moved(quads, (9, 0), quads[9, 1])),
    "an unknown region": array(quad_region=lambda region: moved(region, 0, 4)),
    "faces of another number": array(uv_quads=lambda quads: quads[:-1]),
    "two shapes of one name": array(shape_key_names=lambda names: moved(names, 1, names[0])),
    "a shape called Basis": array(shape_key_names=lambda names: moved(names, 0, "Basis")),
    "more shapes than allowed": array(
        shape_key_names=lambda names: np.array([f"s{n}" for n in range(513)]),
        shape_keys=lambda keys: np.zeros((513, keys.shape[1], 3), np.float16),
    ),
    "no faces": array(
        quads=lambda quads: quads[:0], uv_quads=lambda quads: quads[:0], quad_region=lambda region: region[:0]
    ),
    "pivots of one eye": array(eye_pivots=lambda _: np.zeros((1, 3), np.float32)),
    "vertices as doubles": array(vertices=lambda v: v.astype(np.float64)),
    "an array that nobody knows": array(more=lambda _: np.zeros(3, np.float32)),
    "no vertices at all": array(vertices=None),
    # groom
    "a groom called a file": named("hair.npz"),
    "guides of one point": groom(points=lambda points: points[:, :1].copy()),
    "guides of 65 points": groom(points=lambda points: np.repeat(points[:, :1], 65, 1)),
    "more guides than allowed": repeated(3001),
    "no guides": repeated(0),
    "more strands than allowed": groom(strands=lambda strands: 0 * strands + 10_001),
    "a guide that is no number": groom(points=lambda points: moved(points, (0, 1, 2), np.nan)),
    "a guide far away": groom(points=lambda points: moved(points, (0, 1, 2), 11)),
    "a root beside the skin's tile": groom(uv=lambda uv: moved(uv, 0, (1.1, 0.5))),
    "an unknown kind": groom(kind=lambda kind: moved(kind, 0, 2)),
    "clumps above 1": groom(clump=lambda clump: moved(clump, 0, 1.1)),
    "frizz below 0": groom(frizz=lambda frizz: moved(frizz, 0, -0.001)),
    "curls whose turns have no length": groom(curl=lambda curl: moved(curl, 0, (0.01, 0))),
    "melanin above 1": groom(melanin=lambda melanin: moved(melanin, (0, 1), 1.01)),
    "redness that is infinite": groom(redness=lambda redness: moved(redness, (0, 1), np.inf)),
    "grey that is no number": groom(grey=lambda grey: moved(grey, 0, np.nan)),
    "a tint below 0": groom(tint=lambda tint: moved(tint, 0, -0.1)),
    "strands as thick as a finger": groom(radius=lambda radius: moved(radius, 0, 0.011)),
    "strands counted in bytes": groom(strands=lambda strands: strands.astype(np.uint8)),
    "sides of other guides": groom(side=lambda side: side[:-1]),
    "no roots": groom(uv=None),
    "a groom with an array that nobody knows": groom(more=lambda _: np.zeros(3, np.float32)),
    "other guides than avatar.json says": put("groom.guides", 13),
    "other strands than avatar.json says": put("groom.strands", 1),
    "a groom whose checksum is wrong": put("groom.sha256", "0" * 64),
    "a groom cut in half": lambda draft: setattr(draft, "hair", draft.hair[:200]),
    "a groom longer than avatar.json says": lambda draft: draft.about["groom"].update(bytes=len(draft.hair) - 1),
    "a mesh cut in half": lambda draft: draft.files.update({"mesh.npz": draft.files["mesh.npz"][:200]}),
}
NEWER: dict[str, Change] = {"of a newer FitDiff": put("schema_version", 2)}

CASES: dict[str, tuple[Change, str]] = {
    **{name: (change, "") for name, change in WHOLE.items()},
    **{name: (change, "avatar-broken") for name, change in BROKEN.items()},
    **{name: (change, "avatar-newer") for name, change in NEWER.items()},
}
"""Name -> (what is done to a whole folder, the code of the error; empty where it is read)."""


def answers(folder: Path, *readers: Callable[[Path], object]) -> list[dict[str, str]]:
    """Of each reader: case -> the code of its error, or nothing. Other exceptions pass through."""
    found: list[dict[str, str]] = [{} for _ in readers]
    for number, (name, (change, _)) in enumerate(CASES.items()):
        draft = whole()
        change(draft)
        place = draft.write(folder / str(number))
        for read, told in zip(readers, found, strict=True):
            told[name] = ""
            try:
                read(place)
            except Exception as error:
                if type(error).__name__ != "FitDiffError":  # each side has a class of its own
                    raise AssertionError(f"{name}: {error!r}") from error
                told[name] = error.code  # type: ignore[attr-defined]
    return found


def expected() -> dict[str, str]:
    return {name: code for name, (_, code) in CASES.items()}
