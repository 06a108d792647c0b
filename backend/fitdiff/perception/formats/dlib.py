"""Reads the learned layers of a dlib network file (.dat) in the order of the forward pass.

dlib writes every layer's name before its parameters. Integers are a control byte (low bits: how many bytes follow,
top bit: sign) and little-endian bytes; tensors are four integers for the size and little-endian floats.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

# Length and name, as dlib's string serialisation writes them: convolution, affine (a folded batch norm), dense.
_LAYER = re.compile(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2")


def _integer(data: bytes, at: int) -> tuple[int, int]:
    control = data[at]
    size = control & 0x0F
    value = int.from_bytes(data[at + 1 : at + 1 + size], "little")
    return (-value if control & 0x80 else value), at + 1 + size


def _tensor(data: bytes, at: int) -> tuple[NDArray, int]:
    version, at = _integer(data, at)
    if version != 2:
        raise ValueError(f"dlib tensor of version {version}, expected 2")
    shape = []
    for _ in range(4):
        size, at = _integer(data, at)
        shape.append(size)
    count = int(np.prod(shape))
    return np.frombuffer(data, "<f4", count, at).reshape(shape), at + 4 * count


def weights(data: bytes) -> list[NDArray]:
    """Flat float32 parameters per learned layer: kernels then biases, gammas then betas, the dense matrix (in, out)."""
    arrays: list[NDArray] = []
    at = 0
    while match := _LAYER.search(data, at):
        at = match.end()
        if match.group().endswith(b"fc_2"):
            for _ in range(2):  # outputs, inputs
                _, at = _integer(data, at)
        array, at = _tensor(data, at)
        arrays.append(array.squeeze())
    return arrays
