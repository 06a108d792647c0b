"""The one desk, service client and installer of this Blender, and the timer that looks after them.

They live here and not in any data-block: undo, redraws and opening another file leave them alone.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import bpy

from ..backend import install
from ..backend.client import ServiceClient
from ..backend.job import Job
from ..desk import frames
from ..desk.costs import Costs
from ..desk.desk import Desk
from ..errors import FitDiffError
from ..scene.background_reader import BackgroundReader
from . import places
from .pictures import Pictures

CATEGORY = "FitDiff"  # the tab
TAB_TRIES = 20
TICK = 0.25  # seconds between two looks
# Seconds between two drawings of mere progress: for each of them Blender composes its whole window anew, which takes
# 50 ms of computing where no graphics card does it.
PACE = 0.45
NICE = "10"  # priority of the service's process: below the window's, and still enough beside a render
STATE_AGE = 1.0  # seconds for which what the installer said stays true


class Studio:
    def __init__(self) -> None:
        self.folder = places.temporary_folder()
        self.pictures = Pictures()
        self.desk = Desk(self.connect, Costs(places.user_folder() / "durations.json"), self.folder)
        self.reader = BackgroundReader()
        self.installing: install.Job | None = None
        self.installed: FitDiffError | None = None  # why the last installation failed
        self.report: dict | None = None  # what the backend's doctor found
        self._client: ServiceClient | None = None
        self._about: dict | None = None
        self._python: Path | None = None
        self._doctor: Job | None = None
        self._greeting: Job | None = None
        self._met = self._listed = False  # whether the service was started, and its engines are in the menu
        self._state = install.State(install.MISSING)
        self._state_at = -STATE_AGE
        self._news: object = None  # what was drawn last
        self._progress: object = None
        self._drawn = 0.0
        self._frame: bytes | None = None

    # --- the backend and its service ----------------------------------------------------------------------------------

    def backend_state(self) -> install.State:
        """Missing, installing, broken, outdated or ready, at most a second old."""
        now = time.monotonic()
        if now - self._state_at > STATE_AGE:
            self._state = (
                install.State(install.READY) if places.named_python() else install.state(places.backend_folder())
            )
            self._state_at = now
        return self._state

    def connect(self) -> ServiceClient:
        """The service's client; the process starts with the first request. Raises FitDiffError backend-missing."""
        python = places.backend_python()
        if python is None:
            sentence = "FitDiff's backend is not installed yet: press Install Backend."
            raise FitDiffError("backend-missing", sentence)
        if self._client is None or python != self._python:
            self.disconnect()
            self._client = ServiceClient(
                python, places.log_folder(), version=bpy.app.version_string, environment={"FITDIFF_NICE": NICE}
            )
            self._python = python
        return self._client

    def disconnect(self) -> None:
        if self._client:
            self._client.stop()
        self._client = None

    @property
    def about(self) -> dict | None:
        """The service's answer to `initialize` (version, engines, device), kept when it stops; None before its first start."""
        if self._client and self._client.about:
            self._about = self._client.about
        return self._about

    @property
    def client(self) -> ServiceClient | None:
        return self._client

    def meet(self) -> None:
        """Called when the panel is drawn: have the timer start the service once, to learn which engines it has. That is
        a light process; the worker that loads torch starts with the first photo."""
        if not self._met:
            wake()

    def examine(self) -> None:
        """Ask the backend's doctor; `report` has the answer later."""
        self._doctor = self.connect().doctor()
        wake()

    # --- the installer ------------------------------------------------------------------------------------------------

    def install(self, job: install.Job) -> None:
        self.installed, self.installing = None, job
        wake()

    # --- time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Whether there is anything left to look at."""
        self.desk.tick()
        self._tick_installer()
        self._tick_greeting()
        if self._doctor and self._doctor.poll():
            if self._doctor.error:
                self.desk.blame(self._doctor.error)
            self.report, self._doctor = self._doctor.result, None
        self._tick_pictures()
        if self.desk.made and self.reader.ready(self.desk.made.folder):
            _place(self.desk)
        drawn = self._redraw()
        asked = self._doctor is not None or self._greeting is not None
        return self.desk.busy or self.installing is not None or asked or self.pictures.loading or not drawn

    def _tick_greeting(self) -> None:
        if self._greeting is None and not self._met and self.backend_state().name == install.READY:
            self._met = True
            with suppress(FitDiffError):  # why it does not start is shown when a head is asked for
                self._greeting = self.connect().ping()
        if self._greeting and self._greeting.poll():
            self._greeting = None
        if not self._listed and self.about:
            self._listed = True
            bpy.context.window_manager.fitdiff.prefer(self.about["capabilities"]["engines"][0])

    def _tick_installer(self) -> None:
        job = self.installing
        if job and job.outcome:
            self.installing, self.installed = None, job.error
            self._state_at = -STATE_AGE
            self.disconnect()  # what runs may have been replaced
            self._met = self._listed = False
            if job.outcome == install.DONE and self.desk.trouble and self.desk.trouble.code.startswith("backend-"):
                self.desk.blame(None)
            if self.desk.photo and not self.desk.faces and self.backend_state().name == install.READY:
                self.desk.look(self.desk.photo)

    def _tick_pictures(self) -> None:
        if self.desk.picture:
            self.pictures.show("photo", self.desk.picture)
        frame = self.desk.progress.preview
        if frame and frame is not self._frame:
            self._frame = frame
            with suppress(ValueError):
                self.pictures.paint("frame", frames.pixels(frame))
        if self._frame and not self.desk.working:
            self._frame = None
            self.pictures.clear("frame")
        self.pictures.tick()

    def _redraw(self) -> bool:
        """Only when something that is shown has changed: news at once, progress at its pace. Whether all is drawn."""
        desk, job = self.desk, self.installing
        news = (
            *(desk.phase, desk.trouble, desk.picture, desk.faces, desk.last, desk.progress.stage),
            *(job is None, self.installed, self.backend_state(), self.about is None, self.report is None),
        )
        step = job and (job.progress.stage, job.progress.line, int(job.progress.fetched))
        progress = (desk.progress, int(desk.seconds), step, self.pictures.count)
        now = time.monotonic()
        if news != self._news or (progress != self._progress and now - self._drawn >= PACE):
            self._news, self._progress, self._drawn = news, progress, now
            redraw()
        return progress == self._progress

    def close(self) -> None:
        """Nothing stays behind: no process, no picture, no file."""
        self.desk.cancel()
        if self.installing:
            self.installing.cancel()
        self.disconnect()
        self.pictures.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_studio: Studio | None = None


def studio() -> Studio:
    """Made at the first need, not when Blender starts."""
    global _studio
    if _studio is None:
        _studio = Studio()
    return _studio


def versions() -> str:
    """For a copied error."""
    about = studio().about or {}
    return f"Blender {bpy.app.version_string}, backend {about.get('version', 'not running')}"


def redraw() -> None:
    """The sidebars and the preferences; the 3D view itself shows nothing of ours, and may be dear to draw."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in (("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")):
                    region.tag_redraw()


def show_sidebar(area: bpy.types.Area) -> None:
    """Open the 3D view's sidebar at our tab. Tabs can be chosen only once the sidebar has been drawn: so it is tried again."""
    area.spaces.active.show_region_ui = True
    if not bpy.app.background:
        bpy.app.timers.register(functools.partial(_show_tab, area, iter(range(TAB_TRIES))), first_interval=TICK)


def _show_tab(area: bpy.types.Area, tries: Iterator[int]) -> float | None:
    sidebar = next((region for region in area.regions if region.type == "UI"), None)
    try:
        sidebar.active_panel_category = CATEGORY  # type: ignore[union-attr]
    except (AttributeError, TypeError):  # read-only until drawn; unknown while it has no tabs
        return None if next(tries, None) is None else TICK
    redraw()
    return None


def wake() -> None:
    """Have the timer run, if there is a window to draw; without one nothing would ever call it."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def _tick() -> float | None:
    if _studio is None:
        return None
    try:
        return TICK if _studio.tick() else None
    except Exception as error:  # a timer that raises is dropped by Blender, and the panel would stand still
        _studio.desk.blame(
            FitDiffError("internal", "FitDiff's panel stumbled over a fault of its own.", details=_traceback(error))
        )
        redraw()
        return TICK


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))[-4000:]


def can_place() -> str:
    """Why a head cannot be put into the scene right now, or nothing."""
    if bpy.app.is_job_running("RENDER"):
        return "The head is ready and comes in when the render is done"
    if bpy.context.mode != "OBJECT":
        return "The head is ready: leave this mode to Object Mode to see it"
    return ""


def _place(desk: Desk) -> None:
    """The made avatar into the scene, as one step of undo."""
    if can_place() or desk.made is None:
        return
    made, result = desk.made, {"CANCELLED"}
    with _window(), suppress(RuntimeError):  # an operator that fails raises; it has told the panel why
        result = bpy.ops.fitdiff.place_head("EXEC_DEFAULT", True, folder=str(made.folder), name=made.name)
    if desk.made is not made:
        return
    if result == {"FINISHED"}:
        desk.placed()
    else:
        desk.cancel()


def _window() -> AbstractContextManager[None]:
    """A timer has no window of its own; operators want one."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                region = next(region for region in area.regions if region.type == "WINDOW")
                return bpy.context.temp_override(window=window, area=area, region=region)
    return bpy.context.temp_override(window=bpy.context.window_manager.windows[0])


def close() -> None:
    global _studio
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _studio is not None:
        _studio.close()
        _studio = None
