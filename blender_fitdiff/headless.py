"""Photos and avatar folders become .blend, .glb, .usdc, .fbx and pictures, without a window and without anybody watching.

    blender -b --python batch.py -- photos/ --out heads/ --blend --glb --render cycles --hdri city
    blender -c fitdiff photos/ --out heads/ --blend --glb --render cycles --hdri city

docs/headless.md describes both, the report and the exit codes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import bpy

from .backend import install
from .errors import FitDiffError
from .reconstruction import Engine, backend_python
from .rendering.engines import ENGINES, eevee_trouble, use_engine
from .rendering.pictures import save, sheet
from .rendering.relight import ESTIMATED, relight_cells
from .scene.environment import find_hdri, hdris
from .scene.export import FORMATS, export_head
from .scene.heads import Head, head_of
from .scene.importer import import_avatar
from .scene.reader import MANIFEST
from .ui import places

DONE, SOME_FAILED, USAGE, NONE_DONE, NO_BACKEND, CANNOT_WRITE, CANCELLED = 0, 1, 2, 3, 4, 5, 130
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif")
LONGEST = 3600.0  # seconds that one photo may take
MOST_PEOPLE = 500  # of one call
Job = Path | int
"""A photo or an avatar folder, or the seed of a random person."""
ENGINE_OPTIONS = {
    "engine": str,
    "face": int,
    "face_model": str,
    "likeness": float,
    "resolution": int,
    "steps": int,
    "seed": int,
}


@dataclass
class Outcome:
    """What became of one input."""

    input: str
    status: str = "failed"  # done; incomplete: the avatar is there, but not all that was asked for; failed
    folder: str = ""
    files: list[str] = field(default_factory=list)
    seconds: float = 0.0
    errors: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def blame(self, error: FitDiffError) -> None:
        self.errors.append({"code": error.code, "message": error.sentence, "details": error.details})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise FitDiffError("usage", f"{message}. See --help.")


def parser(program: str) -> argparse.ArgumentParser:
    made = _Parser(prog=program, description="Photos and avatar folders become heads in Blender's files.")
    made.add_argument("inputs", nargs="*", metavar="INPUT", help="photos, avatar folders, or folders of either")
    made.add_argument(
        "--random", type=int, default=0, metavar="N", help="and N people whom nobody has photographed, from --seed on"
    )
    made.add_argument("--out", type=Path, required=True, help="each input gets a folder of its own in it")
    made.add_argument("--blend", action="store_true", help="head.blend, maps packed")
    made.add_argument("--glb", action="store_true", help="head.glb")
    made.add_argument("--usd", action="store_true", help="head.usdc and its textures")
    made.add_argument("--fbx", action="store_true", help="head.fbx, maps inside")
    made.add_argument("--render", choices=("cycles", "eevee"), help="portrait.png in the photo's light")
    made.add_argument(
        "--hdri",
        action="append",
        default=[],
        metavar="NAME",
        help="with --render: relit.png under this HDRI too; a name of Blender's, a file, or `all`; may be repeated",
    )
    made.add_argument("--size", type=int, default=512, help="of portraits, pixels a side; default 512")
    made.add_argument("--samples", type=int, help="per pixel; default 32 for Cycles, 16 for EEVEE")
    made.add_argument("--overwrite", action="store_true", help="replace what an earlier run left")
    made.add_argument("--backend-python", metavar="PATH", help="the engine's Python; default: the installed one")
    made.add_argument("--timeout", type=float, default=LONGEST, metavar="S", help="for one photo; default 3600 seconds")
    for name, kind in ENGINE_OPTIONS.items():
        made.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="V", help="as `fitdiff reconstruct` has it")
    return made


def run(words: Sequence[str], program: str = "batch.py") -> int:
    """The whole command; gives its exit code and never raises for what an input, a disk or a user can cause."""
    try:
        options = parser(program).parse_args(list(words))
        for name in options.hdri:
            if name != "all":
                find_hdri(name)
        if options.hdri and not options.render:
            raise FitDiffError("usage", "--hdri needs --render cycles or --render eevee.")
        if not (16 <= options.size <= 8192 and (options.samples is None or 1 <= options.samples <= 65536)):
            raise FitDiffError("usage", "--size can be 16 to 8192 pixels, --samples 1 to 65536.")
        if not (options.inputs or options.random):
            raise FitDiffError("usage", "Give photos or avatar folders, or --random N. See --help.")
        if not 0 <= options.random <= MOST_PEOPLE:
            raise FitDiffError("usage", f"--random can be 1 to {MOST_PEOPLE}.")
        if options.timeout <= 0:
            raise FitDiffError("usage", "--timeout is a number of seconds above 0.")
    except FitDiffError as error:
        _say(f"{program}: {error.sentence}")
        return USAGE
    except SystemExit as leave:  # --help has printed
        return int(leave.code or 0)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out):
            pass
    except OSError as error:
        _say(f"{program}: {options.out} cannot be written: choose another folder. ({error.strerror})")
        return CANNOT_WRITE
    return _run(options, program)


def _run(options: argparse.Namespace, program: str) -> int:
    options.out = options.out.resolve()
    began = time.monotonic()
    jobs: list[Job] = list(dict.fromkeys(_inputs(options.inputs)))
    jobs += range(options.seed or 0, (options.seed or 0) + options.random)
    outcomes: list[Outcome] = []
    code = None
    logs = Path(tempfile.mkdtemp(prefix="fitdiff-"))
    engine: Engine | FitDiffError | None = None
    try:
        engine = _engine_for(options, jobs, logs)
        _all(jobs, options, engine, outcomes)
    except KeyboardInterrupt:
        code = CANCELLED
    except FitDiffError as error:  # there is no engine, and only photos were given
        _say(f"{program}: {error.sentence}")
        for job in jobs:
            outcomes.append(outcome := Outcome(_called(job)))
            outcome.blame(error)
        code = NO_BACKEND
    finally:
        if isinstance(engine, Engine):
            engine.stop()
        shutil.rmtree(logs, ignore_errors=True)
    if code is None:
        code = _verdict(outcomes)
    try:
        _write_report(options.out, outcomes, code, time.monotonic() - began)
    except OSError as error:
        _say(f"{program}: the report could not be written: make room on the disk. ({error.strerror})")
        code = code or CANNOT_WRITE
    return code


def _all(
    jobs: Sequence[Job], options: argparse.Namespace, engine: Engine | FitDiffError, outcomes: list[Outcome]
) -> None:
    taken: set[str] = set()
    for number, job in enumerate(jobs, start=1):
        outcomes.append(outcome := Outcome(_called(job)))
        _say(f"[{number}/{len(jobs)}] {outcome.input}")
        started = time.monotonic()
        try:
            _one(job, _name(job, taken), options, engine, outcome)
        finally:
            outcome.seconds = round(time.monotonic() - started, 2)
        for trouble in outcome.errors:
            _say(f"    {trouble['message']} [{trouble['code']}]")
        _say(f"    {outcome.status}, {outcome.seconds:.1f} s")


def _verdict(outcomes: Sequence[Outcome]) -> int:
    if not outcomes or all(outcome.status == "failed" for outcome in outcomes):
        return NONE_DONE
    return DONE if all(outcome.status == "done" for outcome in outcomes) else SOME_FAILED


def _inputs(given: Sequence[str]) -> Iterator[Path]:
    """Folders that are no avatars stand for the photos and avatars in them."""
    for word in given:
        path = Path(os.path.abspath(word))
        if path.name == MANIFEST:
            yield path.parent
        elif path.is_dir() and not (path / MANIFEST).is_file():
            try:
                inside = sorted(path.iterdir())
            except OSError:
                inside = []
            chosen = [
                one
                for one in inside
                if (one.is_file() and one.suffix.lower() in PICTURES) or (one / MANIFEST).is_file()
            ]
            yield from chosen or [path]  # an empty folder is told in the report
        else:
            yield path


def _engine_for(options: argparse.Namespace, jobs: Sequence[Job], logs: Path) -> Engine | FitDiffError:
    """The engine, or why there is none: that stops only photos."""
    try:
        return Engine(backend_python(options.backend_python, installed_python()), logs)
    except FitDiffError as error:
        if options.backend_python or (jobs and not any(_is_avatar(job) for job in jobs)):
            raise
        return error


def installed_python() -> Path | None:
    """The interpreter of the engine that the extension has installed."""
    return install.python_of(places.engine_folder())


def _is_avatar(job: Job) -> bool:
    return isinstance(job, Path) and (job / MANIFEST).is_file()


def _called(job: Job) -> str:
    return str(job) if isinstance(job, Path) else f"random person {job}"


def _name(job: Job, taken: set[str]) -> str:
    """Of the input's folder in the output: two photos of one name stay apart."""
    base = (
        f"person-{job}" if isinstance(job, int) else (job.name if _is_avatar(job) else job.stem).lstrip(".") or "head"
    )
    name = base
    number = 2
    while name.casefold() in taken:
        name = f"{base}-{number}"
        number += 1
    taken.add(name.casefold())
    return name


def _one(job: Job, name: str, options: argparse.Namespace, engine: Engine | FitDiffError, outcome: Outcome) -> None:
    """The avatar first, then what is made of it in a hidden folder, from where each file takes its place whole."""
    target = options.out / name
    part = None
    try:
        if target.exists() and not options.overwrite:
            sentence = f"There is a folder “{name}” already. Choose another --out, or say --overwrite."
            raise FitDiffError("output-exists", sentence, details=str(target))
        if isinstance(job, int):
            avatar = _drawn(job, target / "avatar", options, engine)
        elif _is_avatar(job):
            avatar = job
        else:
            avatar = _reconstructed(job, target / "avatar", options, engine, outcome)
        target.mkdir(exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".", suffix=".fitdiff-tmp", dir=target))
        _build(avatar, name, part, options, outcome)
        for made in sorted(part.iterdir()):
            _take_place(made, target / made.name)
        part.rmdir()
        outcome.folder = str(target)
        outcome.files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
        outcome.status = "incomplete" if outcome.errors else "done"
    except FitDiffError as error:
        outcome.blame(error)
    except OSError as error:
        sentence = "The disk refused: choose another folder for --out, or make room."
        outcome.blame(FitDiffError("write-output", sentence, details=str(error)))
    except Exception as error:  # a fault of ours must not end the night's work
        sentence = f"FitDiff stumbled over this one because of a fault of its own ({type(error).__name__})."
        outcome.blame(FitDiffError("internal", sentence, details=_traceback(error)))
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # only an empty folder goes
            target.rmdir()


def _reconstructed(
    job: Path, avatar: Path, options: argparse.Namespace, engine: Engine | FitDiffError, outcome: Outcome
) -> Path:
    if not job.is_file():
        inside = "holds neither photos nor avatars" if job.is_dir() else "is not there"
        raise FitDiffError("input-missing", f"“{job.name}” {inside}: check the path.", details=str(job))
    if isinstance(engine, FitDiffError):
        raise engine
    chosen = {option: getattr(options, option) for option in ENGINE_OPTIONS if getattr(options, option) is not None}
    avatar.parent.mkdir(exist_ok=True)
    answer = engine.reconstruct(job, avatar, seconds=options.timeout, overwrite=options.overwrite, **chosen)
    outcome.notes += [str(note) for note in answer.get("notes", [])]
    return avatar


def _drawn(seed: int, avatar: Path, options: argparse.Namespace, engine: Engine | FitDiffError) -> Path:
    if isinstance(engine, FitDiffError):
        raise engine
    avatar.parent.mkdir(exist_ok=True)
    chosen = {
        option: getattr(options, option) for option in ("face_model", "steps") if getattr(options, option) is not None
    }
    engine.sample(avatar, seconds=options.timeout, overwrite=options.overwrite, seed=seed, **chosen)
    return avatar


def _build(avatar: Path, name: str, folder: Path, options: argparse.Namespace, outcome: Outcome) -> None:
    """Each product on its own: one that this Blender cannot make does not cost the others."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    head = head_of(import_avatar(avatar, scene=scene, name=name, pack=True).collection)
    assert head is not None
    engine = _engine(options, outcome)
    if options.blend:
        with _blaming(outcome):
            _set_up_rendering(scene, options, engine)
            _save_blend(folder / "head.blend")
    for kind, suffix in FORMATS.items():
        if getattr(options, kind):
            with _blaming(outcome):
                export_head(head, folder / f"head{suffix}")
    if engine:
        with _blaming(outcome):
            _pictures(head, folder, options, engine)


def _engine(options: argparse.Namespace, outcome: Outcome) -> str:
    if options.render == "eevee" and (trouble := eevee_trouble()):
        outcome.notes.append(f"EEVEE cannot draw here without a screen, so Cycles rendered. ({trouble[:200]})")
        return "CYCLES"
    return options.render.upper() if options.render else ""


def _set_up_rendering(scene: bpy.types.Scene, options: argparse.Namespace, engine: str) -> None:
    if engine in ENGINES:
        use_engine(scene, engine, options.samples or 128)


def _save_blend(path: Path) -> None:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, check_existing=False)
    except RuntimeError as error:
        sentence = "head.blend could not be written: choose another folder, or make room on the disk."
        raise FitDiffError("write-blend", sentence, details=str(error)) from error


def _pictures(head: Head, folder: Path, options: argparse.Namespace, engine: str) -> None:
    """portrait.png under the photo's light; with --hdri, relit.png with it and the chosen ones side by side."""
    names = [ESTIMATED]
    for name in options.hdri:
        names += hdris() if name == "all" else [name]
    names = list(dict.fromkeys(names))
    cells = list(relight_cells(head, names, engine=engine, size=options.size, samples=options.samples))
    save(cells[0][1], folder / "portrait.png")
    if len(cells) > 1:
        save(sheet(cells, min(3, len(cells))), folder / "relit.png")


@contextmanager
def _blaming(outcome: Outcome) -> Iterator[None]:
    """Errors with a sentence go to the outcome, and the next product is made."""
    try:
        yield
    except FitDiffError as error:
        outcome.blame(error)


def _take_place(made: Path, place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)  # textures beside a .usdc
    os.replace(made, place)


def _write_report(out: Path, outcomes: Sequence[Outcome], code: int, seconds: float) -> None:
    told = {
        "format": "fitdiff-batch",
        "version": 1,
        "exit_code": code,
        "blender": bpy.app.version_string,
        "seconds": round(seconds, 2),
        "heads": [asdict(outcome) for outcome in outcomes],
    }
    lines = [_line(outcome) for outcome in outcomes]
    counts = {state: sum(o.status == state for o in outcomes) for state in ("done", "incomplete", "failed")}
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()) + f"; {seconds:.0f} s")
    for name, text in (
        ("report.json", json.dumps(told, ensure_ascii=False, indent=1)),
        ("report.txt", "\n".join(lines)),
    ):
        part = out / f".{name}.part"
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, out / name)
    _say("\n".join(lines))


def _line(outcome: Outcome) -> str:
    told = "".join(f"\n    {error['message']} [{error['code']}]" for error in outcome.errors)
    told += "".join(f"\n    note: {note}" for note in outcome.notes)
    return f"{outcome.status:<10} {outcome.input} ({outcome.seconds:.1f} s){told}"


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))[-4000:]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


_command = None


def register() -> None:
    """`blender -c fitdiff ...`, where Blender knows commands (4.2 and newer do)."""
    global _command
    if hasattr(bpy.utils, "register_cli_command"):
        _command = bpy.utils.register_cli_command("fitdiff", lambda words: run(words, "blender -c fitdiff"))


def unregister() -> None:
    global _command
    if _command is not None:
        bpy.utils.unregister_cli_command(_command)
        _command = None
