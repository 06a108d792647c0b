"""Installs, checks, repairs and removes the backend's environment, in threads and processes so that the UI never waits.

`state` costs a few file look-ups and may be asked on every redraw's timer. Everything else is a Job: start it, look at
its `progress` as often as you like, and read its `outcome` when it is there. Nothing here touches Blender's own Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import FitDiffError
from .installing import builds, bundle, folder_lock, interpreter, layout, record, worker
from .installing.problem import Problem, of_os_error

home = layout.home
SIZES = builds.SIZES

MISSING, INSTALLING, BROKEN, OUTDATED, READY = "missing", "installing", "broken", "outdated", "ready"
CANCELLED, FAILED, DONE = "cancelled", "failed", "done"
PATIENCE = 10.0  # seconds that a cancelled worker has to tidy up before it is killed


@dataclass(frozen=True)
class State:
    """The state of an installation. `reason` is a sentence: why it is broken or outdated, or why the last try failed."""

    name: str  # missing, installing, broken, outdated, ready
    reason: str = ""
    resumable: bool = False  # an interrupted installation has left downloads to go on from
    version: str = ""
    torch: str = ""
    build: str = ""  # cpu, cu130, cu126, rocm7.2, metal
    why: str = ""  # why that build


@dataclass(frozen=True)
class Progress:
    stage: str = ""  # prepare, download, download torch, install, check; remove
    title: str = ""  # for the artist
    step: int = 0
    steps: int = 0
    line: str = ""  # what pip is doing
    done: float = 0.0  # megabytes of the file that is being fetched
    total: float = 0.0
    fetched: float = 0.0  # megabytes of all files so far
    build: str = ""
    why: str = ""
    seconds: float = 0.0


def bundle_folder() -> Path:
    """The folder `wheels`: inside the package in a zip, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return next(
        (place for place in (package / "wheels", package.parent / "wheels") if place.is_dir()), package / "wheels"
    )


def state(folder: Path, wheels: Path | None = None) -> State:
    """missing, installing, broken, outdated or ready; a few look-ups, nothing is run."""
    if folder_lock.is_held(folder):
        return State(INSTALLING)
    made, failure = record.read(folder), record.last_failure(folder)
    reason = failure["sentence"] if failure else ""
    if made is None:
        if (folder / layout.STAMP).exists():
            return State(BROKEN, "The record of the installation cannot be read: press Repair.")
        return State(MISSING, reason, (folder / layout.DOWNLOADS).is_dir())

    def told(name: str, why: str) -> State:
        return State(name, why, version=made.version, torch=made.torch, build=made.build, why=made.why)

    if fault := record.fault(made, folder):
        return told(BROKEN, f"The backend cannot run: {fault}. Press Repair.")
    if failure and failure.get("kind") == "check":
        return told(BROKEN, reason)
    try:
        brought = bundle.read(wheels or bundle_folder())
    except Problem as problem:
        return told(READY, problem.sentence)  # what is installed works nevertheless
    if brought.fingerprint != made.fingerprint:
        other = _other(brought.version, made.version)
        return told(OUTDATED, f"The backend is {made.version}, the extension brings {other}: press Update.")
    return told(READY, reason)


def _other(brought: str, made: str) -> str:
    return f"another {brought}" if brought == made else brought


def python_of(folder: Path) -> Path | None:
    """The environment's interpreter; None while there is none that could work."""
    made = record.read(folder)
    if made is None or record.fault(made, folder):
        return None
    return layout.python_of(made.root)


def log_of(folder: Path) -> Path:
    """What pip said during the last installation."""
    return folder / layout.LOG


class Job:
    """Work in a thread of its own. Its fields may be read at any time."""

    def __init__(self, work: Callable[[Job], str], cancellable: bool = True) -> None:
        self.progress = Progress()
        self.outcome = ""  # then done, failed or cancelled
        self.error: FitDiffError | None = None
        self.cancellable = cancellable
        self._cancelling = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(work,), name="FitDiff installation", daemon=True)
        self._thread.start()

    @property
    def cancelling(self) -> bool:
        return self._cancelling.is_set()

    def cancel(self) -> None:
        """Ask it to stop; `outcome` tells when it has. What has been downloaded is kept."""
        if self.cancellable:
            self._cancelling.set()

    def wait(self, timeout: float | None = None) -> str:
        """For scripts and tests: the outcome, or "" when the time is over."""
        self._thread.join(timeout)
        return self.outcome

    def show(self, **news: object) -> None:
        self.progress = Progress(**{**vars(self.progress), **news, "seconds": time.monotonic() - self._began})  # type: ignore[arg-type]

    def _run(self, work: Callable[[Job], str]) -> None:
        try:
            outcome = work(self)
        except Problem as problem:
            self.error = FitDiffError(problem.code, problem.sentence, details=problem.details)
            outcome = FAILED
        except Exception as error:  # the thread must never end without an outcome
            self.error = FitDiffError(
                "internal",
                f"The installer stopped with an internal error ({error}): copy the details and report it.",
                details=repr(error),
            )
            outcome = FAILED
        self.outcome = outcome


def install(
    folder: Path,
    *,
    online: bool,
    build: str = "auto",
    torch_index: str | None = None,
    wheels: Path | None = None,
) -> Job:
    """Make the environment, beside an existing one, which it then replaces. Also resumes, updates and repairs.

    online: whether the network may be used at all (`bpy.app.online_access`); an offline package needs none.
    build: auto, cpu, cuda or rocm. torch_index: a mirror of PyTorch's index, or "pip" for pip's own configuration.
    """
    request = {
        "folder": str(folder),
        "bundle": str(wheels or bundle_folder()),
        "online": online,
        "build": build,
        "torch_index": torch_index,
    }
    return Job(lambda job: _install(job, request))


def check(folder: Path) -> Job:
    """Run `fitdiff doctor`; what it finds is kept, and `state` is broken until a repair."""
    return Job(lambda job: _check(job, folder))


def remove(folder: Path) -> Job:
    """Delete everything that an installation has put into the folder, and nothing else."""
    return Job(lambda job: _remove(job, folder), cancellable=False)


def _install(job: Job, request: dict) -> str:
    job.show(stage="prepare", title="Looking for a Python", step=1, steps=len(worker.STEPS))
    brought = bundle.read(Path(request["bundle"]))
    offline = brought.offline
    found = interpreter.find(offline.python, offline.platform) if offline else interpreter.find()
    request |= {"python": str(found.program), "version": list(found.version), "platform": found.platform}
    process = subprocess.Popen(
        worker.command(found.program, request),
        env=interpreter.clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # a Ctrl-C for Blender is not one for the worker; closing stdin is
        **interpreter.no_window(),
    )
    threading.Thread(target=_stop_when_asked, args=(job, process), daemon=True).start()
    told, stray = {}, ""
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                stray = (stray + line)[-4000:]
                continue
            if "outcome" not in told:
                job.show(**told)
    if "outcome" not in told and os.name != "nt":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a worker that was killed could not end its pip
    if told.get("outcome") == READY:
        return DONE
    if told.get("outcome") == CANCELLED or job.cancelling:
        return CANCELLED
    error = told.get("error") or {
        "code": "install-crash",
        "sentence": "The installation ended unexpectedly: press Install to go on.",
        "details": stray,
    }
    raise Problem(error["code"], error["sentence"], error["details"])


def _stop_when_asked(job: Job, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        if job._cancelling.wait(0.1):
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            return


def _check(job: Job, folder: Path) -> str:
    job.show(stage="check", title="Testing the backend", step=1, steps=1)
    made = record.read(folder)
    if made is None:
        raise Problem("environment-missing", "The backend is not installed: press Install.")
    fault = record.fault(made, folder)
    problem = Problem("install-broken", f"The backend cannot run: {fault}. Press Repair.") if fault else None
    problem = problem or worker.examine(lambda command: _output(job, command), made.root)
    if job.cancelling:
        return CANCELLED
    if problem:
        record.note_failure(folder, "check", problem.to_json())
        raise problem
    record.forget_failure(folder)
    return DONE


def _output(job: Job, command: list[str]) -> tuple[int, str]:
    process = subprocess.Popen(
        command,
        env=interpreter.clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        **interpreter.no_window(),
    )
    while True:
        try:
            output, _ = process.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            if job.cancelling:
                process.kill()
            continue
        return process.returncode, output


def _remove(job: Job, folder: Path) -> str:
    if not folder.is_dir():
        return DONE
    try:
        with folder_lock.FolderLock(folder):
            for path in layout.leavings(folder):  # the stamp comes first: half removed is missing, not ready
                job.show(stage="remove", title="Removing the backend", line=path.name)
                layout.delete(path)
        (folder / layout.LOCK).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise of_os_error(error, folder) from error
    return DONE
