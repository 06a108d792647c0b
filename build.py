#!/usr/bin/env python3
"""Every developer and packaging command of FitDiff: `python3 build.py COMMAND`. Standard library only, Python 3.10+.

What the commands do lies in building/; this file reads the command line and tells failures in a sentence.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from building.assets import assets, face, skin
from building.blenders import NO_BLENDER, ensure_blenders
from building.demo import demo
from building.environments import ensure_backend
from building.extension import extension, repository
from building.lock import lock
from building.steps import CANCELLED, FAILED, MISSING, OK, Problem, say
from building.testing import lint, test
from building.wheels import wheels


def setup(options: argparse.Namespace) -> int:
    """make .venvs/backend and the bpy environments"""
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=True)
    say(f"Ready: {backend.program('fitdiff')}" + "".join(f"; {blender.name}" for blender in blenders))
    if not blenders:
        say(NO_BLENDER)
    return OK


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "setup": setup,
    "assets": assets,
    "demo": demo,
    "test": test,
    "lint": lint,
    "wheels": wheels,
    "extension": extension,
    "repository": repository,
    "face": face,
    "skin": skin,
    "lock": lock,
}
TAKES_MORE_WORDS = ("demo", "test", "lint", "extension", "face", "skin")


def parse(words: list[str]) -> argparse.Namespace:
    listing = "\n".join(f"  {name:<10} {command.__doc__}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="build.py",
        description=f"commands:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 done, 1 something failed, 2 wrong usage, 4 something is missing, 130 cancelled",
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("--python", type=Path, help="make the backend environment with this Python (3.10 to 3.14)")
    parser.add_argument("--blender", type=Path, help="an installed Blender (4.2+) to use")
    parser.add_argument(
        "--system-packages", action="store_true", help="as root on Debian: install missing libraries with apt-get"
    )
    parser.add_argument(
        "--evaluation", action="store_true", help="assets: also fetch the network that only `fitdiff evaluate` uses"
    )
    cut = words.index("--") if "--" in words else len(words)
    options, unknown = parser.parse_known_args(words[:cut])
    options.rest = unknown + words[cut + 1 :]
    if options.rest and options.command not in TAKES_MORE_WORDS:
        parser.error(f"{options.command} does not understand: {' '.join(options.rest)}")
    return options


def main(words: list[str] | None = None) -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - people run this with whatever they have
        say(f"build.py needs Python 3.10 or newer; this is {platform.python_version()}.")
        return MISSING
    try:
        options = parse(sys.argv[1:] if words is None else words)
        return COMMANDS[options.command](options)
    except Problem as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:
        print("\nbuild.py: cancelled; the same command goes on from here.", file=sys.stderr)
        return CANCELLED
    except OSError as error:
        print(
            f"build.py: {error.strerror or error} ({error.filename}): check the place and its free room.",
            file=sys.stderr,
        )
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
