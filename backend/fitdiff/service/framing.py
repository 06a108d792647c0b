"""Split a byte stream into messages and back: `Content-Length: N`, an empty line, then N bytes, as language servers do.

backend/fitdiff/service and blender_fitdiff/backend hold identical copies (a test compares them), since neither may import
the other. Standard library only, without input or output: bytes in, bodies and faults out, however the bytes were cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REQUEST_LIMIT = 1 << 16  # bytes of one message to the service, a pipe's capacity
REPLY_LIMIT = 1 << 24  # bytes of one message from it
HEADER_LIMIT = 512  # bytes of a message's header
SKIP_LIMIT = 1 << 28  # bytes: longer messages than the limit are skipped up to this; beyond, the length is garbage

_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9-]*): *([^\r\n]*)\r\n")
_LENGTH = b"Content-Length:"


@dataclass(frozen=True)
class Fault:
    """An error of the stream, in place of a message. The decoder continues at the next header that it can read."""

    code: str  # frame-garbage, frame-length, frame-too-large or frame-cut
    sentence: str


def encode(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Decoder:
    """Takes bytes in any pieces. A run of garbage is one fault, however long, and is not kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._body: int | None = None  # length of the body that comes next, once its header has been read
        self._skip = 0  # bytes still to pass over
        self._lost = False  # looking for the next header

    def feed(self, data: bytes) -> list[bytes | Fault]:
        self._buffer += data
        found: list[bytes | Fault] = []
        while self._step(found):
            pass
        return found

    def end(self) -> list[bytes | Fault]:
        """Call at the stream's end: a fault if that is inside a message."""
        cut = self._body is not None or self._skip or (self._buffer and not self._lost)
        return [Fault("frame-cut", "The stream ended in the middle of a message.")] if cut else []

    def _step(self, found: list[bytes | Fault]) -> bool:
        """Take one message or fault off the buffer; False when more bytes are needed."""
        if self._skip:
            return self._pass_over()
        if self._body is not None:
            return self._take_body(found)
        if self._lost and not self._find_header():
            return False
        return self._take_header(found)

    def _pass_over(self) -> bool:
        passed = min(self._skip, len(self._buffer))
        del self._buffer[:passed]
        self._skip -= passed
        return not self._skip

    def _take_body(self, found: list[bytes | Fault]) -> bool:
        assert self._body is not None
        if len(self._buffer) < self._body:
            return False
        found.append(bytes(self._buffer[: self._body]))
        del self._buffer[: self._body]
        self._body = None
        return True

    def _find_header(self) -> bool:
        start = self._buffer.find(_LENGTH)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(_LENGTH) + 1)]
            return False
        del self._buffer[:start]
        return True

    def _take_header(self, found: list[bytes | Fault]) -> bool:
        """Line by line, so that garbage is recognised at the end of its first line."""
        place, lengths = 0, []
        while True:
            end = self._buffer.find(b"\n", place, HEADER_LIMIT)
            if end < 0 and len(self._buffer) < HEADER_LIMIT:
                return False
            line = bytes(self._buffer[place : end + 1])
            if line == b"\r\n":
                break
            field = _FIELD.fullmatch(line)
            if not field:
                return self._lose(found, Fault("frame-garbage", "What came is no message: it has no header."))
            if field[1].lower() == b"content-length":
                lengths.append(field[2])
            place = end + 1
        if len(lengths) != 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]) or int(lengths[0]) > SKIP_LIMIT:
            fault = Fault("frame-length", "A message came without one believable Content-Length.")
            return self._lose(found, fault, end if lengths else 1)
        del self._buffer[: end + 1]
        self._lost = False
        length = int(lengths[0])
        if length > self.limit:
            found.append(Fault("frame-too-large", f"A message of {length} bytes came; {self.limit} are allowed."))
            self._skip = length
        else:
            self._body = length
        return True

    def _lose(self, found: list[bytes | Fault], fault: Fault, passed: int = 1) -> bool:
        """Search on after `passed` bytes, at least one, so that the search does not stop at the same header again."""
        if not self._lost:
            found.append(fault)
        self._lost = True
        del self._buffer[:passed]
        return True
