"""The installing process, run by a plain Python. It writes a JSON line to stdout for each change, and stops when stdin ends.

Blender keeps the other end of stdin: it closes it to cancel, and the system closes it when Blender dies, so that no pip
stays behind. command() says how it is run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

from . import builds, bundle, interpreter, layout, machine, pins, pip, record
from .folder_lock import FolderLock
from .problem import Cancelled, Problem, of_os_error

STEPS = ("prepare", "download", "download torch", "install", "check")
# Megabytes to have free before it begins: downloads and unpacked files together, measured for 2.13 (docs/install.md).
ROOM = {"cpu": 2000, "metal": 2000, "cuda": 11500, "rocm": 25000}
LOG_BYTES = 4 << 20
OFFLINE = "The build that this offline package brings."


def command(python: Path, request: dict) -> list[str]:
    """The command line of a worker. It imports this package by its folder, as Blender's name for it is unknown there."""
    folder = Path(__file__).resolve().parent
    code = f"import sys; sys.path.insert(0, {str(folder.parent)!r}); from {folder.name}.worker import main; sys.exit(main())"
    return [str(python), "-I", "-c", code, json.dumps(request)]


class Worker:
    """One installation: steps in order; each can be cancelled at any time."""

    def __init__(self, request: dict) -> None:
        self.folder = Path(request["folder"])
        self.bundle = bundle.read(Path(request["bundle"]))
        self.wish: str = request["build"]
        self.online: bool = request["online"]
        self.torch_index: str | None = request["torch_index"]
        self.base = interpreter.Interpreter(Path(request["python"]), tuple(request["version"]), request["platform"])
        self.stopping = threading.Event()
        self.child: subprocess.Popen[str] | None = None
        self.told: dict = {}
        self.fetched = 0.0  # megabytes over all files
        self.log_left = LOG_BYTES

    # ------------------------------------------------------------------------------------------------ telling

    def tell(self, **news: object) -> None:
        """Send the state, with these changes, to Blender."""
        self.told |= news
        sys.stdout.write(json.dumps(self.told) + "\n")
        sys.stdout.flush()

    def begin(self, name: str, title: str) -> None:
        if self.stopping.is_set():
            raise Cancelled
        self.tell(step=STEPS.index(name) + 1, steps=len(STEPS), stage=name, title=title, line="", done=0.0, total=0.0)
        self.log(f"== {title}")

    def log(self, text: str) -> None:
        if self.log_left > 0:
            self.log_left -= len(text)
            with (self.folder / layout.LOG).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text + "\n")

    # ------------------------------------------------------------------------------------------------ running

    def stop(self) -> None:
        """From the thread that watches stdin."""
        self.stopping.set()
        child = self.child
        if child is not None and child.poll() is None:
            child.kill()

    def run(self, command: list[str]) -> tuple[int, str]:
        """Run a child and report its lines and downloaded bytes as they come; gives exit code and output."""
        self.log(" ".join(command))
        temporary = self.folder / layout.TEMPORARY
        temporary.mkdir(exist_ok=True)
        extra = {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
        self.child = subprocess.Popen(
            command,
            env=interpreter.clean_environment(None, **pip.SETTINGS, **extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            **interpreter.no_window(),
        )
        if self.stopping.is_set():  # it may have been set while the child was started
            self.stop()
        lines: list[str] = []
        assert self.child.stdout is not None
        for line in self.child.stdout:
            fetched = pip.progress(line)
            if fetched is None:
                lines.append(line.rstrip())
                self.log(line.rstrip())
                shown = pip.shown(line)
                if shown:
                    self.tell(line=shown, done=0.0, total=0.0)
            else:
                done, total = fetched
                whole = self.fetched + done / 1e6
                self.tell(done=done / 1e6, total=total / 1e6, fetched=whole)
                self.fetched = whole if done == total else self.fetched
        code = self.child.wait()
        if self.stopping.is_set():
            raise Cancelled
        return code, "\n".join(lines)

    def pip(self, python: Path, what: str, words: list[str]) -> None:
        tool = self.folder / layout.TEMPORARY / self.bundle.path("pip").stem
        if not tool.is_dir():  # verified before; unpacked it starts several times faster than from the wheel
            with zipfile.ZipFile(self.bundle.path("pip")) as archive:
                archive.extractall(tool)
        code, output = self.run([str(python), str(tool / "pip"), *words])
        if code:
            raise pip.failure(what, output, self.online)

    # -------------------------------------------------------------------------------------------------- steps

    def install(self) -> record.Record:
        """All steps, under the folder's lock. The record is written last."""
        self.begin("prepare", "Looking at this machine")
        (self.folder / layout.LOG).unlink(missing_ok=True)
        build = self.choose()
        self.tell(build=build.tag, why=build.why)
        self.room(build)
        self.bundle.verify()
        self.tidy(self.folder / layout.TEMPORARY)
        kept = record.read(self.folder)
        for old in layout.environments(self.folder):
            if kept is None or old.name != kept.environment:
                layout.delete(old)  # left by an installation that was interrupted
        root = layout.new_environment(self.folder)
        try:
            made = self.make(root, build)
            self.begin("check", "Testing the backend")
            self.check(root)
            record.write(self.folder, made)
        except BaseException:
            self.tidy(root)
            raise
        record.forget_failure(self.folder)
        for old in layout.environments(self.folder):
            if old != root:
                self.tidy(old)
        for name in (layout.DOWNLOADS, layout.TEMPORARY):
            self.tidy(self.folder / name)
        return made

    def choose(self) -> builds.Build:
        offline = self.bundle.offline
        if offline:
            return builds.Build(offline.build, OFFLINE)
        if not self.online:
            raise Problem(
                "install-offline",
                "Blender may not use the network: switch on Allow Online Access in Preferences > System, or install "
                "FitDiff's offline package.",
            )
        return builds.choose(machine.look(self.base.platform), self.wish)

    def room(self, build: builds.Build) -> None:
        wanted = ROOM[build.kind]
        free = shutil.disk_usage(self.folder).free / 1e6
        if free + _megabytes(self.folder / layout.DOWNLOADS) < wanted:
            raise Problem(
                "disk-full",
                f"The backend needs {wanted / 1000:.1f} GB while it is installed, and only {free / 1000:.1f} GB are free at "
                f"{self.folder}: make room, or choose another folder in the preferences.",
            )

    def make(self, root: Path, build: builds.Build) -> record.Record:
        """Make the environment and install the packages; gives the record, to be written when the check has passed."""
        code, output = self.run([str(self.base.program), "-I", "-m", "venv", "--without-pip", str(root)])
        python = layout.python_of(root)
        if code or not python.exists():
            raise Problem(
                "install-venv",
                f"The Python {self.base.program} cannot make an environment: on Debian or Ubuntu install python3-venv, "
                "elsewhere Python 3.11 from python.org; then press Install again.",
                output,
            )
        wheels, unpinned = self.offline_wheels() if self.bundle.offline else self.download(python, build)
        self.begin("install", "Unpacking the backend")
        self.pip(
            python,
            "Unpacking the backend",
            pip.installation([*wheels, self.bundle.path("pip"), self.bundle.path("fitdiff")]),
        )
        packages = layout.packages_of(root)
        assert packages is not None
        return record.Record(
            folder=str(self.folder),
            environment=root.name,
            packages=packages.relative_to(root).as_posix(),
            base=str(Path(os.path.realpath(self.base.program))),
            python=self.base.python,
            platform=self.base.platform,
            version=self.bundle.version,
            torch=_torch_version(packages),
            build=build.tag,
            why=build.why,
            fingerprint=self.bundle.fingerprint,
            sizes=record.watched_sizes(packages),
            torch_files=unpinned,
            made=time.strftime("%Y-%m-%d %H:%M:%S"),
        )

    def offline_wheels(self) -> tuple[list[Path], dict[str, str]]:
        assert self.bundle.offline is not None
        self.begin("download", "Everything is in the offline package")
        return [self.bundle.folder / name for name in sorted(self.bundle.offline.wheels)], {}

    def download(self, python: Path, build: builds.Build) -> tuple[list[Path], dict[str, str]]:
        """(the wheels to install, sha256 of those without a pinned hash). What an earlier try has fetched is kept."""
        name = f"{build.tag}-py{self.base.python}-{self.bundle.fingerprint[:8]}"
        target = self.folder / layout.DOWNLOADS / name
        target.mkdir(parents=True, exist_ok=True)
        index = builds.source(build, os.environ, self.torch_index)
        torch_is_pinned = build.from_pypi and index is None
        lock, torch_lock = self.bundle.path("requirements"), self.bundle.path("torch")
        texts = [path.read_text(encoding="utf-8") for path in (lock, torch_lock)]
        pinned = pins.read(*texts) if torch_is_pinned else pins.read(texts[0])
        for gone in pins.clear(target, pinned):
            self.log(f"deleted {gone}, which is no file of the lock")
        self.begin("download", "Downloading the backend's packages")
        self.pip(python, "Downloading the packages", pip.pinned_download(lock, target))
        self.fetched = _megabytes(target)  # also what needed no fetching
        self.begin("download torch", f"Downloading PyTorch ({build.tag})")
        if torch_is_pinned:
            self.pip(python, "Downloading PyTorch", pip.pinned_download(torch_lock, target))
        else:
            requirement = builds.requirement(build, self.bundle.torch, index)
            limits = self.folder / layout.TEMPORARY / "constraints.txt"
            limits.write_text(pip.constraints(texts[0], target.glob("*.whl")), encoding="utf-8")
            self.pip(python, "Downloading PyTorch", pip.torch_download(requirement, index, limits, target))
        self.tell(fetched=_megabytes(target))
        wheels = sorted(target.glob("*.whl"))
        return wheels, pins.check(wheels, pinned)

    def check(self, root: Path) -> None:
        """Run `fitdiff doctor`, with its self test, in the new environment."""
        told = examine(self.run, root)
        if told:
            raise told

    def tidy(self, path: Path) -> None:
        """Delete a path; files that Windows still has open are deleted by the next installation."""
        try:
            layout.delete(path)
        except OSError as error:
            self.log(f"could not delete {path}: {error}")


def examine(run: object, root: Path) -> Problem | None:
    """What `fitdiff doctor` finds wrong with an environment; None when it works."""
    code, output = run([str(layout.python_of(root)), "-I", "-m", "fitdiff.cli", "doctor", "--json"])  # type: ignore[operator]
    answer = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    try:
        told = json.loads(answer)
        stops = [problem for problem in told["problems"] if problem["stops"]]
    except (ValueError, KeyError, TypeError):
        return Problem(
            "install-check",
            "The backend was installed but does not start: see the log, then press Repair.",
            output[-4000:],
        )
    if code or stops:
        first = (
            stops[0] if stops else {"what": "The backend does not start.", "remedy": "See the log, then press Repair."}
        )
        return Problem("install-check", f"{first['what']} {first['remedy']}", json.dumps(told, indent=1))
    return None


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _torch_version(packages: Path) -> str:
    found = next(iter(packages.glob("torch-*.dist-info")), None)
    return found.name.removeprefix("torch-").removesuffix(".dist-info") if found else ""


def main() -> int:
    request = json.loads(sys.argv[1])
    folder = Path(request["folder"])
    outcome: dict[str, object]
    try:
        with FolderLock(folder):
            try:
                worker = Worker(request)
                threading.Thread(target=_watch, args=(worker,), daemon=True).start()
                made = worker.install()
                outcome = {"outcome": "ready", "build": made.build}
            except Problem as problem:
                record.note_failure(folder, "install", problem.to_json())
                raise
            except OSError as error:
                refusal = of_os_error(error, folder)
                record.note_failure(folder, "install", refusal.to_json())
                raise refusal from error
    except Cancelled:
        outcome = {"outcome": "cancelled"}
    except Problem as problem:
        outcome = {"outcome": "failed", "error": problem.to_json()}
    except OSError as error:
        outcome = {"outcome": "failed", "error": of_os_error(error, folder).to_json()}
    try:
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()
    except OSError:  # Blender has ended
        pass
    return 0


def _watch(worker: Worker) -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be missed at the end
        pass
    worker.stop()
