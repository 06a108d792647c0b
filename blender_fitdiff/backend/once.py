"""Reconstructs one photo through the service: python -m blender_fitdiff.backend.once --python PYTHON PHOTO --out DIR

It uses the same client as the panel, for the demo and for scripts. PYTHON is the backend's interpreter; bpy is not needed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import FitDiffError
from .client import Job, ServiceClient

WAIT = 0.2  # seconds between looks


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: the avatar is there. 1: one sentence on stderr says why not. 2: wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m blender_fitdiff.backend.once", description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path, help="a photo of one person")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the avatar folder to write")
    parser.add_argument("--python", type=Path, required=True, help="the backend's interpreter")
    parser.add_argument("--engine", help="default: the best that is there")
    parser.add_argument("--overwrite", action="store_true", help="replace an avatar that is there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fitdiff-", ignore_cleanup_errors=True) as logs:
        client = ServiceClient(options.python, logs)
        job = client.reconstruct(options.photo, options.out, engine=options.engine, overwrite=options.overwrite)
        try:
            follow(job)
        except KeyboardInterrupt:
            job.cancel()
            job.wait(10)
        client.stop()
        if job.result is None:
            error = job.error or FitDiffError("cancelled", "Cancelled.")
            sys.stderr.write(f"{error.sentence} [{error.code}]\n{error.details}\n{client.log.tail()}\n")
            return 1
    sys.stdout.write(f"{job.result['avatar']}: {job.result['verdict']} fit, {job.result['timings']['total']:.1f} s\n")
    return 0


def follow(job: Job) -> None:
    """Print the progress, a line for each change, until the job is done."""
    told = ""
    while not job.wait(WAIT):
        progress = job.progress
        share = f" {progress.step} of {progress.total}" if progress.total else ""
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
        if told != (told := f"{progress.stage}{share}{left}"):
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
