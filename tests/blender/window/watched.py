"""The play of stalls.py: a job like an artist's, and whenever the main thread was away."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import bpy

from .hand import Hand, Play

INTERVAL = 0.005
SETTLED = 4.0  # seconds before, between and after
LEAST = 20.0  # ms of a stall that is kept
CANCEL_AT = 20
BASELINE = 12.0  # seconds of redrawing without a job: what a window costs by itself on this machine


class Watch:
    def __init__(self) -> None:
        self.began = self.last = time.perf_counter()
        self.computed = time.thread_time()
        self.phase, self.since = "before", self.began
        self.phases: dict[str, float] = {}
        self.stalls: list[dict[str, Any]] = []
        self.ran: list[tuple[str, float]] = []
        self.gaps = 0

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

    def told(self) -> dict[str, Any]:
        self.turn("over")
        return {"gaps": self.gaps, "phases": self.phases, "stalls": self.stalls}


def play(hand: Hand, tell: Callable[..., None], *, photo: str, quality: str) -> Play:
    import blender_fitdiff
    from blender_fitdiff.ui import head_panels, panel, runtime

    blender_fitdiff.register()
    watch = Watch()
    for owner, name in (
        (runtime, "_place"),
        (runtime.Runtime, "_tick_pictures"),
        (runtime.Runtime, "_redraw"),
        (runtime.Runtime, "backend_state"),
    ):
        setattr(owner, name, watch.timed(name.strip("_"), getattr(owner, name)))
    for shown in (*panel.CLASSES, *head_panels.CLASSES):
        bpy.utils.unregister_class(shown)
        shown.draw = _drawn(watch.timed(shown.__name__, shown.draw))
        bpy.utils.register_class(shown)
    _watch_drawing(watch)
    bpy.app.timers.register(watch.look, persistent=True)
    yield from _job(hand, watch, photo, quality)
    tell(**watch.told(), trouble=str(runtime.get_runtime().workflow.error or ""))


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


def _job(hand: Hand, watch: Watch, photo: str, quality: str) -> Play:
    from blender_fitdiff.operators import reconstruct
    from blender_fitdiff.ui.runtime import PACE, get_runtime, redraw, show_sidebar
    from blender_fitdiff.ui.settings import choices
    from blender_fitdiff.workflow.workflow import FINDING_FACES

    workflow = get_runtime().workflow
    yield from hand.wait(SETTLED)
    show_sidebar(hand.area())
    yield from hand.wait(SETTLED)
    watch.turn("looking for faces")
    watch.timed("choosing", lambda: setattr(choices(), "photo", photo))()
    choices().quality = quality
    while workflow.phase == FINDING_FACES:
        yield
    watch.turn("a job that is cancelled")
    watch.timed("begin", reconstruct.start_reconstruction)()
    while workflow.working and not (workflow.progress.total and workflow.progress.step >= CANCEL_AT):
        yield
    if not workflow.working:
        raise RuntimeError(f"no job to cancel at step {CANCEL_AT}: {workflow.error}")
    bpy.ops.fitdiff.cancel()
    while workflow.working:
        yield
    yield from hand.wait(SETTLED)
    watch.turn("no job, the sidebar redrawn as often as a job does")
    for _ in range(int(BASELINE / PACE)):
        redraw()
        yield from hand.wait(PACE)
    watch.turn("a job, up to its head")
    watch.timed("begin", reconstruct.start_reconstruction)()
    while workflow.working and workflow.progress.stage != "writing":
        yield
    watch.turn("the head comes in and is first drawn")
    while workflow.working:
        yield
    yield from hand.wait(2 * SETTLED)
