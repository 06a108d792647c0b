"""Words, sentences and exit codes."""

from __future__ import annotations

import sys

import pytest

from building import steps

from .stand_ins import build


def test_a_failing_step_shows_the_tail_of_its_log():
    code = "import sys; print('line\\n' * 100 + 'the reason'); sys.exit(3)"
    with pytest.raises(steps.Problem, match=r"(?s)It went wrong\..*the reason.*some-step\.log") as caught:
        steps.step("some step", [sys.executable, "-c", code], failure="It went wrong.")
    assert str(caught.value).count("line") < 20


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (steps.Problem("Nothing to do.", 4), 4, "Nothing to do."),
        (KeyboardInterrupt(), 130, "cancelled"),
        (OSError(28, "No space left on device", "/full"), 1, "No space left on device (/full)"),
    ],
)
def test_failures_are_sentences_with_exit_codes(monkeypatch, capsys, error, code, text):
    def fail(options):
        raise error

    monkeypatch.setitem(build.COMMANDS, "setup", fail)
    assert build.main(["setup"]) == code
    told = capsys.readouterr().err
    assert text in told
    assert "Traceback" not in told


@pytest.mark.parametrize("words", [[], ["paint"], ["setup", "more"], ["setup", "--colour"]])
def test_wrong_usage_is_2(words, capsys):
    with pytest.raises(SystemExit) as leave:
        build.main(words)
    assert leave.value.code == steps.USAGE


def test_words_after_two_dashes_go_on():
    assert build.parse(["test", "--", "-k", "photo", "--python"]).rest == ["-k", "photo", "--python"]
    assert build.parse(["face", "--ict", "PATH"]).rest == ["--ict", "PATH"]
