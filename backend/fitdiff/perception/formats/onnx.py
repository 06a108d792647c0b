"""Reads the nodes and initialisers of an ONNX file, without the onnx package: a file is one protobuf message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) pairs of one message; nested messages and strings come as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"not an ONNX file: wire type {wire}")
        yield number, data[at : at + size]
        at += size


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("not an ONNX file: a number where a message should be")
    return value


@dataclass(frozen=True)
class Node:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    initialisers: dict[str, NDArray]


def _tensor(data: bytes) -> tuple[str, NDArray]:
    shape: list[int] = []
    dtype, name, raw = 1, "", b""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            shape.append(value)
        elif number == 1:  # packed
            packed, at = _bytes(value), 0
            while at < len(packed):
                size, at = _varint(packed, at)
                shape.append(size)
        elif number == 2 and isinstance(value, int):
            dtype = value
        elif number == 8:
            name = _bytes(value).decode()
        elif number in (4, 9):  # packed floats, or raw bytes
            raw = raw + _bytes(value)
    return name, np.frombuffer(raw, _DTYPES[dtype]).reshape(shape)


def read(data: bytes) -> Graph:
    graph = next(_bytes(value) for number, value in _fields(data) if number == 7)
    nodes: list[Node] = []
    initialisers: dict[str, NDArray] = {}
    for number, value in _fields(graph):
        if number == 1:
            parts: dict[int, list[str]] = {1: [], 2: [], 4: []}
            for part, text in _fields(_bytes(value)):
                if part in parts:
                    parts[part].append(_bytes(text).decode())
            nodes.append(Node(parts[4][0], tuple(parts[1]), tuple(parts[2])))
        elif number == 5:
            name, array = _tensor(_bytes(value))
            initialisers[name] = array
    return Graph(tuple(nodes), initialisers)


def weights(graph: Graph) -> list[NDArray]:
    """Weights of Conv and PRelu nodes in node order: kernel, bias, slope, kernel, ..."""
    arrays: list[NDArray] = []
    for node in graph.nodes:
        held = [graph.initialisers[name] for name in node.inputs if name in graph.initialisers]
        if node.kind == "Conv":
            arrays += held
        elif node.kind == "PRelu":
            arrays.append(held[0].reshape(-1))
    return arrays
