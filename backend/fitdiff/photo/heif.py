"""Count the pixels that decoding a HEIC costs, from its boxes: a picture may use one small tile a thousand times.

The decoder refuses tiles larger than stated, so the stated sizes can be relied on.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_BOXES = 20_000  # of one file; a tile has some five
MOST_DEPTH = 8  # of pictures made of pictures

_Box = tuple[bytes, int, int]
"""Its kind, and where its content starts and ends."""


class TooManyBoxes(Exception):
    """More boxes, or pictures within pictures, than any photo has."""


def decoded_pixels(data: bytes) -> int:
    """Pixels of all tiles of the main picture and of its opacity, each as often as it is used. Raises TooManyBoxes.

    Where the boxes make no sense it counts those found: the decoder will not read such a file either.
    """
    walk = _Walk(data)
    for kind, start, end in walk.boxes(0, len(data)):
        if kind == b"meta":
            return walk.meta(start + 4, end)
    return 0


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data, self._left = data, MOST_BOXES
        self._parts: dict[int, list[int]] = {}  # item -> items that it is put together from
        self._added: dict[int, list[int]] = {}  # item -> items that give its opacity or depth
        self._areas: dict[int, int] = {}
        self._costs: dict[int, int] = {}

    def boxes(self, start: int, end: int) -> Iterator[_Box]:
        while start + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise TooManyBoxes
            size, kind, body = self._number(start, 4), self._data[start + 4 : start + 8], start + 8
            if size == 1:
                size, body = self._number(body, 8), body + 8
            stop = end if size == 0 else min(start + size, end)
            if stop < body:
                return
            yield kind, body, stop
            start = stop

    def meta(self, start: int, end: int) -> int:
        main = 0
        for kind, body, stop in self.boxes(start, end):
            if kind == b"pitm":
                main = self._number(body + 4, 4 if self._number(body, 1) else 2)
            elif kind == b"iref":
                self._references(body, stop)
            elif kind == b"iprp":
                self._properties(body, stop)
        return sum(self._cost(item, 0) for item in (main, *self._added.get(main, ())))

    def _cost(self, item: int, depth: int) -> int:
        if depth > MOST_DEPTH:
            raise TooManyBoxes
        if item not in self._costs:
            parts = self._parts.get(item)
            whole = self._areas.get(item, 0)
            self._costs[item] = sum(self._cost(part, depth + 1) for part in parts) if parts else whole
        return self._costs[item]

    def _references(self, start: int, end: int) -> None:
        width = 4 if self._number(start, 1) else 2
        for kind, body, stop in self.boxes(start + 4, end):
            source, at = self._number(body, width), body + width + 2
            count = min(self._number(body + width, 2), (stop - at) // width)
            targets = [self._number(at + width * i, width) for i in range(count)]
            if kind == b"dimg":
                self._parts.setdefault(source, []).extend(targets)
            elif kind == b"auxl":
                for target in targets:
                    self._added.setdefault(target, []).append(source)

    def _properties(self, start: int, end: int) -> None:
        areas: list[int] = []  # by the property's number, which counts from 1
        for kind, body, stop in self.boxes(start, end):
            if kind == b"ipco":
                for inner, at, _ in self.boxes(body, stop):
                    areas.append(self._number(at + 4, 4) * self._number(at + 8, 4) if inner == b"ispe" else 0)
            elif kind == b"ipma":
                self._associations(body, stop, areas)

    def _associations(self, start: int, end: int, areas: list[int]) -> None:
        width, wide = (4 if self._number(start, 1) else 2), self._data[start + 3 : start + 4] == b"\1"
        at = start + 8
        while at + width < end:
            self._left -= 1
            if self._left < 0:
                raise TooManyBoxes
            item, count = self._number(at, width), self._number(at + width, 1)
            at += width + 1
            for _ in range(count):
                number = self._number(at, 2) & 0x7FFF if wide else self._number(at, 1) & 0x7F
                at += 2 if wide else 1
                if 0 < number <= len(areas):
                    self._areas[item] = max(self._areas.get(item, 0), areas[number - 1])

    def _number(self, at: int, size: int) -> int:
        """Big-endian; 0 where the data ends before it."""
        held = self._data[at : at + size]
        return int.from_bytes(held, "big") if len(held) == size else 0
