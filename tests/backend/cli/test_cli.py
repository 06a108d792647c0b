"""The command line's promises: clean stdout under --json, exit codes, a sentence instead of a traceback."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from fitdiff import cli
from fitdiff.errors import FitDiffError


@pytest.fixture
def play(monkeypatch, tmp_path):
    """A command `play` whose run is the function given to it."""
    monkeypatch.setenv("FITDIFF_LOG_DIR", str(tmp_path / "logs"))

    def install(run) -> None:
        module = types.ModuleType("fitdiff.commands.play")
        module.configure = _configure
        module.run = run
        monkeypatch.setitem(sys.modules, "fitdiff.commands.play", module)
        monkeypatch.setattr(cli, "COMMANDS", ("play",))
        monkeypatch.setattr(cli, "_help_of", lambda command: "a command of this test")

    return install


def _configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("go").add_argument("--size", type=int)


def _raiser(error: BaseException):
    def run(args, console):
        raise error

    return run


def test_help_answers_without_torch_and_lists_every_command():
    code = "import sys; from fitdiff import cli; cli.main(['--help']); print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "False"
    assert all(command in done.stdout for command in cli.COMMANDS)
    assert "130" in done.stdout


def test_every_command_module_keeps_the_contract():
    for command in cli.COMMANDS:
        assert cli._help_of(command)
        parser = cli.build_parser([command])
        with pytest.raises(SystemExit) as leave:
            parser.parse_args([command, "--help"])
        assert leave.value.code == 0


def test_every_exit_code_is_in_the_help_and_in_the_docs():
    docs = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    for code in (cli.OK, *cli.EXIT_BY_PREFIX.values(), cli.REFUSED):
        assert f"\n  {code} " in cli.EXIT_CODES_HELP
        assert f"| {code} |" in docs
    for prefix in cli.EXIT_BY_PREFIX:
        assert f"`{prefix}`" in docs


def test_json_is_one_object_even_when_libraries_write_to_descriptor_1(play, capfd):
    def run(args, console):
        print("a stray print")
        os.write(1, b"a library's own write\n")
        subprocess.run([sys.executable, "-c", "print('a child process')"], check=True)
        console.print("progress")
        return {"size": args.size}

    play(run)
    assert cli.main(["play", "go", "--size", "7", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {"size": 7}
    for text in ("a stray print", "a library's own write", "a child process", "progress"):
        assert text in err
    os.write(1, b"restored")
    assert capfd.readouterr().out == "restored"


def test_json_is_accepted_before_and_after_the_command(play, capfd):
    play(lambda args, console: {"json": args.json})
    for words in (["--json", "play"], ["play", "--json"], ["play", "go", "--json"]):
        assert cli.main(words) == 0
        assert json.loads(capfd.readouterr().out) == {"json": True}


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (FitDiffError("photo-no-face", "No face."), 3, "photo-no-face"),
        (FitDiffError("weights-missing", "Weights."), 4, "weights-missing"),
        (FitDiffError("write-exists", "Exists."), 5, "write-exists"),
        (FitDiffError("cancelled", "Cancelled."), 130, "cancelled"),
        (KeyboardInterrupt(), 130, "cancelled"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "disk-full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 5, "write-denied"),
        (ModuleNotFoundError("No module named 'insightface'", name="insightface"), 4, "environment-package"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), 4, "environment-memory"),
        (ZeroDivisionError("division by zero"), 1, "internal"),
    ],
)
def test_failures_become_codes_and_sentences(play, capfd, error, exit_code, code):
    play(_raiser(error))
    assert cli.main(["play", "--json"]) == exit_code
    out, err = capfd.readouterr()
    answer = json.loads(out)["error"]
    assert answer["code"] == code
    assert answer["message"] in err.replace("\n", " ")
    assert "Traceback" not in err


def test_internal_error_leaves_its_traceback_in_a_log_and_debug_shows_it(play, capfd):
    play(_raiser(ZeroDivisionError("division by zero")))
    assert cli.main(["play", "--json"]) == 1
    log = Path(json.loads(capfd.readouterr().out)["error"]["data"]["log"])
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")
    assert cli.main(["play", "--debug"]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_logs_are_pruned(play, capfd, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(30):
        (logs / f"failure-20200101-0000{number:02d}-1.log").write_text("old")
    play(_raiser(ZeroDivisionError()))
    assert cli.main(["play"]) == 1
    assert len(list(logs.iterdir())) == 20


@pytest.mark.parametrize("answer", [{"value": float("nan")}, {"value": object()}])
def test_an_answer_that_is_not_json_is_an_internal_error(play, capfd, answer):
    play(lambda args, console: answer)
    assert cli.main(["play", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "internal"


@pytest.mark.parametrize("words", [[], ["paint"], ["doctor", "--colour"], ["--jso"]])
def test_wrong_usage_is_2_and_an_object_under_json(capfd, words):
    assert cli.main(words) == 2
    assert "usage:" in capfd.readouterr().err
    assert cli.main([*words, "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "usage"


def test_version_and_help_are_objects_under_json(capfd):
    for word in ("--version", "--help"):
        assert cli.main([word, "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["version"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_130_without_a_traceback(tmp_path):
    code = (
        "import sys, time, types; from fitdiff import cli\n"
        "module = types.ModuleType('fitdiff.commands.play'); module.configure = lambda parser: None\n"
        "def run(args, console):\n    console.print('started'); time.sleep(60)\n"
        "module.run = run; sys.modules['fitdiff.commands.play'] = module\n"
        "cli.COMMANDS, cli._help_of = ('play',), str\n"
        "sys.argv = ['fitdiff', 'play', '--json']; sys.exit(cli.main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts this suite in the background has SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    assert process.stderr.readline().strip() == "started"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert "Traceback" not in err
