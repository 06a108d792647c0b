"""What runs while Blender is open: the workflow, the service's client, the installer, and the timer that polls them.

There is one of each. They are not in a data-block, so undo and opening another file do not touch them.
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
from ..errors import FitDiffError
from ..scene.background_reader import BackgroundReader
from ..workflow import preview_png
from ..workflow.durations import Durations
from ..workflow.workflow import Workflow
from . import folders
from .icons import Icons

CATEGORY = "FitDiff"  # the sidebar's tab
TAB_TRIES = 20  # ticks in which the new tab is waited for
TICK = 0.25  # seconds between two polls
# Seconds between two redraws that only show progress: each redraw makes Blender compose its whole window, 50 ms without a
# graphics card.
PACE = 0.45
NICE = "10"  # priority of the service's process: below the window's, and still enough beside a render
STATE_AGE = 1.0  # seconds for which the installer's state is kept before it is asked again


class Runtime:
    """Everything is polled by `tick()`, which a timer calls; nothing here waits."""

    def __init__(self) -> None:
        self.folder = folders.temporary_folder()
        self.icons = Icons()
        self.workflow = Workflow(self.connect, Durations(folders.user_folder() / "durations.json"), self.folder)
        self.reader = BackgroundReader()
        self.installing: install.Job | None = None
        self.install_error: FitDiffError | None = None  # why the last installation failed
        self.doctor_report: dict | None = None  # what the backend's doctor found
        self._client: ServiceClient | None = None
        self._about: dict | None = None
        self._python: Path | None = None
        self._doctor: Job | None = None
        self._greeting: Job | None = None
        self._greeted = self._engines_listed = False  # whether the service was started, and its engines are in the menu
        self._state = install.State(install.MISSING)
        self._state_at = -STATE_AGE
        self._news: object = None  # what was drawn last: news at once, progress every PACE seconds
        self._progress: object = None
        self._drawn = 0.0
        self._frame: bytes | None = None

    # --- the backend and its service ----------------------------------------------------------------------------------

    def backend_state(self) -> install.State:
        """Missing, installing, broken, outdated or ready; at most STATE_AGE old."""
        now = time.monotonic()
        if now - self._state_at > STATE_AGE:
            self._state = (
                install.State(install.READY) if folders.named_python() else install.state(folders.backend_folder())
            )
            self._state_at = now
        return self._state

    def connect(self) -> ServiceClient:
        """The service's client; the process starts with the first request. Raises FitDiffError backend-missing."""
        python = folders.backend_python()
        if python is None:
            sentence = "FitDiff's backend is not installed yet: press Install Backend."
            raise FitDiffError("backend-missing", sentence)
        if self._client is None or python != self._python:
            self.disconnect()
            self._client = ServiceClient(
                python, folders.log_folder(), version=bpy.app.version_string, environment={"FITDIFF_NICE": NICE}
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

    def greet_service(self) -> None:
        """Called when the panel is drawn: have the timer start the service once, to learn which engines it has. That is
        a light process; the worker that loads torch starts with the first photo."""
        if not self._greeted:
            wake()

    def examine(self) -> None:
        """Ask the backend's doctor; `report` has the answer later."""
        self._doctor = self.connect().doctor()
        wake()

    # --- the installer ------------------------------------------------------------------------------------------------

    def install(self, job: install.Job) -> None:
        self.install_error, self.installing = None, job
        wake()

    # --- timer ---------------------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Poll everything once; False when the timer may stop."""
        self.workflow.tick()
        self._tick_installer()
        self._tick_greeting()
        if self._doctor and self._doctor.poll():
            if self._doctor.error:
                self.workflow.show_error(self._doctor.error)
            self.doctor_report, self._doctor = self._doctor.result, None
        self._tick_pictures()
        if self.workflow.made and self.reader.ready(self.workflow.made.folder):
            _place(self.workflow)
        drawn = self._redraw()
        asked = self._doctor is not None or self._greeting is not None
        return self.workflow.busy or self.installing is not None or asked or self.icons.loading or not drawn

    def _tick_greeting(self) -> None:
        if self._greeting is None and not self._greeted and self.backend_state().name == install.READY:
            self._greeted = True
            with suppress(FitDiffError):  # why it does not start is shown when a head is asked for
                self._greeting = self.connect().ping()
        if self._greeting and self._greeting.poll():
            self._greeting = None
        if not self._engines_listed and self.about:
            self._engines_listed = True
            bpy.context.window_manager.fitdiff.prefer(self.about["capabilities"]["engines"][0])

    def _tick_installer(self) -> None:
        job = self.installing
        if job and job.outcome:
            self.installing, self.install_error = None, job.error
            self._state_at = -STATE_AGE
            self.disconnect()  # the service that runs may have been replaced
            self._greeted = self._engines_listed = False
            if job.outcome == install.DONE and self.workflow.error and self.workflow.error.code.startswith("backend-"):
                self.workflow.show_error(None)
            if self.workflow.photo and not self.workflow.faces and self.backend_state().name == install.READY:
                self.workflow.find_faces(self.workflow.photo)

    def _tick_pictures(self) -> None:
        if self.workflow.faces_picture:
            self.icons.show("photo", self.workflow.faces_picture)
        if self.workflow.parts_picture:
            self.icons.show("parts", self.workflow.parts_picture)
        frame = self.workflow.progress.preview
        if frame and frame is not self._frame:
            self._frame = frame
            with suppress(ValueError):
                self.icons.paint("frame", preview_png.decode(frame))
        if self._frame and not self.workflow.working:
            self._frame = None
            self.icons.clear("frame")
        self.icons.tick()

    def _redraw(self) -> bool:
        """Redraw if something that is shown has changed: news at once, progress every PACE seconds. Whether all is drawn."""
        workflow, job = self.workflow, self.installing
        news = (
            *(
                workflow.phase,
                workflow.error,
                workflow.faces_picture,
                workflow.faces,
                workflow.last,
                workflow.progress.stage,
            ),
            *(job is None, self.install_error, self.backend_state(), self.about is None, self.doctor_report is None),
        )
        step = job and (job.progress.stage, job.progress.line, int(job.progress.fetched))
        progress = (workflow.progress, int(workflow.seconds), step, self.icons.count)
        now = time.monotonic()
        if news != self._news or (progress != self._progress and now - self._drawn >= PACE):
            self._news, self._progress, self._drawn = news, progress, now
            redraw()
        return progress == self._progress

    def close(self) -> None:
        """End the process and the jobs, and delete icons and temporary files."""
        self.workflow.cancel()
        if self.installing:
            self.installing.cancel()
        self.disconnect()
        self.icons.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_runtime: Runtime | None = None


def get_runtime() -> Runtime:
    """The one Runtime; made when it is first needed, not when Blender starts."""
    global _runtime
    if _runtime is None:
        _runtime = Runtime()
    return _runtime


def versions() -> str:
    """Of Blender and the backend, for an error's copied details."""
    about = get_runtime().about or {}
    return f"Blender {bpy.app.version_string}, backend {about.get('version', 'not running')}"


def redraw() -> None:
    """Redraw sidebars and preferences. The 3D view is left out: it shows nothing of the extension and may be slow to draw."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in (("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")):
                    region.tag_redraw()


def show_sidebar(area: bpy.types.Area) -> None:
    """Open the 3D view's sidebar at the tab FitDiff. Blender allows that only once the sidebar is drawn, so it is retried."""
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
    """Start the timer, unless Blender has no window: then timers are never called."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def _tick() -> float | None:
    if _runtime is None:
        return None
    try:
        return TICK if _runtime.tick() else None
    except Exception as error:  # Blender drops a timer that raises, and the panel would never change again
        _runtime.workflow.show_error(
            FitDiffError(
                "internal",
                "FitDiff's panel had an internal error: copy the details and report it.",
                details=_traceback(error),
            )
        )
        redraw()
        return TICK


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))[-4000:]


def reason_to_wait() -> str:
    """Why a finished head cannot be placed right now, as a sentence; empty when it can."""
    if bpy.app.is_job_running("RENDER"):
        return "The head is ready and is placed when the render is done"
    if bpy.context.mode != "OBJECT":
        return "The head is ready: switch to Object Mode to place it"
    return ""


def _place(workflow: Workflow) -> None:
    """Put the finished avatar into the scene, as one step of undo."""
    if reason_to_wait() or workflow.made is None:
        return
    made, result = workflow.made, {"CANCELLED"}
    with _window(), suppress(RuntimeError):  # a failing operator raises; the panel already shows why
        result = bpy.ops.fitdiff.place_head("EXEC_DEFAULT", True, folder=str(made.folder), name=made.name)
    if workflow.made is not made:
        return
    if result == {"FINISHED"}:
        workflow.placed()
    else:
        workflow.cancel()


def _window() -> AbstractContextManager[None]:
    """A context with a 3D view: operators need one, and a timer has none."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                region = next(region for region in area.regions if region.type == "WINDOW")
                return bpy.context.temp_override(window=window, area=area, region=region)
    return bpy.context.temp_override(window=bpy.context.window_manager.windows[0])


def close() -> None:
    global _runtime
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _runtime is not None:
        _runtime.close()
        _runtime = None
