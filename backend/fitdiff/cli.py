"""The `fitdiff` command line: runs a command, keeps stdout clean for --json, and turns every failure into a sentence."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from . import __version__, streams
from .errors import FitDiffError
from .failures import explained
from .terminal import HarmlessConsole, one_line

# Modules of fitdiff/commands, in the order of --help.
COMMANDS: tuple[str, ...] = (
    "reconstruct",
    "batch",
    "sample",
    "vary",
    "complete",
    "inspect",
    "relight",
    "serve",
    "evaluate",
    "model",
    "sheet",
    "train",
    "bench",
    "doctor",
)

OK, INTERNAL, USAGE, REFUSED, MISSING, CANNOT_WRITE, CANCELLED = 0, 1, 2, 3, 4, 5, 130

# A FitDiffError's exit code by the first word of its code; with any other word, the input was refused.
EXIT_BY_PREFIX: dict[str, int] = {
    "internal": INTERNAL,
    "usage": USAGE,
    "asset": MISSING,
    "assets": MISSING,
    "weights": MISSING,
    "environment": MISSING,
    "device": MISSING,
    "disk": CANNOT_WRITE,
    "write": CANNOT_WRITE,
    "cancelled": CANCELLED,
}

EXIT_CODES_HELP = """\
exit codes:
  0    done
  1    internal error: one sentence and the path of a log file
  2    wrong usage: an unknown command, option or value
  3    the input was refused: a photo, folder or file that cannot be used
  4    something is missing: a package, weights, a device or memory
  5    the disk is full or the place cannot be written
  130  cancelled
"""


class _UsageError(Exception):
    """argparse's message and usage, which it would have printed before exiting with 2."""

    def __init__(self, sentence: str, usage: str) -> None:
        super().__init__(sentence)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """A parser that raises _UsageError instead of exiting, so that --json can answer with an object."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("epilog", EXIT_CODES_HELP)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise _UsageError(message, self.format_usage())


def exit_code_of(error: FitDiffError) -> int:
    return EXIT_BY_PREFIX.get(error.code.split("-", 1)[0], REFUSED)


def _help_of(command: str) -> str:
    """The command's HELP, read without importing the module: --help must not wait for torch."""
    spec = importlib.util.find_spec(f"{__package__}.commands.{command}")
    if spec is None or spec.origin is None:
        raise ImportError(f"fitdiff.commands.{command} is listed in COMMANDS but does not exist")
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        if node.value and any(isinstance(target, ast.Name) and target.id == "HELP" for target in targets):
            return str(ast.literal_eval(node.value))
    raise ImportError(f"fitdiff.commands.{command} has no HELP")


def _add_common_options(parser: argparse.ArgumentParser, default: Any = argparse.SUPPRESS) -> None:
    """Add --json and --debug to a parser; on subparsers, default SUPPRESS keeps them from resetting the options."""
    parser.add_argument(
        "--json", action="store_true", default=default, help="print one JSON object on stdout, all else on stderr"
    )
    parser.add_argument(
        "--debug", action="store_true", default=default, help="show the traceback of an internal error on the screen"
    )
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in {id(child): child for child in action.choices.values()}.values():
                _add_common_options(child)


def build_parser(argv: list[str]) -> argparse.ArgumentParser:
    """The parser for this command line: only the named command is imported and configured."""
    parser = _Parser(prog="fitdiff", description="One photo in, one relightable head out.")
    parser.add_argument("--version", action="version", version=f"fitdiff {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((word for word in argv if not word.startswith("-")), None)
    for command in COMMANDS:
        text = _help_of(command)
        child = subparsers.add_parser(command, help=text, description=text)
        if command == named:
            importlib.import_module(f"{__package__}.commands.{command}").configure(child)
    _add_common_options(parser, default=False)
    return parser


@contextlib.contextmanager
def _clean_stdout(restore: bool) -> Iterator[int]:
    """Redirect everything printed to stderr, including libraries' writes to file descriptor 1.

    Yields the real stdout's descriptor. A process about to exit must not restore it, since C libraries flush their buffers
    at exit.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield real
    finally:
        if restore:
            os.dup2(real, 1)
        os.close(real)


def _failure(error: BaseException, argv: list[str], debug: bool) -> tuple[int, FitDiffError]:
    """An exception -> exit code and an error with a sentence."""
    if isinstance(error, _UsageError):
        return USAGE, FitDiffError("usage", f"{error}. See --help.", details=error.usage)
    failure = explained(error, argv)
    if debug and failure.code == "internal":
        Console(stderr=True).print_exception()
    return exit_code_of(failure), failure


def _run(argv: list[str], console: Console, debug: bool) -> tuple[int, dict]:
    """(exit code, the object for --json) of one command line; never raises."""
    try:
        args = build_parser(argv).parse_args(argv)
        args.command_line = shlex.join(["fitdiff", *argv])
        module = importlib.import_module(f"{__package__}.commands.{args.command}")
        result: dict = module.run(args, console)
        return OK, result
    except SystemExit as leave:  # --help and --version have already printed
        return int(leave.code or 0), {"version": __version__}
    except (Exception, KeyboardInterrupt) as error:
        code, failure = _failure(error, argv, debug)
        if isinstance(error, _UsageError):
            console.print(error.usage.rstrip(), markup=False, highlight=False)
        _say(console, failure.sentence)
        return code, {"error": failure.to_json()}


def _say(console: Console, sentence: str) -> None:
    console.print(f"fitdiff: {one_line(sentence)}", markup=False, highlight=False, soft_wrap=True)


def _encoded(answer: dict) -> bytes:
    """One line of JSON in UTF-8. Undecodable bytes of file names are escaped as lone surrogates, as Python's json does."""
    try:
        return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(answer, allow_nan=False).encode() + b"\n"


def _write_all(descriptor: int, data: bytes) -> None:
    """Raises OSError."""
    while data:
        data = data[os.write(descriptor, data) :]


def main(argv: list[str] | None = None) -> int:
    """Run one command line (None: sys.argv) and return its exit code."""
    closed = streams.open_missing()
    words = sys.argv[1:] if argv is None else argv
    as_json, debug = "--json" in words, "--debug" in words
    if not as_json:
        return _run(words, HarmlessConsole(stderr=True), debug)[0]
    if streams.STDOUT in closed:
        _say(HarmlessConsole(stderr=True), "stdout is closed, so there is no place for the answer of --json: open it.")
        return CANNOT_WRITE
    with _clean_stdout(restore=argv is not None) as out:
        console = HarmlessConsole(stderr=True)
        code, payload = _run(words, console, debug)
        try:
            answer = _encoded(payload)
        except (TypeError, ValueError) as error:  # a bug in the command: an array or NaN in its answer
            code, failure = _failure(error, words, debug)
            answer = _encoded({"error": failure.to_json()})
        try:
            _write_all(out, answer)
        except OSError as error:
            done = "The command has done its work, but its" if code == OK else "The"
            _say(console, f"{done} answer could not be written to stdout: {error.strerror}.")
            code = code or CANNOT_WRITE
    return code


if __name__ == "__main__":
    sys.exit(main())
