"""Makes pip's command lines and reads its output. pip runs from the bundle's wheel, in the new environment's Python."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from . import pins
from .problem import Problem, other_package

COMMON = ("--no-input", "--disable-pip-version-check", "--progress-bar", "raw", "--retries", "3")
# pip saves files only when all are there; an interrupted download goes on from its cache.
CACHE = "cache"
# Overrides a user's settings that would change where or how packages are installed. Proxies, indexes, certificates stay.
SETTINGS = {
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_TARGET": "",
    "PIP_PREFIX": "",
    "PIP_ROOT": "",
    "PIP_CONSTRAINT": "",
    "PIP_NO_COLOR": "1",
    "PYTHONUNBUFFERED": "1",
}

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_FILE = re.compile(r"\s*(?:Downloading|Processing|Using cached) (?:\S*/)?([^\s/]+)")


def download(target: Path) -> list[str]:
    """Wheels only: building a package would run its code."""
    cache = target.with_name(CACHE)
    return ["download", *COMMON, "--cache-dir", str(cache), "--only-binary", ":all:", "-d", str(target)]


def pinned_download(requirements: Path, target: Path) -> list[str]:
    """All packages with pinned hashes; pip refuses any other file before it opens it."""
    return [*download(target), "--require-hashes", "--no-deps", "-r", str(requirements)]


def torch_download(requirement: str, index: str | None, constraints: Path, target: Path) -> list[str]:
    """torch and what comes with its build (CUDA's libraries); the rest is what `constraints` names."""
    words = [*download(target), "-c", str(constraints)]
    if index:
        words += ["--index-url", index]
    return [*words, requirement]


def installation(wheels: list[Path]) -> list[str]:
    """Install these files, without dependencies or an index."""
    return [
        *("install", *COMMON, "--no-cache-dir", "--no-index", "--no-deps", "--no-compile", "--no-warn-script-location"),
        *(str(wheel) for wheel in wheels),
    ]


def constraints(requirements: str, wheels: Iterable[Path]) -> str:
    """To keep pip to the lock while it looks for torch: packages that are here already are these very files, whatever the
    index offers under their names, and the others have the lock's versions."""
    lines = (line.removesuffix("\\").rstrip() for line in requirements.splitlines())
    versions = [line for line in lines if line and not line.lstrip().startswith(("#", "--hash"))]
    files = {pins.name_of(wheel): wheel.resolve().as_uri() for wheel in wheels}
    told = [f"{name} @ {uri}" for name, uri in sorted(files.items())]
    told += [line for line in versions if pins.plain(line.partition("==")[0]) not in files]
    return "\n".join(told) + "\n"


def progress(line: str) -> tuple[int, int] | None:
    """(bytes so far, bytes in all) of the file that pip is downloading; None for another line."""
    found = _PROGRESS.match(line.strip())
    return (int(found[1]), int(found[2])) if found else None


def shown(line: str) -> str | None:
    """What to show the artist for a line of pip's output; None for nothing."""
    found = _FILE.match(line)
    if found:
        name, _, rest = unquote(found[1]).partition("-")
        return f"{name} {rest.partition('-')[0]}"
    if line.startswith("Installing collected packages:"):
        return f"writing {line.count(',') + 1} packages"
    return None


def failure(what: str, output: str, online: bool) -> Problem:
    """The problem behind a failed run of pip, from its usual messages."""
    tail = "\n".join(output.splitlines()[-30:])
    if "No space left on device" in output or "[Errno 28]" in output or "not enough space on the disk" in output:
        return Problem(
            "disk-full",
            "The disk is full: free some space, then press Install again; what has been downloaded is kept.",
            tail,
        )
    if "DO NOT MATCH THE HASHES" in output or "Hashes are required" in output:
        return other_package(tail)
    unreachable = ("Failed to establish a new connection", "Temporary failure in name resolution", "getaddrinfo failed")
    if online and any(
        word in output for word in (*unreachable, "Read timed out", "ConnectionResetError", "Network is unreachable")
    ):
        return Problem(
            "install-network",
            "The packages could not be downloaded, because the network does not answer: check the connection, then press "
            "Install again; it goes on from here.",
            tail,
        )
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return Problem(
            "install-network",
            "The network's certificate is not trusted, as behind some company firewalls: ask your administrator for the "
            "certificate and name it in PIP_CERT, or use the offline package.",
            tail,
        )
    if "No matching distribution found" in output:
        return Problem(
            "install-package",
            "A package that the backend needs does not exist for this machine where pip looks for it: see the log, or use "
            "the offline package.",
            tail,
        )
    return Problem("install-pip", f"{what} failed: see the log, then press Install again.", tail)
