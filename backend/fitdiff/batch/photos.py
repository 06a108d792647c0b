"""Find the photos in a folder, and name each one's avatar folder."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FitDiffError
from ..photo import sniff

MANIFEST = "avatar.json"  # a folder with this file is an avatar: its pictures are skipped
NAME_BYTES = 120  # of a folder's name; file systems take 255, and temporary siblings have longer names
TAKEN = ("report.json", "report.html", "results.jsonl")  # the batch's own files
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)  # by Windows


@dataclass
class Found:
    """photos: paths relative to the folder, sorted; skipped: number of other entries, by kind."""

    photos: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def find(folder: Path, out: Path) -> Found:
    """Everything below `folder`, but not in `out`. Raises FitDiffError photos-missing or photos-unreadable."""
    if not folder.is_dir():
        sentence = f"There is no folder “{folder.name}”: check its path."
        if folder.exists():
            sentence = (
                f"“{folder.name}” is not a folder: give a folder of photos, or use `fitdiff reconstruct` for one photo."
            )
        raise FitDiffError("photos-missing", sentence, details=str(folder))
    found = Found()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            if here == folder:
                sentence = f"The folder “{folder.name}” cannot be read: change its permissions or copy it."
                raise FitDiffError("photos-unreadable", sentence, details=str(error)) from error
            found.skipped["folders that cannot be read"] += 1
            continue
        if here != folder and any(entry.name == MANIFEST for entry in entries):
            found.skipped["avatar folders"] += 1
            continue
        waiting += reversed(list(_look(entries, folder, out, found)))
    found.photos.sort()
    return found


def _look(entries: Iterable[os.DirEntry[str]], folder: Path, out: Path, found: Found) -> Iterator[Path]:
    """Sort one folder's entries into `found`; returns its subfolders, without links, which may form loops."""
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            found.skipped["hidden"] += 1
        elif entry.is_dir(follow_symlinks=False):
            if path == out:
                found.skipped["the output folder"] += 1
            else:
                yield path
        elif entry.is_symlink() and path.is_dir():
            found.skipped["links to folders"] += 1
        elif path.suffix.lower() in sniff.ENDINGS or _looks_like_a_photo(path):
            name = path.relative_to(folder).as_posix()
            if name.encode("utf-8", "ignore").decode() == name:
                found.photos.append(name)
            else:  # not UTF-8, so it cannot be sent in a message
                found.skipped["files whose names are no text"] += 1
        else:
            found.skipped["other files"] += 1


def _looks_like_a_photo(path: Path) -> bool:
    """By its first bytes: phones and browsers leave extensions out."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with open(path, "rb") as file:
            return bool(sniff.sniff(file.read(4096), path.name))
    except (OSError, FitDiffError):
        return False


def sha256(path: Path) -> str:
    """sha256 of a plain file. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is no plain file")
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


# --- names ------------------------------------------------------------------------------------------------------------


def folder_names(photos: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Photo -> name of its folder; `known` holds those of earlier runs, which are kept.

    Of photos with the same name the first keeps it; the others get digits computed from their paths.
    """
    photos = list(photos)
    names = {photo: known[photo] for photo in photos if photo in known and known[photo] == safe(known[photo])}
    taken = {_folded(name) for name in (*TAKEN, *known.values())}
    for photo in photos:
        if photo in names:
            continue
        name = base = safe(Path(photo).stem)
        digits = hashlib.sha256(photo.encode("utf-8", "surrogateescape")).hexdigest()
        length = 6
        while _folded(name) in taken:
            name = f"{base}-{digits[:length]}"
            length += 1
        taken.add(_folded(name))
        names[photo] = name
    return names


def safe(stem: str) -> str:
    """A name valid as a folder on every system: no separators, control characters or lone surrogates, not too long."""
    text = unicodedata.normalize("NFC", stem.encode("utf-8", "replace").decode("utf-8"))
    text = "".join("_" if c in '<>:"/\\|?*' or unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in text)
    text = text.encode("utf-8")[:NAME_BYTES].decode("utf-8", "ignore").strip(" .")
    if not text or _RESERVED.fullmatch(text):
        text = f"photo-{text}" if text else "photo"
    return text


def _folded(name: str) -> str:
    """The name without case and in one Unicode form, as file systems compare names that do not distinguish these."""
    return unicodedata.normalize("NFD", name).casefold()
