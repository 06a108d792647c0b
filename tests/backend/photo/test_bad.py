"""Every file that is no photo gets its code and one sentence, quickly, in little memory, and silently."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from fitdiff.errors import FitDiffError
from fitdiff.photo import Limits, open_photo

from .bad_files import BAD
from .samples import encode


def assert_one_sentence(sentence: str) -> None:
    assert sentence[-1] in ".?" and "\n" not in sentence and "Traceback" not in sentence
    assert "Error" not in sentence and "0x" not in sentence
    assert 20 < len(sentence) < 300
    assert sentence.rstrip(".").count(". ") == 0, "one sentence"
    json.dumps(sentence, ensure_ascii=False).encode("utf-8")


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 30


@pytest.mark.parametrize("name", BAD)
def test_bad_file(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, word, make = BAD[name]
    path = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(FitDiffError) as caught:
            open_photo(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == code
    assert word in caught.value.sentence
    assert_one_sentence(caught.value.sentence)
    assert peak < 100e6
    assert capfd.readouterr() == ("", "")


def test_permission_sentence_without_needing_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(FitDiffError) as caught:
        open_photo(path)
    assert caught.value.code == "photo-unreadable" and "permission" in caught.value.sentence


def test_limits_are_data_too(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.new("RGB", (300, 200)), "PNG"))
    with pytest.raises(FitDiffError) as caught:
        open_photo(path, Limits(pixels=50_000))
    assert caught.value.data == {"width": 300, "height": 200, "limit": 50_000}
    with pytest.raises(FitDiffError) as caught:
        open_photo(path, Limits(bytes=100))
    assert caught.value.code == "photo-too-large" and caught.value.data["limit"] == 100


def test_odd_but_whole_pictures_open(tmp_path: Path) -> None:
    from PIL import Image

    for size in ((1, 1), (1, 20_000), (20_000, 1)):
        path = tmp_path / "a.png"
        path.write_bytes(encode(Image.new("RGB", size, (9, 8, 7)), "PNG"))
        photo = open_photo(path)
        assert max(photo.width, photo.height) <= 4096 and min(photo.width, photo.height) == 1
        assert photo.original_size == size
