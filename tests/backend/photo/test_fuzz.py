"""Mutated files of every format end in a picture or in FitDiffError, quickly."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fitdiff.errors import FitDiffError
from fitdiff.photo import Limits, open_photo

from .samples import encode, exif_block, picture

CODES = {"photo-unreadable", "photo-too-large"}
LIMITS = Limits(pixels=20_000_000, long_side=512)


@functools.cache
def seed_file(kind: str) -> bytes:
    image = Image.fromarray(picture()).resize((48, 32))
    exif = exif_block({274: 6, 271: "Maker"}, {41989: 50, 40962: 48, 40963: 32})
    return encode(image, kind, exif=exif)


edits = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.floats(0, 1), st.integers(0, 255)),
        st.tuples(st.just("set32"), st.floats(0, 0.3), st.sampled_from([0, 1, 255, 2**15, 2**31 - 1, 2**32 - 1])),
        st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 64)),
        st.tuples(st.just("repeat"), st.floats(0, 1), st.integers(1, 64)),
        st.tuples(st.just("many"), st.floats(0, 1), st.integers(1, 64)),
        st.tuples(st.just("end"), st.floats(0.05, 1), st.just(0)),
    ),
    min_size=1,
    max_size=8,
)


def mutate(data: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    """The magic stays, so that every decoder is reached."""
    result = bytearray(data)
    for what, where, value in changes:
        at = 12 + int(where * max(len(result) - 16, 1))
        if what == "set":
            result[at : at + 1] = bytes([value])
        elif what == "set32":
            result[at : at + 4] = value.to_bytes(4, "big")
        elif what == "cut":
            del result[at : at + value]
        elif what == "repeat":
            result[at:at] = result[at : at + value] * 3
        elif what == "many":
            result[at:at] = result[at : at + value] * 300
        else:
            del result[at:]
    return bytes(result)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_mutated_files(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = tmp_path_factory.mktemp("fuzz") / "photo"
    seed_file(kind)

    @settings(max_examples=400)
    @given(edits)
    def check(changes: list[tuple[str, float, int]]) -> None:
        path.write_bytes(mutate(seed_file(kind), changes))
        try:
            photo = open_photo(path, LIMITS)
        except FitDiffError as problem:
            assert problem.code in CODES
        else:
            assert photo.pixels.dtype == np.uint8 and photo.pixels.shape[2] == 3
            assert max(photo.pixels.shape) <= 512
            assert photo.focal_px is None or 0 < photo.focal_px < 1e6

    check()


@settings(max_examples=400)
@given(st.binary(max_size=300))
def test_arbitrary_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    with pytest.raises(FitDiffError) as caught:
        open_photo(path)
    assert caught.value.code == "photo-unreadable"
