"""Pictures of perception's results for people: numbered boxes, landmarks, what lies where, the skin mask, the posed mean
face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..face.model import MorphableModel
from ..photo import Photo
from ..render.camera import Camera
from ..render.colour import to_srgb
from ..render.maps import Maps
from ..render.preview import CLAY_COLOURS, CLAY_LIGHT
from ..render.renderer import Renderer
from .analyse import Analysis, crop_camera
from .parting import PARTS, Parting
from .regions import Crop
from .types import Face

Picture = NDArray[np.uint8]

TILE = 480  # side of one tile of a face's sheet, pixels
SHEET_MARGIN = 1.75
WIDEST, PARTED = 1600, 800  # long sides of the pictures with all boxes and with all parts
NUMBER, BOX_LINE = 0.12, 0.008  # of that side, large enough for the panel's picture of 160 pixels
INK, PAPER = (255, 196, 61), (18, 18, 20)
DENSE, SPARSE = (92, 225, 255), (255, 196, 61)
HIDDEN = np.array([24, 74, 58], np.float32) / 255  # colour of what the mask leaves out
PART_COLOURS = {
    "skin": (242, 190, 150),
    "hair": (170, 84, 22),
    "beard": (132, 94, 220),
    "brows": (214, 40, 40),
    "glasses": (0, 205, 255),
    "cover": (255, 70, 170),
    "cloth": (70, 170, 80),
}
TINT = 0.55  # of a part's colour over the photo
SMOOTH = 3  # drawn so many times larger, then averaged


def numbered_boxes(photo: Photo, faces: Sequence[Face]) -> Picture:
    """The photo, at most WIDEST pixels long, with a numbered box round every face."""
    image, scale = _reduced(photo, WIDEST)
    size = image.size
    draw = ImageDraw.Draw(image)
    for number, face in enumerate(faces, 1):
        box = tuple(float(v) * scale for v in face.box)
        line = max(2, round(max(size) * BOX_LINE))
        draw.rectangle(box, outline=INK, width=line)
        # Large enough for a thumbnail, but no larger than the face, so that in a crowd it does not cover neighbours.
        _number(draw, box, str(number), max(14.0, min(max(size) * NUMBER, (box[2] - box[0]) * 0.9)), size[1])
    return np.asarray(image)


def parted_photo(photo: Photo, partings: Sequence[Parting]) -> Picture:
    """The photo, at most PARTED pixels long, with every part of its heads in its colour."""
    image, scale = _reduced(photo, PARTED)
    places = np.stack(np.meshgrid(np.arange(image.width) + 0.5, np.arange(image.height) + 0.5), -1) / scale
    shares: NDArray[np.floating] = np.zeros((len(PARTS), image.height, image.width), np.float32)
    for parting in partings:
        own = parting.at(places, 1 / scale)
        shares = np.where(own[1:].sum(0) > shares[1:].sum(0), own, shares)
    return _bytes(in_colours(np.asarray(image, np.float32) / np.float32(255), shares))


def in_colours(picture: NDArray[np.float32], shares: NDArray[np.floating]) -> NDArray[np.float32]:
    """(h, w, 3) sRGB 0..1 under the colours of its parts (len(PARTS), h, w)."""
    colours = np.array([PART_COLOURS[part] for part in PARTS[1:]], np.float32) / 255
    tint = np.tensordot(shares[1:], colours, (0, 0))
    return np.asarray(picture * (1 - TINT * shares[1:].sum(0)[..., None]) + TINT * tint, np.float32)


def _reduced(photo: Photo, longest: int) -> tuple[Image.Image, float]:
    """The photo, at most so many pixels long, and its size over the photo's."""
    scale = min(1.0, longest / max(photo.width, photo.height))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return Image.fromarray(photo.pixels).resize(size, Image.Resampling.LANCZOS), scale


def face_sheet(analysis: Analysis, number: int) -> Picture:
    """(TILE, 6 TILE, 3): the crop with box and 68 points, 468 points, parts, mask, mean face posed, first shape."""
    photo, face, pose, mask, model = analysis.photo, analysis.face, analysis.pose, analysis.mask, analysis.model
    crop = Crop.around(face.landmarks468[:, :2], TILE, SHEET_MARGIN)
    picture = crop.read(photo.pixels)
    skin = crop.read(
        np.repeat((mask.over_photo("skin", photo.pixels.shape[:2])[..., None] * 255).astype(np.uint8), 3, 2)
    )
    covered = picture * skin + HIDDEN * (1 - skin)
    camera = crop_camera(pose.camera(), crop)
    zeros = np.zeros_like(pose.identity), np.zeros_like(pose.expression)
    tiles = [
        _points(picture, crop, face.landmarks68, SPARSE, 2.6, box=face.box),
        _points(picture, crop, face.landmarks468, DENSE, 1.3),
        _bytes(in_colours(picture, analysis.parting.inside(crop))),
        _bytes(covered),
        _bytes(_posed(picture, model, *zeros, camera)),
        _bytes(_posed(picture, model, pose.identity, pose.expression, camera)),
    ]
    yaw, pitch, roll = pose.angles
    texts = [
        f"face {number}: box, 68 landmarks",
        "468 landmarks",
        "",
        "bare skin",
        f"mean face: yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f}",
        f"first shape: {pose.verdict}, {pose.median_percent:.1f} %",
    ]
    sheet = Image.fromarray(np.concatenate(tiles, 1))
    draw = ImageDraw.Draw(sheet)
    for index, text in enumerate(texts):
        if text:
            _label(draw, (index * TILE + 8, TILE - 8), text, 17.0)
    _legend(draw, (2 * TILE + 8, TILE - 8))
    return np.asarray(sheet)


def _points(
    picture: NDArray[np.float32],
    crop: Crop,
    points: NDArray[np.floating],
    colour: tuple[int, int, int],
    radius: float,
    box: tuple[float, float, float, float] | None = None,
) -> Picture:
    """Dots with a dark rim, so that they show on any skin."""
    large = Image.fromarray(_bytes(picture)).resize((crop.size * SMOOTH, crop.size * SMOOTH), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(large)
    if box is not None:
        corners = crop.inside(np.array(box).reshape(2, 2)) * SMOOTH
        draw.rectangle([tuple(corner) for corner in corners], outline=INK, width=2 * SMOOTH)
    for reach, fill in ((radius + 1.0, PAPER), (radius, colour)):
        for x, y in crop.inside(points) * SMOOTH:
            draw.ellipse((x - reach * SMOOTH, y - reach * SMOOTH, x + reach * SMOOTH, y + reach * SMOOTH), fill=fill)
    return np.asarray(large.resize((crop.size, crop.size), Image.Resampling.BOX))


@torch.no_grad()
def _posed(
    picture: NDArray[np.float32],
    model: MorphableModel,
    identity: NDArray[np.float64],
    expression: NDArray[np.float64],
    camera: Camera,
) -> NDArray[np.float32]:
    """A translucent clay face over the photo."""
    like = model.mean
    vertices = model.vertices(torch.as_tensor(identity).to(like)[None], torch.as_tensor(expression).to(like)[None])
    maps = {name: Maps.plain(*colour, like=like) for name, colour in CLAY_COLOURS.items()}
    rendering = Renderer(model.topology).to(like.device)(vertices, maps, camera, like.new_tensor([CLAY_LIGHT]))
    alpha = 0.72 * rendering.alpha[0].permute(1, 2, 0).cpu().numpy()
    colour = to_srgb(rendering.image / rendering.alpha.clamp(min=1e-3))[0].permute(1, 2, 0).cpu().numpy()
    return picture * (1 - alpha) + colour * alpha


def _legend(draw: ImageDraw.ImageDraw, at: tuple[float, float]) -> None:
    """The parts' names in their colours on a dark plate, above a point."""
    font, gap, (x, y) = ImageFont.load_default(17.0), 10.0, at
    widths = [draw.textlength(part, font) for part in PART_COLOURS]
    draw.rectangle((x, y - 26, x + sum(widths) + gap * (len(widths) + 1), y), fill=PAPER)
    for (part, colour), width in zip(PART_COLOURS.items(), widths, strict=True):
        x += gap
        draw.text((x, y - 8), part, font=font, fill=colour, anchor="ls")
        x += width


def _label(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: float) -> None:
    """Text on a dark plate above a point."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = size * 0.3
    x, y = max(at[0], 0.0), at[1] - (bottom - top) - 2 * pad
    draw.rectangle((x, y, x + right - left + 2 * pad, y + bottom - top + 2 * pad), fill=PAPER)
    draw.text((x + pad - left, y + pad - top), text, font=font, fill=INK)


def _number(draw: ImageDraw.ImageDraw, box: tuple[float, ...], text: str, size: float, height: int) -> None:
    """An outlined number above its box, or below it where there is no room, or else in its upper corner."""
    font, edge = ImageFont.load_default(size), max(1, round(size / 10))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font, stroke_width=edge)
    x0, y0, x1, y1 = box
    x, y = max((x0 + x1 - right + left) / 2, 0.0), y0 - (bottom - top)
    if y < 0:
        below = y1 + bottom - top <= height
        x, y = (x, y1) if below else (max(x0, 0.0), max(y0, 0.0))
    draw.text((x - left, y - top), text, font=font, fill=INK, stroke_width=edge, stroke_fill=PAPER)


def _bytes(picture: NDArray[np.floating]) -> Picture:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
