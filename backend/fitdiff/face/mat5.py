"""List a MATLAB v5 file's variables and count their contents without building any array.

scipy reads such files by recursion in C and allocates whatever they claim. So the tree is walked here first and its depth,
elements and numbers counted; only a file that passes is given to scipy.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Collection
from typing import BinaryIO, Protocol

MOST_VARIABLES = 10_000
MOST_ELEMENTS = 10_000  # matrices in matrices, of all variables together
MOST_DEPTH = 16
MOST_NAME = 4096  # bytes of a variable's name; MATLAB allows 63
MOST_FIELD_NAMES = 1 << 16  # bytes

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION = 1, 2, 3, 4, 5, 16
_NUMERIC = range(6, 16)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}  # bytes of one number
_PIECE = 1 << 20


class TooMuch(Exception):
    """A count went over its limit; the text says which."""


class _Stream(Protocol):
    def read(self, count: int) -> bytes: ...
    def skip(self, count: int) -> None: ...


class _Plain:
    """The next `left` bytes of a file, as a stream."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.left = file, size

    def read(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError("an element is longer than what holds it")
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError("the file ends within an element")
        self.left -= count
        return data

    def skip(self, count: int) -> None:
        if count > self.left:
            raise ValueError("an element is longer than what holds it")
        self._file.seek(count, os.SEEK_CUR)
        self.left -= count


class _Inflated:
    """The inflated contents of the next bytes of a file, as a stream, in small pieces."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._source, self._inflater, self._packed = _Plain(file, size), zlib.decompressobj(), b""

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self._some(count - len(data))
        return data

    def skip(self, count: int) -> None:
        while count:
            count -= len(self._some(min(count, _PIECE)))

    def _some(self, most: int) -> bytes:
        while True:
            piece = self._inflater.decompress(self._packed, most)
            self._packed = self._inflater.unconsumed_tail
            if piece:
                return piece
            if self._inflater.eof or (not self._packed and not self._source.left):
                raise ValueError("an element is longer than what was packed")
            if not self._packed:
                self._packed = self._source.read(min(self._source.left, _PIECE >> 4))


def variables(file: BinaryIO, wanted: Collection[str], most_numbers: int) -> list[str]:
    """Names of the file's variables that are in `wanted`; their contents have been counted.

    Raises TooMuch where they are too deep or too large, ValueError where the file is damaged or not v5.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = file.read(_HEADER)
    if len(header) < _HEADER or 0 in header[:4] or header[126:128] not in (b"IM", b"MI"):
        raise ValueError("no header of MATLAB v5")
    walk = _Walk("<" if header[126:128] == b"IM" else ">", most_numbers)
    found: list[str] = []
    position = _HEADER
    for _ in range(MOST_VARIABLES):
        if position >= size:
            return found
        file.seek(position)
        kind, length = walk.full_tag(_Plain(file, size - position))
        if length > size - position - 8:
            raise ValueError("the file ends within a variable")
        stream: _Stream = (_Inflated if kind == _COMPRESSED else _Plain)(file, length)
        if kind == _COMPRESSED:
            kind, _ = walk.full_tag(stream)
        if kind != _MATRIX:
            raise ValueError(f"a variable of type {kind}")
        name = walk.variable(stream, wanted)
        if name is not None:
            found.append(name)
        position += 8 + length
    raise TooMuch(f"more than {MOST_VARIABLES} variables")


class _Walk:
    """Goes through elements in the order in which scipy would read them."""

    def __init__(self, order: str, most_numbers: int) -> None:
        self._order, self._numbers_left, self._elements_left = order, most_numbers, MOST_ELEMENTS

    def full_tag(self, stream: _Stream) -> tuple[int, int]:
        kind, size = struct.unpack(self._order + "II", stream.read(8))
        return kind, size

    def variable(self, stream: _Stream, wanted: Collection[str]) -> str | None:
        """The name of a wanted variable, its whole tree counted; None for others, of which only the name is read."""
        held, dims = self._header(stream)
        name = self._bytes(stream, MOST_NAME).decode("latin-1")
        if name not in wanted:
            return None
        self._content(stream, held, dims, 0)
        return name

    def _matrix(self, stream: _Stream, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise TooMuch(f"more than {MOST_DEPTH} matrices in one another")
        kind, size = self.full_tag(stream)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} for a matrix")
        if size == 0:
            return
        held, dims = self._header(stream)
        self._bytes(stream, MOST_NAME)
        self._content(stream, held, dims, depth)

    def _header(self, stream: _Stream) -> tuple[int, list[int]]:
        """(class, with 256 for complex numbers; dimensions)"""
        stream.skip(8)
        flags = struct.unpack(self._order + "II", stream.read(8))[0]
        held = (flags & 0xFF) + (256 if flags >> 11 & 1 else 0)
        if held & 0xFF not in (_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, *_NUMERIC):
            return held, []  # MATLAB's own objects, whose headers end here
        packed = self._bytes(stream, 4 * 32)
        dims = list(struct.unpack(f"{self._order}{len(packed) // 4}i", packed[: len(packed) // 4 * 4]))
        if any(length < 0 for length in dims):
            raise ValueError(f"dimensions {dims}")
        return held, dims

    def _content(self, stream: _Stream, held: int, dims: list[int], depth: int) -> None:
        parts, held = (2 if held & 256 else 1), held & 0xFF
        if held in _NUMERIC:
            for _ in range(parts):
                self._numbers(stream)
        elif held == _CHAR:
            self._numbers(stream)
        elif held == _SPARSE:
            for _ in range(2 + parts):
                self._numbers(stream)
        elif held == _CELL:
            self._matrices(stream, math.prod(dims), depth)
        elif held in (_STRUCT, _OBJECT):
            if held == _OBJECT:
                self._bytes(stream, MOST_NAME)
            self._matrices(stream, math.prod(dims) * self._field_count(stream), depth)
        elif held == _FUNCTION:
            self._matrices(stream, 1, depth)
        else:
            raise ValueError(f"a matrix of class {held}")

    def _matrices(self, stream: _Stream, count: int, depth: int) -> None:
        self._elements_left -= count
        if self._elements_left < 0:
            raise TooMuch(f"more than {MOST_ELEMENTS} matrices in others")
        for _ in range(count):
            self._matrix(stream, depth + 1)

    def _field_count(self, stream: _Stream) -> int:
        packed = self._bytes(stream, 4)
        width = struct.unpack(self._order + "i", packed)[0] if len(packed) == 4 else 0
        if width < 1:
            raise ValueError(f"names of {width} bytes")
        return len(self._bytes(stream, MOST_FIELD_NAMES)) // int(width)

    def _numbers(self, stream: _Stream) -> None:
        """Count an element's numbers and skip them."""
        kind, size, data = self._tag(stream)
        self._numbers_left -= size // _SIZES.get(kind, 1)
        if self._numbers_left < 0:
            raise TooMuch("more numbers than any face model has")
        if data is None:
            stream.skip(size)
            self._pad(stream, size)

    def _bytes(self, stream: _Stream, most: int) -> bytes:
        _, size, data = self._tag(stream)
        if data is not None:
            return data
        if size > most:
            raise TooMuch(f"{size} bytes where {most} are usual")
        data = stream.read(size)
        self._pad(stream, size)
        return data

    def _tag(self, stream: _Stream) -> tuple[int, int, bytes | None]:
        """(type, bytes, the data itself where it is small enough to lie within the tag)"""
        first = struct.unpack(self._order + "I", stream.read(4))[0]
        if first >> 16:
            size = first >> 16
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
            return first & 0xFFFF, size, stream.read(4)[:size]
        return first, struct.unpack(self._order + "I", stream.read(4))[0], None

    def _pad(self, stream: _Stream, size: int) -> None:
        stream.skip(-size % 8)
