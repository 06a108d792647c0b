"""Reads the weights of a TensorFlow Lite file in the order of its operators, without TensorFlow.

A .tflite file is a FlatBuffer: tables whose fields are found through a small offset table. Only the few fields that
lead to constant weights are followed. Field numbers are those of the published schema.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, MUL, PRELU = 3, 4, 6, 18, 54
_DTYPES = {0: "<f4", 1: "<f2", 2: "<i4"}


class _Table:
    """One FlatBuffer table; field(i) is the absolute position of its i-th field or 0 where the file leaves it out."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position
        self.vtable = position - struct.unpack_from("<i", data, position)[0]
        self.vtable_size = struct.unpack_from("<H", data, self.vtable)[0]

    def field(self, index: int) -> int:
        slot = 4 + 2 * index
        if slot >= self.vtable_size:
            return 0
        offset = struct.unpack_from("<H", self.data, self.vtable + slot)[0]
        return self.position + offset if offset else 0

    def number(self, index: int, kind: str, default: int = 0) -> int:
        at = self.field(index)
        return struct.unpack_from("<" + kind, self.data, at)[0] if at else default

    def vector(self, index: int) -> tuple[int, int]:
        """Position of the first element and the count."""
        at = self.field(index)
        if not at:
            return 0, 0
        start = at + struct.unpack_from("<I", self.data, at)[0]
        return start + 4, struct.unpack_from("<I", self.data, start)[0]

    def integers(self, index: int) -> list[int]:
        start, count = self.vector(index)
        return list(struct.unpack_from(f"<{count}i", self.data, start)) if count else []

    def tables(self, index: int) -> list[_Table]:
        start, count = self.vector(index)
        places = (start + 4 * i for i in range(count))
        return [_Table(self.data, at + struct.unpack_from("<I", self.data, at)[0]) for at in places]


@dataclass(frozen=True)
class Operator:
    """One step of the graph: builtin code, tensor numbers in and out, and the constants among its inputs."""

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[NDArray, ...]


@dataclass(frozen=True)
class Graph:
    operators: tuple[Operator, ...]
    outputs: tuple[int, ...]

    def feeding(self, tensor: int) -> set[int]:
        """Numbers of the operators that this tensor depends on."""
        wanted, found = {tensor}, set()
        for number in range(len(self.operators) - 1, -1, -1):
            operator = self.operators[number]
            if wanted.intersection(operator.outputs):
                found.add(number)
                wanted.update(operator.inputs)
        return found


def read(data: bytes) -> Graph:
    """The graph of the first subgraph; half-precision constants are followed through their DEQUANTIZE steps."""
    model = _Table(data, struct.unpack_from("<I", data, 0)[0])
    codes = [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
    buffers = model.tables(4)
    subgraph = model.tables(2)[0]

    constants: dict[int, NDArray] = {}
    for number, tensor in enumerate(subgraph.tables(0)):
        start, size = buffers[tensor.number(2, "I")].vector(0)
        dtype = _DTYPES.get(tensor.number(1, "b"))
        if size and dtype:
            array = np.frombuffer(data, dtype, size // np.dtype(dtype).itemsize, start)
            constants[number] = array.reshape(tensor.integers(0))

    operators = []
    for table in subgraph.tables(3):
        code, inputs, outputs = codes[table.number(0, "I")], table.integers(1), table.integers(2)
        if code == DEQUANTIZE and inputs[0] in constants:
            constants[outputs[0]] = constants[inputs[0]]
            continue
        held = tuple(constants[i] for i in inputs if i in constants)
        operators.append(Operator(code, tuple(inputs), tuple(outputs), held))
    return Graph(tuple(operators), tuple(subgraph.integers(2)))


def weights(operators: list[Operator]) -> list[NDArray]:
    """Weights of convolutions and PReLUs in torch's layout, in operator order: kernel, bias, slope, kernel, ..."""
    arrays: list[NDArray] = []
    for operator in operators:
        if operator.code == CONV_2D:  # out, height, width, in
            arrays += [operator.constants[0].transpose(0, 3, 1, 2), operator.constants[1]]
        elif operator.code == DEPTHWISE_CONV_2D:  # 1, height, width, channels
            arrays += [operator.constants[0].transpose(3, 0, 1, 2), operator.constants[1]]
        elif operator.code == PRELU:
            arrays.append(operator.constants[0].reshape(-1))
    return arrays
