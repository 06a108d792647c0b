"""One photo, one command: the way that build.py's demo takes."""

from __future__ import annotations

import sys

import pytest

from blender_fitdiff.backend import client, once

from .conftest import ENVIRONMENT


@pytest.fixture
def words(monkeypatch, python, tmp_path) -> list[str]:
    """The command's options; its backend has a worker that plays."""
    plays = ("-m", "tests.backend.service.actor")
    monkeypatch.setattr(
        once, "ServiceClient", lambda *given: client.ServiceClient(*given, environment=ENVIRONMENT, arguments=plays)
    )
    return ["--python", str(python), "--out", str(tmp_path / "head")]


def test_the_way_is_told(words, tmp_path, capsys):
    assert once.main([*words, "/quick"]) == 0
    *told, last = capsys.readouterr().out.splitlines()
    assert last == f"{tmp_path / 'head'}: good fit, 1.5 s"
    assert any(line.startswith("fitting ") and line.endswith("s left") for line in told)
    assert (tmp_path / "head" / "avatar.json").is_file()


def test_a_refusal_is_one_sentence_with_its_code(words, capsys):
    assert once.main([*words, "/refuse"]) == 1
    assert capsys.readouterr().err.startswith("Two faces. [several-faces]\nhere\n")


def test_ctrl_c_cancels(words, tmp_path, monkeypatch, capsys):
    def interrupted(job):
        while job.progress.step < 2:
            job.wait(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(once, "follow", interrupted)
    assert once.main([*words, "/slow"]) == 1
    assert "[cancelled]" in capsys.readouterr().err
    assert not (tmp_path / "head").exists()


def test_wrong_words_are_wrong_usage(capsys):
    with pytest.raises(SystemExit) as leave:
        once.main(["/photo.jpg", "--python", sys.executable])
    assert leave.value.code == 2
