"""The batch command: makes .blend, .glb, .usdc, .fbx and pictures of photos and avatar folders, without a window.

    blender -b --python batch.py -- photos/ --out heads/ --blend --glb --render cycles --hdri city
    blender -c fitdiff photos/ --out heads/ --blend --glb --render cycles --hdri city

docs/headless.md describes both, the report and the exit codes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import bpy

from .backend import install
from .errors import FitDiffError
from .headless_options import FILES, RECONSTRUCT_OPTIONS, Products, asked_for, missing, read
from .headless_report import Outcome, inputs_of_heads, write_report
from .rendering.pictures import save, sheet
from .rendering.relight import ESTIMATED, relight_cells
from .rendering.renderers import RENDERERS, eevee_trouble, use_renderer
from .scene.environment import hdris
from .scene.export import FORMATS, export_head
from .scene.heads import Head, head_of
from .scene.importer import import_avatar
from .scene.reader import MANIFEST
from .service import Service, backend_python
from .ui import folders

DONE, SOME_FAILED, USAGE, NONE_DONE, NO_BACKEND, CANNOT_WRITE, CANCELLED = 0, 1, 2, 3, 4, 5, 130
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif")
Job = Path | int
"""A photo or an avatar folder, or the seed of a random person."""


def run(words: Sequence[str], program: str = "batch.py") -> int:
    """Run the command and give its exit code. Errors of inputs, disk or user are reported, not raised."""
    try:
        options = read(words, program)
        jobs = _jobs(options)
        if all(_is_avatar(job) for job in jobs) and not asked_for(options):
            raise FitDiffError("usage", f"No file is asked for: say {FILES}. Photos alone become avatar folders.")
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
    return _run(jobs, options, program)


def _run(jobs: Sequence[Job], options: argparse.Namespace, program: str) -> int:
    options.out = options.out.resolve()
    began = time.monotonic()
    outcomes: list[Outcome] = []
    code = None
    logs = Path(tempfile.mkdtemp(prefix="fitdiff-"))
    service: Service | FitDiffError | None = None
    try:
        service = _service_for(options, jobs, logs)
        _make_all(jobs, options, service, outcomes)
    except KeyboardInterrupt:
        code = CANCELLED
    except FitDiffError as error:  # there is no backend, and only photos were given
        _say(f"{program}: {error.sentence}")
        for job in jobs:
            outcomes.append(outcome := Outcome(_input_name(job)))
            outcome.add_error(_input_error(job) or error)
        code = NO_BACKEND
    finally:
        if isinstance(service, Service):
            service.stop()
        shutil.rmtree(logs, ignore_errors=True)
    if code is None:
        code = _exit_code(outcomes)
    try:
        place, text = write_report(options.out, outcomes, code, bpy.app.version_string, time.monotonic() - began)
        _say(f"{text}\nreport: {place}")
    except OSError as error:
        _say(f"{program}: the report could not be written: make room on the disk. ({error.strerror})")
        code = code or CANNOT_WRITE
    return code


def _make_all(
    jobs: Sequence[Job], options: argparse.Namespace, service: Service | FitDiffError, outcomes: list[Outcome]
) -> None:
    taken: set[str] = set()
    earlier = inputs_of_heads(options.out)
    for number, job in enumerate(jobs, start=1):
        outcomes.append(outcome := Outcome(_input_name(job)))
        _say(f"[{number}/{len(jobs)}] {outcome.input}")
        started = time.monotonic()
        try:
            name = _folder_name(job, taken, earlier if options.skip_existing else {})
            _make_one(job, name, options, service, outcome, earlier)
        finally:
            outcome.seconds = round(time.monotonic() - started, 2)
        for trouble in outcome.errors:
            _say(f"    {trouble['message']} [{trouble['code']}]")
        _say(f"    {outcome.status}, {outcome.seconds:.1f} s")


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    if not outcomes or all(outcome.status == "failed" for outcome in outcomes):
        return NONE_DONE
    return DONE if all(outcome.status in ("done", "kept") for outcome in outcomes) else SOME_FAILED


def _jobs(options: argparse.Namespace) -> list[Job]:
    first = options.seed or 0
    return [*dict.fromkeys(_inputs(options.inputs)), *range(first, first + options.random)]


def _inputs(given: Sequence[str]) -> Iterator[Path]:
    """A folder that is not an avatar stands for the photos and avatars in it."""
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
            yield from chosen or [path]  # an empty folder is reported as an error
        else:
            yield path


def _service_for(options: argparse.Namespace, jobs: Sequence[Job], logs: Path) -> Service | FitDiffError:
    """The service, or why there is none: avatar folders are worked on without it."""
    try:
        return Service(backend_python(options.backend_python, installed_python()), logs)
    except FitDiffError as error:
        photos = [job for job in jobs if not _is_avatar(job) and _input_error(job) is None]
        may_go_on = options.skip_existing or any(_is_avatar(job) for job in jobs) or not photos
        if options.backend_python or not may_go_on:
            raise
        return error


def installed_python() -> Path | None:
    """The Python of the backend that the extension has installed."""
    return install.python_of(folders.backend_folder())


def _is_avatar(job: Job) -> bool:
    return isinstance(job, Path) and (job / MANIFEST).is_file()


def _input_error(job: Job) -> FitDiffError | None:
    """Why this input is neither a photo nor an avatar; None if it may be one."""
    if isinstance(job, int) or _is_avatar(job) or job.is_file():
        return None
    what = "is not a file"
    if not job.exists():
        what = "is not there"
    elif job.is_dir():
        what = "holds neither photos nor avatars" if os.access(job, os.R_OK | os.X_OK) else "cannot be read"
    return FitDiffError("input-missing", f"“{job.name}” {what}: check the path.", details=str(job))


def _input_name(job: Job) -> str:
    return str(job) if isinstance(job, Path) else f"random person {job}"


def _folder_name(job: Job, taken: set[str], earlier: Mapping[str, str]) -> str:
    """The name of the input's folder in --out. Two photos of one name get different ones; later runs use the same."""
    base = (
        f"person-{job}" if isinstance(job, int) else (job.name if _is_avatar(job) else job.stem).lstrip(".") or "head"
    )
    name = next((name for name, made_from in earlier.items() if made_from == _input_name(job)), base)
    number = 2
    others = {name.casefold() for name, made_from in earlier.items() if made_from != _input_name(job)}
    while name.casefold() in taken | others:
        name = f"{base}-{number}"
        number += 1
    taken.add(name.casefold())
    return name


def _make_one(
    job: Job,
    name: str,
    options: argparse.Namespace,
    service: Service | FitDiffError,
    outcome: Outcome,
    earlier: Mapping[str, str],
) -> None:
    """Make one head: the avatar, then its files in a hidden folder, from where each is moved to its place."""
    target = options.out / name
    part = None
    try:
        if problem := _input_error(job):
            raise problem
        if _is_avatar(job) and not asked_for(options):
            raise FitDiffError(
                "nothing-asked", f"“{name}” is an avatar already, and no file is asked for: say {FILES}."
            )
        products, again = asked_for(options), target.exists() and not options.overwrite
        if again:
            _refuse_to_overwrite(job, target, options, earlier)
            products = missing(options, target)
        if again and not products:
            outcome.status = "kept"
            outcome.list_files(target)
            return
        if again and not _is_avatar(job):
            avatar = target / "avatar"
        elif isinstance(job, int):
            avatar = _make_random_person(job, target / "avatar", options, service)
        elif _is_avatar(job):
            avatar = job
        else:
            avatar = _reconstruct(job, target / "avatar", options, service, outcome)
        target.mkdir(exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".", suffix=".fitdiff-tmp", dir=target))
        _make_files(avatar, name, part, options, products, outcome)
        for made in sorted(part.iterdir()):
            _replace(made, target / made.name)
        part.rmdir()
        outcome.list_files(target)
        outcome.status = "incomplete" if outcome.errors else "done"
    except FitDiffError as error:
        outcome.add_error(error)
    except OSError as error:
        sentence = "The files could not be written: choose another folder for --out, or make room on the disk."
        outcome.add_error(FitDiffError("write-output", sentence, details=str(error)))
    except Exception as error:  # a bug must not end the whole batch
        sentence = (
            f"FitDiff had an internal error with this input ({type(error).__name__}): see the details, and report them."
        )
        outcome.add_error(FitDiffError("internal", sentence, details=_traceback(error)))
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # only an empty folder is removed
            target.rmdir()


def _refuse_to_overwrite(job: Job, target: Path, options: argparse.Namespace, earlier: Mapping[str, str]) -> None:
    """Raise FitDiffError output-exists for an existing folder, unless --skip-existing is given and an earlier run made it."""
    ours = (target / "avatar" / MANIFEST).is_file() or (_is_avatar(job) and target.name in earlier)
    if not options.skip_existing:
        ways = "say --skip-existing to keep it, or --overwrite"
    elif not ours:
        ways = "as no earlier run made it, or say --overwrite"
    else:
        return
    sentence = f"There is a folder “{target.name}” already: choose another --out, {ways}."
    raise FitDiffError("output-exists", sentence, details=str(target))


def _reconstruct(
    job: Path, avatar: Path, options: argparse.Namespace, service: Service | FitDiffError, outcome: Outcome
) -> Path:
    if isinstance(service, FitDiffError):
        raise service
    chosen = {
        option: getattr(options, option) for option in RECONSTRUCT_OPTIONS if getattr(options, option) is not None
    }
    avatar.parent.mkdir(exist_ok=True)
    answer = service.reconstruct(job, avatar, seconds=options.timeout, overwrite=options.overwrite, **chosen)
    outcome.notes += [str(note) for note in answer.get("notes", [])]
    return avatar


def _make_random_person(seed: int, avatar: Path, options: argparse.Namespace, service: Service | FitDiffError) -> Path:
    if isinstance(service, FitDiffError):
        raise service
    avatar.parent.mkdir(exist_ok=True)
    chosen = {
        option: getattr(options, option) for option in ("face_model", "steps") if getattr(options, option) is not None
    }
    service.sample(avatar, seconds=options.timeout, overwrite=options.overwrite, seed=seed, **chosen)
    return avatar


def _make_files(
    avatar: Path, name: str, folder: Path, options: argparse.Namespace, products: Products, outcome: Outcome
) -> None:
    """Make each file by itself: where this Blender cannot make one, the others are still made."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    head = head_of(import_avatar(avatar, scene=scene, name=name, pack=True).collection)
    assert head is not None
    renderer = _renderer(options, outcome)
    if products.blend:
        with _collecting_errors(outcome):
            _set_up_rendering(scene, options, renderer)
            _save_blend(folder / "head.blend")
    for kind in products.exports:
        with _collecting_errors(outcome):
            export_head(head, folder / f"head{FORMATS[kind]}", cards=not options.no_cards)
    if products.pictures:
        with _collecting_errors(outcome):
            _pictures(head, folder, options, renderer)


def _renderer(options: argparse.Namespace, outcome: Outcome) -> str:
    if options.render == "eevee" and (trouble := eevee_trouble()):
        outcome.notes.append(f"EEVEE cannot draw here without a screen, so Cycles rendered. ({trouble[:200]})")
        return "CYCLES"
    return options.render.upper() if options.render else ""


def _set_up_rendering(scene: bpy.types.Scene, options: argparse.Namespace, renderer: str) -> None:
    if renderer in RENDERERS:
        use_renderer(scene, renderer, options.samples or 128)


def _save_blend(path: Path) -> None:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, check_existing=False)
    except RuntimeError as error:
        sentence = "head.blend could not be written: choose another folder, or make room on the disk."
        raise FitDiffError("write-blend", sentence, details=str(error)) from error


def _pictures(head: Head, folder: Path, options: argparse.Namespace, renderer: str) -> None:
    """portrait.png in the photo's light; with --hdri, relit.png: that light and the chosen HDRIs side by side."""
    names = [ESTIMATED]
    for name in options.hdri:
        names += hdris() if name == "all" else [name]
    names = list(dict.fromkeys(names))
    cells = list(relight_cells(head, names, renderer=renderer, size=options.size, samples=options.samples))
    save(cells[0][1], folder / "portrait.png")
    if len(cells) > 1:
        save(sheet(cells, min(3, len(cells))), folder / "relit.png")


@contextmanager
def _collecting_errors(outcome: Outcome) -> Iterator[None]:
    """Add a FitDiffError to the outcome, and go on with the next file."""
    try:
        yield
    except FitDiffError as error:
        outcome.add_error(error)


def _replace(made: Path, place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)  # textures beside a .usdc
    os.replace(made, place)


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
