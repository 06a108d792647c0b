"""Inside Blender, for stalls.py: plays the artist, and writes down whenever the main thread was away."""

from __future__ import annotations

import functools
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

INTERVAL = 0.005
SETTLED = 4.0  # seconds before, between and after
LEAST = 20.0  # ms of a stall that is kept
CANCEL_AT = 20


class Watch:
    def __init__(self) -> None:
        self.wanted = json.loads(os.environ["FITDIFF_STALLS"])
        self.began = self.last = time.perf_counter()
        self.computed = time.thread_time()
        self.phase, self.since = "before", self.began
        self.phases: dict[str, float] = {}
        self.stalls: list[dict[str, Any]] = []
        self.ran: list[tuple[str, float]] = []
        self.gaps = 0
        self.load = [os.getloadavg()[0]]

    def turn(self, phase: str) -> None:
        now = time.perf_counter()
        self.phases[self.phase] = self.phases.get(self.phase, 0.0) + now - self.since
        self.phase, self.since = phase, now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*words: Any, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*words, **more)
            finally:
                self.ran.append((name, (time.perf_counter() - began) * 1e3))

        return measured

    def look(self) -> float:
        now, computed = time.perf_counter(), time.thread_time()
        clock = (now - self.last - INTERVAL) * 1e3
        self.gaps += 1
        if clock >= LEAST:
            told = [(name, spent) for name, spent in self.ran if spent >= 1]
            stall = {"phase": self.phase, "clock": clock, "computing": (computed - self.computed) * 1e3}
            self.stalls.append({**stall, "at": now - self.began, "ran": told})
        self.ran.clear()
        self.last, self.computed = time.perf_counter(), time.thread_time()
        return INTERVAL

    def finish(self, trouble: str) -> None:
        self.turn("over")
        told = {
            "blender": bpy.app.version_string,
            "load": [*self.load, os.getloadavg()[0]],
            "gaps": self.gaps,
            "phases": self.phases,
            "stalls": self.stalls,
            "trouble": trouble,
        }
        Path(self.wanted["told"]).write_text(json.dumps(told), encoding="utf-8")
        bpy.ops.wm.quit_blender()


def start() -> None:
    """Whatever goes wrong ends Blender: nobody sees this window."""
    try:
        _start()
    except Exception:
        traceback.print_exc()
        os._exit(3)


def _start() -> None:
    import blender_fitdiff
    from blender_fitdiff.ui import panel, result, studio

    blender_fitdiff.register()
    watch = Watch()
    for room, name in (
        (studio, "_place"),
        (studio.Studio, "_tick_pictures"),
        (studio.Studio, "_redraw"),
        (studio.Studio, "engine_state"),
    ):
        setattr(room, name, watch.timed(name.strip("_"), getattr(room, name)))
    for shown in (*panel.CLASSES, *result.CLASSES):
        bpy.utils.unregister_class(shown)
        shown.draw = _drawn(watch.timed(shown.__name__, shown.draw))
        bpy.utils.register_class(shown)
    _watch_drawing(watch)
    bpy.app.timers.register(watch.look, persistent=True)
    bpy.context.preferences.view.show_splash = False
    artist = _artist(watch)
    bpy.app.timers.register(functools.partial(_step, watch, artist), first_interval=SETTLED, persistent=True)


def _step(watch: Watch, artist: Iterator[float]) -> float | None:
    try:
        return next(artist, None)
    except Exception:
        watch.finish(traceback.format_exc())
        return None


def _drawn(draw: Callable[..., None]) -> Callable[..., None]:
    """Blender counts a draw function's parameters."""
    return lambda self, context: draw(self, context)


def _watch_drawing(watch: Watch) -> None:
    """Blender's own drawing of the 3D view, from its first callback to its last."""
    began = [0.0]

    def before() -> None:
        began[0] = time.perf_counter()

    def after() -> None:
        watch.ran.append(("3D view", (time.perf_counter() - began[0]) * 1e3))

    bpy.types.SpaceView3D.draw_handler_add(before, (), "WINDOW", "PRE_VIEW")
    bpy.types.SpaceView3D.draw_handler_add(after, (), "WINDOW", "POST_PIXEL")


def _artist(watch: Watch) -> Iterator[float]:
    """One step for each call; gives the seconds until the next."""
    from blender_fitdiff.desk.desk import LOOKING
    from blender_fitdiff.operators import reconstruct
    from blender_fitdiff.ui.state import choices
    from blender_fitdiff.ui.studio import show_sidebar, studio

    desk = studio().desk
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    show_sidebar(area)
    yield SETTLED
    watch.turn("looking for faces")
    watch.timed("choosing", lambda: setattr(choices(), "photo", watch.wanted["photo"]))()
    choices().quality = watch.wanted["quality"]
    while desk.phase == LOOKING:
        yield 0.1
    watch.turn("a job that is cancelled")
    watch.timed("begin", reconstruct.begin)()
    while desk.working and not (desk.progress.total and desk.progress.step >= CANCEL_AT):
        yield 0.05
    bpy.ops.fitdiff.cancel()
    while desk.working:
        yield 0.05
    watch.turn("idle")
    yield SETTLED
    watch.turn("a job, up to its head")
    watch.timed("begin", reconstruct.begin)()
    while desk.working and desk.progress.stage != "writing":
        yield 0.02
    watch.turn("the head comes in and is first drawn")
    while desk.working:
        yield 0.02
    yield 2 * SETTLED
    watch.finish(str(desk.trouble or ""))
