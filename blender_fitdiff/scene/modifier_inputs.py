"""The inputs that a geometry-nodes modifier shows to the artist, read and written alike in Blender 4.2 to 5.3."""

from __future__ import annotations

import bpy


def read_input(modifier: bpy.types.Modifier, identifier: str) -> float | None:
    """The value of the input with this socket identifier; None where the modifier keeps none."""
    if not hasattr(modifier, "properties"):  # before 5.2 they are custom properties of the modifier
        value = modifier.get(identifier)
    else:
        value = getattr(getattr(modifier.properties.inputs, identifier, None), "value", None)
    return None if value is None else float(value)


def write_input(modifier: bpy.types.Modifier, identifier: str, value: float) -> None:
    """Set the input with this socket identifier; the caller tags the object for an update."""
    if not hasattr(modifier, "properties"):
        modifier[identifier] = value
    else:
        getattr(modifier.properties.inputs, identifier).value = value


def find_input(modifier: bpy.types.Modifier, name: str) -> str | None:
    """The identifier of the input that is called `name`; None where the modifier's node group has no such input."""
    if modifier.type != "NODES" or modifier.node_group is None:
        return None
    for item in modifier.node_group.interface.items_tree:
        if item.item_type == "SOCKET" and item.in_out == "INPUT" and item.name == name:
            return str(item.identifier)
    return None
