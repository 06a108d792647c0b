"""The framing finds every message however the bytes were cut, and finds its way back after any nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitdiff.service import framing
from fitdiff.service.framing import HEADER_LIMIT, SKIP_LIMIT, Decoder, Fault, encode

LIMIT = 200
GOOD = b'{"good": 1}'

bodies = st.binary(max_size=LIMIT)
cuts = st.lists(st.integers(1, 40), max_size=60)
pieces = st.one_of(
    st.binary(max_size=60),
    bodies.map(encode),
    st.sampled_from(
        [
            b"\r\n",
            b"\n\n",
            b"Content-Length: ",
            b"Content-Length: x\r\n\r\n",
            b"Content-Length: -1\r\n\r\n",
            b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
            b"content-length: 3\r\nContent-Type: a; b=c\r\n\r\nabc",
            b"Content-Length: 900\r\n\r\n" + b"o" * 900,
            b"Content-Length: 99999999999999\r\n\r\n",
            b"a: b\r\n\r\n",
            b"Content-Length: 5\r\n\r\nabc",
            b"A" * HEADER_LIMIT,
        ]
    ),
)


def decoded(data: bytes, sizes: list[int] | None = None) -> list[bytes | Fault]:
    decoder, found = Decoder(LIMIT), []
    for size in sizes or []:
        found += decoder.feed(data[:size])
        data = data[size:]
    return found + decoder.feed(data) + decoder.end()


def codes(data: bytes) -> list[str | bytes]:
    return [found.code if isinstance(found, Fault) else found for found in decoded(data)]


@given(st.lists(bodies, max_size=6), cuts)
def test_messages_come_out_as_they_went_in(messages, sizes):
    assert decoded(b"".join(map(encode, messages)), sizes) == messages


@given(st.lists(pieces, max_size=8), cuts)
def test_where_the_stream_was_cut_does_not_matter(parts, sizes):
    stream = b"".join(parts)
    assert decoded(stream, sizes) == decoded(stream)


@given(st.lists(pieces, max_size=6))
def test_after_any_nonsense_messages_get_through_again(parts):
    """Nonsense may announce a body and so swallow what follows; a body's length further on the stream is sound again."""
    decoder = Decoder(LIMIT)
    decoder.feed(b"".join(parts))
    filler = b".".ljust(LIMIT + HEADER_LIMIT, b".") * 3
    decoder.feed(filler)
    assert decoder.feed(encode(GOOD))[-1:] == [GOOD]


@given(st.binary(min_size=1, max_size=2000))
def test_garbage_is_one_fault_and_is_not_kept(garbage):
    decoder = Decoder(LIMIT)
    found = decoder.feed(b"\x00\n" + garbage.replace(b"Content-Length:", b""))
    assert [fault.code for fault in found] == ["frame-garbage"]
    assert len(decoder._buffer) < HEADER_LIMIT


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"hello\n" + encode(GOOD), ["frame-garbage", GOOD]),
        (b"hello" + encode(GOOD), ["frame-length", GOOD]),
        (b"\r\n" + encode(GOOD), ["frame-length", GOOD]),
        (b"Content-Type: json\r\n\r\n" + encode(GOOD), ["frame-length", GOOD]),
        (b"Content-Length: eleven\r\n\r\n" + encode(GOOD), ["frame-length", GOOD]),
        (b"Content-Length: -3\r\n\r\n" + encode(GOOD), ["frame-length", GOOD]),
        (b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n" + encode(GOOD), ["frame-length", GOOD]),
        (b"Content-Length: %d\r\n\r\n" % (SKIP_LIMIT + 1) + encode(GOOD), ["frame-length", GOOD]),
        (encode(b"x" * (LIMIT + 1)) + encode(GOOD), ["frame-too-large", GOOD]),
        (b"Content-Length: 3\r\n\r\nabcdef" + encode(GOOD), [b"abc", "frame-length", GOOD]),
        (b"Content-Length: 13\r\n\r\nabc" + encode(GOOD) * 2, [b"abcContent-Le", "frame-length", GOOD]),
        (encode(b""), [b""]),
        (b"Content-Length: 3\r\n\r\nab", ["frame-cut"]),
        (b"Content-Len", ["frame-cut"]),
        (encode(b"x" * (LIMIT + 1))[:-1], ["frame-too-large", "frame-cut"]),
        (b"", []),
    ],
)
def test_every_fault_has_its_name(stream, expected):
    assert codes(stream) == expected


def test_both_sides_frame_with_the_same_file():
    theirs = Path(__file__).parents[3] / "blender_fitdiff" / "backend" / "framing.py"
    assert theirs.read_bytes() == Path(framing.__file__).read_bytes()
