"""The packages in the extension for its backend: folder `wheels`, made by `build.py wheels`, listed in bundle.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from .problem import Problem

FILE = "bundle.json"
AGAIN = "Install the FitDiff extension again from its zip."


@dataclass(frozen=True)
class Offline:
    """For the offline package, whose folder has every wheel for one platform."""

    platform: str  # as an interpreter tells it: linux-x86_64
    python: str  # 3.11
    build: str  # of torch
    wheels: dict[str, str]  # file name -> sha256


@dataclass(frozen=True)
class Bundle:
    folder: Path
    version: str  # of fitdiff
    torch: str  # version of torch, without its build
    files: dict[str, dict[str, str]]  # fitdiff, pip, requirements, torch -> {"file", "sha256"}
    offline: Offline | None

    def path(self, role: str) -> Path:
        return self.folder / self.files[role]["file"]

    @property
    def fingerprint(self) -> str:
        """Changes when a new environment has to be made; the same online and offline."""
        told = json.dumps([self.version, self.torch, {role: self.files[role]["sha256"] for role in sorted(self.files)}])
        return hashlib.sha256(told.encode()).hexdigest()

    def verify(self) -> None:
        """Check every file's sha256. Raises Problem bundle-damaged."""
        wanted = {entry["file"]: entry["sha256"] for entry in self.files.values()}
        wanted |= self.offline.wheels if self.offline else {}
        for name, digest in wanted.items():
            if not (self.folder / name).is_file() or sha256(self.folder / name) != digest:
                raise Problem(
                    "bundle-damaged", f"A file of FitDiff's extension is missing or damaged ({name}). {AGAIN}"
                )


def read(folder: Path) -> Bundle:
    """Read bundle.json; the files that it lists are not checked. Raises Problem bundle-missing."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        offline = told["offline"]
        files = {
            role: {"file": str(told["files"][role]["file"]), "sha256": str(told["files"][role]["sha256"])}
            for role in ROLES
        }
        names = [entry["file"] for entry in files.values()] + list(offline["wheels"] if offline else [])
        if any(Path(name).name != name for name in names):
            raise ValueError("a file outside the folder")
        return Bundle(
            folder,
            str(told["version"]),
            str(told["torch"]),
            files,
            Offline(offline["platform"], offline["python"], offline["build"], dict(offline["wheels"]))
            if offline
            else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            "bundle-missing",
            f"FitDiff's backend is not in this copy of the extension. {AGAIN} In a copy of the source, run "
            "`python3 build.py wheels` first.",
            f"{folder / FILE}: {error!r}",
        ) from error


ROLES = ("fitdiff", "pip", "requirements", "torch")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
