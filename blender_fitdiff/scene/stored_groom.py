"""Reads a head's groom back from the scene, as the artist has combed, cut and coloured it."""

from __future__ import annotations

import bpy
import numpy as np

from .groom import is_groom
from .groom_arrays import GroomArrays
from .groom_rules import KINDS
from .heads import Head
from .mesh import from_blender
from .modifier_inputs import find_input, read_input

INPUTS = ("Length", "Density", "Clump", "Frizz", "Curl", "Melanin", "Redness", "Grey")  # of the strands' modifier
RADIUS = np.array([4e-5, 1.5e-5], np.float32)  # metres; cards have no use for it


def groom_on(head: Head) -> GroomArrays | None:
    """Of the hair and the beard that are shown; None where none is made from guides."""
    shown = [
        (thing, kind)
        for thing, kind in ((head.hair, "scalp"), (head.beard, "beard"))
        if thing is not None and is_groom(thing) and thing.visible_get() and len(thing.data.curves)
    ]
    if not shown:
        return None
    parts = [_part(thing, KINDS.index(kind)) for thing, kind in shown]
    tinted = shown[0][0]
    most = max(len(points) for part in parts for points in part["points"])
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "points"}
    joined = {
        name: values.astype(np.float32) if values.dtype.kind == "f" else values for name, values in joined.items()
    }
    points = np.stack([_evenly(points, most) for part in parts for points in part["points"]]).astype(np.float32)
    return GroomArrays(points=points, tint=_tint(tinted), radius=RADIUS, **joined)


def _part(thing: bpy.types.Object, kind: int) -> dict[str, np.ndarray]:
    """The arrays of one object's guides; `points` is a list, as guides may have been cut to different numbers."""
    data = thing.data
    count = len(data.curves)
    ends = np.cumsum([len(curve.points) for curve in data.curves])[:-1]
    position = from_blender(_read(data, "position", 3, "vector", len(data.points)))
    one = {
        name: _read(data, name, 1, "value", count)[:, 0]
        for name in (
            "side", "strands", "clump", "frizz", "grey", "curl_radius", "curl_turn", "melanin", "melanin_tip", "redness",
            "redness_tip",
        )
    }  # fmt: skip
    numbers = {name: _number(thing, name) for name in INPUTS}
    length, density, clump, frizz, curl = (numbers[name][0] for name in INPUTS[:5])
    melanin, redness, grey = (numbers[name] for name in INPUTS[5:])
    darker = _amount(np.array(melanin[0])) / np.maximum(_amount(np.array(melanin[1])), 1e-4)
    return {
        "points": [_cut(points, length) for points in np.split(position, ends)],
        "uv": _read(data, "surface_uv_coordinate", 2, "vector", count),
        "kind": np.full(count, kind, np.uint8),
        "side": one["side"].astype(np.uint8),
        "strands": np.rint(one["strands"] * density).clip(0, 65535).astype(np.uint16),
        "clump": np.clip(one["clump"] * clump, 0, 1),
        "frizz": one["frizz"] * frizz,
        "curl": np.stack([one["curl_radius"] * curl, one["curl_turn"]], 1),
        "melanin": 1 - np.exp(-darker * _amount(np.stack([one["melanin"], one["melanin_tip"]], 1))),
        "redness": (np.stack([one["redness"], one["redness_tip"]], 1) + redness[0] - redness[1]).clip(0, 1),
        "grey": (one["grey"] + grey[0] - grey[1]).clip(0, 1),
    }


def _read(data: bpy.types.Curves, name: str, width: int, field: str, count: int) -> np.ndarray:
    """(count, width) float32; zeros where an artist's tool has dropped the attribute."""
    values = np.zeros(count * width, np.float32)
    attribute = data.attributes.get(name)
    if attribute is not None and len(attribute.data) == count:
        if attribute.data_type in ("INT", "INT8"):
            whole = np.zeros(count, np.int32)
            attribute.data.foreach_get(field, whole)
            values[:] = whole
        else:
            attribute.data.foreach_get(field, values)
    return values.reshape(count, width)


def _number(thing: bpy.types.Object, name: str) -> tuple[float, float]:
    """What an input of the strands' modifier is set to, and what it was when the groom was imported."""
    for modifier in thing.modifiers:
        identifier = find_input(modifier, name)
        if identifier is not None:
            start = float(modifier.node_group.interface.items_tree[name].default_value)
            value = read_input(modifier, identifier)
            return start if value is None else value, start
    return 1.0, 1.0  # the artist has removed the modifier


def _tint(thing: bpy.types.Object) -> np.ndarray:
    """(3,) linear; the modifier keeps it in the file's working space, which differs little."""
    for modifier in thing.modifiers:
        identifier = find_input(modifier, "Tint")
        if identifier is not None:
            if hasattr(modifier, "properties"):
                value = getattr(modifier.properties.inputs, identifier).value
            else:
                value = modifier.get(identifier, modifier.node_group.interface.items_tree["Tint"].default_value)
            return np.array(value[:3], np.float32)
    return np.ones(3, np.float32)


def _amount(melanin: np.ndarray) -> np.ndarray:
    """Blender's melanin, 0 to 1 -> how much pigment."""
    return -np.log(np.maximum(1 - melanin, 1e-4))


def _cut(points: np.ndarray, length: float) -> np.ndarray:
    """(P, 3) -> (P, 3): a share of the guide's length, or stretched from the root where it is above 1."""
    if length > 1:
        return points[:1] + length * (points - points[:1])
    return _at(points, length * np.linspace(0, 1, len(points)))


def _evenly(points: np.ndarray, count: int) -> np.ndarray:
    return points if len(points) == count else _at(points, np.linspace(0, 1, count))


def _at(points: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(P, 3) at places from 0 to 1 -> (N, 3)."""
    places = np.linspace(0, 1, len(points))
    return np.stack([np.interp(along, places, points[:, axis]) for axis in range(3)], 1)
