"""`fitdiff batch`: a folder of photos in, an avatar folder for each of them and a report out (docs/batch.md)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..errors import FitDiffError
from ..reconstruction import Order
from ..terminal import one_line
from .reconstruct import add_settings

if TYPE_CHECKING:
    from ..batch.journal import Entry

HELP = "turn a folder of photos into avatar folders, many at once"

FACES = ("one", "all", "largest")
OWN = ("photo", "out", "face", "overwrite")  # fields of an Order that differ from photo to photo


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="FOLDER", help="folder of photos, searched with all its subfolders; links are not followed"
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="each photo gets an avatar folder in it")
    parser.add_argument(
        "--faces",
        choices=FACES,
        default=FACES[0],
        help="faces to take of a photo of several people; one (default) refuses such a photo",
    )
    parser.add_argument(
        "--workers", type=_count, help="number of worker processes; default: one a core, as memory allows"
    )
    parser.add_argument(
        "--timeout", metavar="S", type=_seconds, default=3600.0, help="seconds allowed for one photo; default 3600"
    )
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="address of a Ray cluster; `local` starts one here (needs the extra `batch`)"
    )
    add_settings(parser)
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--overwrite", action="store_true", help="replace avatars made from other photos or with other settings"
    )
    again.add_argument("--skip-existing", action="store_true", help="keep such avatars, and make only missing ones")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    folder, out = (Path(os.path.abspath(path)) for path in (args.folder, args.out))
    _refuse_names_not_in_utf8(folder, out)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ..batch import photos
    from ..batch.journal import Journal
    from ..batch.run import Batch, Plan

    settings = {name: getattr(args, name) for name in Order.__struct_fields__ if name not in OWN}
    found = photos.find(folder, out)
    if not found.photos:
        sentence = f"There are no photos in “{folder.name}”: give a folder of JPEG, PNG, WebP, TIFF or HEIC files."
        raise FitDiffError("photos-missing", sentence, data={"skipped": dict(found.skipped)})
    log = _open(out, Journal)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("heads", total=len(found.photos))

        def on_head(entry: Entry, kept: bool) -> None:
            progress.update(bar, advance=1)
            if not kept:
                console.print(_line(entry), markup=False, highlight=False, soft_wrap=True)

        try:
            batch = Batch(
                Plan(folder, out, settings, args.faces, args.overwrite, args.skip_existing), found, log, on_head
            )
            batch.run(_pool(args, batch, len(found.photos)))
        finally:
            log.close()
    counts = batch.report.counts()
    if not counts["done"] and not counts["kept"]:
        sentence = f"None of the {counts['failed']} photos became a head: see {out / 'report.html'} for the reasons."
        raise FitDiffError("batch-none-done", sentence, data=counts)
    text = ", ".join(f"{count} {state}" for state, count in counts.items())
    console.print(f"{text}: {out / 'report.html'}", markup=False, highlight=False, soft_wrap=True)
    failures = [{"photo": entry.photo, "error": entry.error} for entry in batch.report.failures()]
    return {"out": str(out), "counts": counts, "skipped": dict(found.skipped), "failed": failures}


def _refuse_names_not_in_utf8(*folders: Path) -> None:
    """Check both paths before any work, since they are sent to workers and written to the report in JSON."""
    for folder in folders:
        if str(folder) != str(folder).encode("utf-8", "ignore").decode():
            sentence = f"The path “{one_line(str(folder))}” is not UTF-8, which a batch needs: rename the folder."
            raise FitDiffError("usage", sentence)


def _open(out: Path, journal: Any) -> Any:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return journal(out)
    except OSError as error:
        sentence = f"“{out.name}” cannot be written: choose a folder that you may write to."
        raise FitDiffError("write-denied", sentence, details=str(error)) from error


def _pool(args: argparse.Namespace, batch: Any, photos: int) -> Any:
    from ..batch.pool import LocalPool, cores, workers_here
    from ..health.machine import memory

    if args.ray:
        from ..batch.cluster import RayPool

        return RayPool(args.ray, args.workers, args.timeout)
    workers = args.workers or workers_here(photos, memory()["available"])
    batch.report.workers = {"workers": workers, "threads": max(1, cores() // workers)}
    return LocalPool(workers, args.timeout)


def _line(entry: Entry) -> str:
    name = entry.photo + (f", face {entry.asked}" if entry.asked else "")
    became = entry.error["message"] if entry.error else f"{entry.verdict} fit, {entry.seconds:.1f} s"
    return one_line(f"{name}: {became}")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 4096:
        raise argparse.ArgumentTypeError("a number of workers, 1 or more")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return value
