"""Streams that are closed or full, and names that are not text or are meant for the terminal."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import types

import pytest

from fitdiff import cli
from fitdiff.batch.journal import Entry
from fitdiff.commands import batch
from fitdiff.terminal import harmless, one_line

from ..service.wire import Wire

posix_only = pytest.mark.skipif(os.name == "nt", reason="closes descriptors, and needs /dev/full")
ODD = b"caf\xe9"  # Latin-1, which is no UTF-8

PLAY = """
import sys, types
from fitdiff import cli
module = types.ModuleType('fitdiff.commands.play'); module.configure = lambda parser: None
def run(args, console):
    open('done', 'w').close()
    console.print('working')
    return {'answer': 42}
module.run = run; sys.modules['fitdiff.commands.play'] = module
cli.COMMANDS, cli._help_of = ('play',), str
sys.argv = ['fitdiff', 'play', '--json']; sys.exit(cli.main())
"""


def shell(folder, redirected: str, code: str = PLAY) -> subprocess.CompletedProcess[str]:
    line = f'exec "$0" -c "$1" {redirected}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, code], capture_output=True, text=True, timeout=60, cwd=folder, check=False
    )


@posix_only
def test_a_full_stdout_is_said_in_one_sentence(tmp_path):
    done = shell(tmp_path, "> /dev/full")
    assert done.returncode == cli.CANNOT_WRITE
    working, said = done.stderr.splitlines()
    assert working == "working"
    assert said.startswith("fitdiff: The command has done its work, but its answer could not be written to stdout: ")
    assert "No space left on device" in said


@posix_only
def test_a_reader_that_has_gone_is_said_in_one_sentence(tmp_path):
    done = shell(tmp_path, "| true; exit ${PIPESTATUS:-0}", "import time; time.sleep(0.5)\n" + PLAY)
    assert done.stderr.splitlines()[-1].startswith("fitdiff: The command has done its work, but")
    assert "Traceback" not in done.stderr


@posix_only
def test_a_closed_stdout_is_refused_before_any_work(tmp_path):
    done = shell(tmp_path, ">&-")
    assert done.returncode == cli.CANNOT_WRITE
    (said,) = done.stderr.splitlines()
    assert said.startswith("fitdiff: stdout is closed")
    assert not (tmp_path / "done").exists()


@posix_only
@pytest.mark.parametrize("redirected", ["2>&-", "2> /dev/full", "<&- 2>&-"])
def test_without_a_stderr_the_answer_comes_all_the_same(tmp_path, redirected):
    done = shell(tmp_path, redirected)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"answer": 42})
    assert (tmp_path / "done").read_text() == ""  # it is not stderr's number that the file was given


@posix_only
def test_a_service_started_without_a_stderr_does_its_jobs(tmp_path):
    command = ["sh", "-c", 'exec "$0" -m tests.backend.service.actor 2>&-', sys.executable]
    with Wire.of(command) as wire:
        assert "result" in wire.answer(wire.play("spam", tmp_path / "head"))


@pytest.fixture
def play(monkeypatch):
    def install(run) -> None:
        module = types.ModuleType("fitdiff.commands.play")
        module.configure = lambda parser: parser.add_argument("--out")
        module.run = run
        monkeypatch.setitem(sys.modules, "fitdiff.commands.play", module)
        monkeypatch.setattr(cli, "COMMANDS", ("play",))
        monkeypatch.setattr(cli, "_help_of", lambda command: "a command of this test")

    return install


def test_a_name_that_is_not_text_is_an_escape_in_the_answer(play, capfd):
    def run(args: argparse.Namespace, console) -> dict:
        console.print(f"{args.out}: done", markup=False)
        return {"avatar": args.out, "note": "Zoë"}

    play(run)
    assert cli.main(["play", "--out", os.fsdecode(ODD), "--json"]) == 0
    out, err = capfd.readouterr()
    answer = json.loads(out)
    assert os.fsencode(answer["avatar"]) == ODD  # the very file
    assert answer["note"] == "Zoë"
    assert err == "caf\\xe9: done\n"


@posix_only
def test_a_batch_refuses_a_folder_whose_name_is_not_text(tmp_path, capfd):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/" + ODD)
    os.mkdir(folder)
    for words in ([folder, "--out", str(tmp_path / "heads")], [str(tmp_path), "--out", folder]):
        assert cli.main(["batch", *words, "--json"]) == cli.USAGE
        assert "rename" in json.loads(capfd.readouterr().out)["error"]["message"]
    assert not (tmp_path / "heads").exists()


EVIL = "a\x1b]0;owned\x07\x1b[31m\n done\r\u202egnp.b\x9b1m"


def test_a_terminal_is_not_told_what_a_file_is_called(play, capfd):
    def run(args, console) -> dict:
        console.print(f"{EVIL}: a note", markup=False)
        raise FileNotFoundError(2, "No such file", EVIL)

    play(run)
    cli.main(["play"])
    err = capfd.readouterr().err
    assert not set("\x1b\x07\r\u202e\x9b") & set(err)
    assert "\\x1b]0;owned\\x07" in err


def test_a_batch_tells_of_each_photo_in_one_harmless_line():
    told = {"photo": EVIL, "key": "", "name": "", "folder": ""}
    failed = Entry(status="failed", error={"message": f"“{EVIL}” is no photo."}, **told)
    for entry in (failed, Entry(status="done", verdict="good", seconds=2.5, **told)):
        line = batch._line(entry)
        assert line.startswith("a\\x1b]0;owned\\x07\\x1b[31m\\n done\\x0d\\u202egnp.b\\x9b1m: ")
        assert line.isprintable()


@pytest.mark.parametrize("text", ["Zoë 顔 👩‍🚀 עברית", "a b\u00a0c", ""])
def test_names_that_are_text_stay_as_they_are(text):
    assert harmless(text) == one_line(text) == text


def test_lines_stay_in_what_is_not_a_name():
    assert harmless("one\n\ttwo\r") == "one\n\ttwo\\x0d"
    assert one_line("one\n\ttwo\u2028") == "one\\n\\ttwo\\u2028"
