"""Writes geometry-node groups as sums are written: each call adds a node and gives its output back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bpy

Value = Any  # a node's output, or a constant for an input
COLUMN, ROW, ROWS = 190, 190, 8  # units between nodes, and how many stand in a column
TYPES = {"FLOAT": "FLOAT", "INT": "INT", "VECTOR": "FLOAT_VECTOR", "COLOUR": "FLOAT_COLOR"}


class NodeGraph:
    """A modifier's node group with the inputs that are named; `inputs` are their outputs in the group."""

    def __init__(self, name: str, numbers: Mapping[str, tuple[str, Any, Any, Any]]) -> None:
        """numbers: by name the socket's type (Float, Int, Bool, Color), default, least and most."""
        self.tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
        self.tree.is_modifier = True
        new = self.tree.interface.new_socket
        new("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
        new("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
        for title, (kind, value, least, most) in numbers.items():
            socket = new(title, in_out="INPUT", socket_type=f"NodeSocket{kind}")
            socket.default_value = value
            if least is not None:
                socket.min_value, socket.max_value = least, most
        given = self.node("NodeGroupInput")
        self.geometry = given.outputs["Geometry"]
        self.inputs = {title: given.outputs[title] for title in numbers}

    def node(self, kind: str, *values: Value, **settings: Any) -> bpy.types.Node:
        """values: for the inputs that are enabled, in order; None leaves one as it is."""
        node = self.tree.nodes.new(kind)
        place = len(self.tree.nodes)
        node.location = (COLUMN * (place // ROWS), -ROW * (place % ROWS))
        for setting, value in settings.items():
            setattr(node, setting, value)
        for socket, value in zip([socket for socket in node.inputs if socket.enabled], values, strict=False):
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            elif value is not None:
                socket.default_value = value
        return node

    def output(self, geometry: Value) -> bpy.types.NodeTree:
        self.node("NodeGroupOutput", geometry)
        return self.tree

    def math(self, operation: str, *values: Value) -> Value:
        return self.node("ShaderNodeMath", *values, operation=operation).outputs[0]

    def add(self, *values: Value) -> Value:
        return self._chain("ADD", values)

    def times(self, *values: Value) -> Value:
        return self._chain("MULTIPLY", values)

    def minus(self, a: Value, b: Value) -> Value:
        return self.math("SUBTRACT", a, b)

    def over(self, a: Value, b: Value) -> Value:
        return self.math("DIVIDE", a, b)

    def between(self, a: Value, b: Value, share: Value) -> Value:
        return self.math("MULTIPLY_ADD", self.minus(b, a), share, a)

    def _chain(self, operation: str, values: Sequence[Value]) -> Value:
        total = values[0]
        for value in values[1:]:
            total = self.math(operation, total, value)
        return total

    def vector(self, operation: str, *values: Value) -> Value:
        node = self.node("ShaderNodeVectorMath", *values, operation=operation)
        return node.outputs["Value" if operation in ("LENGTH", "DISTANCE") else "Vector"]

    def scaled(self, vector: Value, factor: Value) -> Value:
        return self.vector("SCALE", vector, factor)

    def named(self, name: str, kind: str = "FLOAT") -> Value:
        return self.node("GeometryNodeInputNamedAttribute", name, data_type=TYPES[kind]).outputs["Attribute"]

    def store(self, geometry: Value, name: str, value: Value, kind: str = "FLOAT", domain: str = "CURVE") -> Value:
        """Keeps `value` as an attribute; what comes out is the geometry."""
        settings = {"data_type": TYPES[kind], "domain": domain}
        return self.node("GeometryNodeStoreNamedAttribute", geometry, None, name, value, **settings).outputs[0]

    def sample(self, geometry: Value, value: Value, index: Value, kind: str = "FLOAT", domain: str = "CURVE") -> Value:
        settings = {"data_type": TYPES[kind], "domain": domain}
        return self.node("GeometryNodeSampleIndex", geometry, value, index, **settings).outputs[0]

    def at(self, value: Value, index: Value, kind: str = "VECTOR") -> Value:
        """`value` at another point of the same geometry."""
        node = self.node("GeometryNodeFieldAtIndex", data_type=TYPES[kind], domain="POINT")
        for name, given in (("Value", value), ("Index", index)):  # their order changed in 5.3
            self.tree.links.new(given, next(socket for socket in node.inputs if socket.enabled and socket.name == name))
        return node.outputs[0]

    def random(self, identity: Value, seed: Value) -> Value:
        node = self.node("FunctionNodeRandomValue", 0.0, 1.0, identity, seed, data_type="FLOAT")
        return next(socket for socket in node.outputs if socket.enabled)

    def random_vector(self, identity: Value, seed: Value) -> Value:
        node = self.node("FunctionNodeRandomValue", None, None, identity, seed, data_type="FLOAT_VECTOR")
        return next(socket for socket in node.outputs if socket.enabled)

    def parts(self, vector: Value) -> tuple[Value, Value, Value]:
        x, y, z = self.node("ShaderNodeSeparateXYZ", vector).outputs
        return x, y, z
