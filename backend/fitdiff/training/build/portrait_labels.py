"""Labels drawn by eye on the portraits: glasses, beards, hats, hoods, scarves, hands and things, and what each shows.

portrait_labels.json holds them without any picture; draw() makes soft masks of them at any size. Places are pixels of
the photo as stored: x to the right, y down, from the upper left corner of the upper left pixel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from ...errors import FitDiffError
from ...render.outline import filled, shrunk

FILE = Path(__file__).with_name("portrait_labels.json")
COVERS = ("hat", "hood", "scarf", "hand", "thing")
LAYERS = ("lens", "frame", "beard", *COVERS)
FINER = 4

Place = tuple[float, float]
Outline = Annotated[tuple[Place, ...], msgspec.Meta(min_length=3)]
Length = Annotated[int, msgspec.Meta(gt=0)]


class Lens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """glass: outline of the glass that is seen; rim: the frame's outer outline round it, equal where there is no frame."""

    glass: Outline
    rim: Outline


class Bar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the frame of even width in pixels along a line: a bridge, a temple arm."""

    line: Annotated[tuple[Place, ...], msgspec.Meta(min_length=2)]
    width: Annotated[float, msgspec.Meta(gt=0)]


class Glasses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pair. glass: clear shows the eyes, dark dims them, mirror reflects. place: before the eyes or up on the hair.
    plates are broad parts of the frame (bridge, corners, arms), seen only outside the glass."""

    glass: Literal["clear", "dark", "mirror"]
    lenses: tuple[Lens, ...]
    bars: tuple[Bar, ...] = ()
    plates: tuple[Outline, ...] = ()
    place: Literal["eyes", "hair"] = "eyes"


class Cover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something on or before the head. holes: outlines within it that show what is behind. cut: masks that bound it where
    its own outline is drawn too wide: it ends where the person's matte ends, or where the hair mask begins."""

    kind: Literal["hat", "hood", "scarf", "hand", "thing"]
    outline: Outline
    holes: tuple[Outline, ...] = ()
    cut: tuple[Literal["matte", "hair"], ...] = ()


class Beard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a beard or moustache grows so thick that it hides the skin; holes: the lips. The hair masks leave most out."""

    outline: Outline
    holes: tuple[Outline, ...] = ()


class Portrait(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """width, height: of the photo. scalp: hair, shorn (skin shines through), bald (on top at
    least), hidden (by a cover). fringe: hair falls over
    the forehead. colour: full, tinted or grey. turned: seen from the side by about 40 degrees or more. hair_mask: what is
    wrong with the mask in hair/, empty if nothing."""

    width: Length
    height: Length
    scalp: Literal["hair", "shorn", "bald", "hidden"] = "hair"
    beard: Literal["none", "stubble", "moustache", "full"] = "none"
    fringe: bool = False
    colour: Literal["full", "tinted", "grey"] = "full"
    turned: bool = False
    hair_mask: str = ""
    glasses: tuple[Glasses, ...] = ()
    covers: tuple[Cover, ...] = ()
    beards: tuple[Beard, ...] = ()

    def outlines(self) -> list[tuple[Place, ...]]:
        """Every list of places of this portrait."""
        pairs = [line for pair in self.glasses for lens in pair.lenses for line in (lens.glass, lens.rim)]
        frames = [line for pair in self.glasses for line in (*pair.plates, *(bar.line for bar in pair.bars))]
        areas: list[Cover | Beard] = [*self.covers, *self.beards]
        return [*pairs, *frames, *(line for area in areas for line in (area.outline, *area.holes))]


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file: who made it, its licence, and the portraits by name (the photo's, without its ending)."""

    about: str
    made_by: str
    licence: Literal["CC0-1.0"]
    portraits: dict[str, Portrait]


def read(path: Path = FILE) -> dict[str, Portrait]:
    """The labels by portrait's name; raises portrait-labels for anything that is not as described above."""
    try:
        portraits = msgspec.json.decode(path.read_bytes(), type=Labels).portraits
    except (OSError, msgspec.MsgspecError) as problem:
        raise FitDiffError("portrait-labels", f"{path.name} cannot be read as portrait labels: {problem}.") from problem
    for name, portrait in portraits.items():
        size = (portrait.width, portrait.height)
        for outline in portrait.outlines():
            places = np.asarray(outline)
            if (places < 0).any() or (places > size).any():
                sentence = f"{path.name}: a label of {name} leaves its photo of {size[0]} x {size[1]} pixels."
                raise FitDiffError("portrait-labels", sentence)
    return portraits


def draw(
    portrait: Portrait, size: tuple[int, int], matte: ArrayLike = 1.0, hair: ArrayLike = 0.0
) -> dict[str, NDArray[np.float32]]:
    """Soft masks (height, width) in 0..1 of each of LAYERS, of the whole photo at this size (height, width).

    matte and hair are the portrait's own at the same size; covers that are drawn too wide end at them. Frames lie before
    lenses, lenses before covers, covers before beards.
    """
    scale = np.array([size[1] / portrait.width, size[0] / portrait.height])
    layers = {name: np.zeros(size, np.float32) for name in LAYERS}
    for cover in portrait.covers:
        share = _area(cover.outline, size, scale, cover.holes)
        if "matte" in cover.cut:
            share = share * np.asarray(matte, np.float32)
        if "hair" in cover.cut:
            share = share * (1 - np.asarray(hair, np.float32))
        layers[cover.kind] = np.maximum(layers[cover.kind], share)
    for pair in portrait.glasses:
        lens, frame = _pair(pair, size, scale)
        layers["lens"] = np.maximum(layers["lens"], lens)
        layers["frame"] = np.maximum(layers["frame"], frame)
    layers["lens"] = layers["lens"] * (1 - layers["frame"])
    for beard in portrait.beards:
        layers["beard"] = np.maximum(layers["beard"], _area(beard.outline, size, scale, beard.holes))
    bare = 1 - layers["lens"] - layers["frame"]
    for name in COVERS:
        layers[name] = layers[name] * bare
    layers["beard"] = layers["beard"] * (bare - np.max([layers[name] for name in COVERS], axis=0))
    return layers


def _pair(
    pair: Glasses, size: tuple[int, int], scale: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Masks of one pair's glass and frame."""
    glass = np.zeros(size, np.float32)
    frame = np.zeros(size, np.float32)
    for lens in pair.lenses:
        glass = np.maximum(glass, _area(lens.glass, size, scale))
        frame = np.maximum(frame, _area(lens.rim, size, scale))
    for plate in pair.plates:
        frame = np.maximum(frame, _area(plate, size, scale))
    frame = np.clip(frame - glass, 0, 1)
    for bar in pair.bars:
        frame = np.maximum(frame, _bar(bar, size, scale))
    return glass, frame


def _area(
    outline: Outline, size: tuple[int, int], scale: NDArray[np.floating], holes: tuple[Outline, ...] = ()
) -> NDArray[np.float32]:
    share = filled(np.asarray(outline) * scale, size, FINER, np.float32)
    for hole in holes:
        share = share * (1 - filled(np.asarray(hole) * scale, size, FINER, np.float32))
    return share


def _bar(bar: Bar, size: tuple[int, int], scale: NDArray[np.floating]) -> NDArray[np.float32]:
    """A bar thinner than a sample keeps its line, at the share of its width."""
    picture = Image.new("L", (size[1] * FINER, size[0] * FINER))
    wide = bar.width * float(scale.mean()) * FINER
    line = [(float(x), float(y)) for x, y in np.asarray(bar.line) * scale * FINER]
    ImageDraw.Draw(picture).line(line, fill=255, width=max(1, round(wide)), joint="curve")
    return shrunk(picture, size, np.float32) * np.float32(min(1.0, wide))
