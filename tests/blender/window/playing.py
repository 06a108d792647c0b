"""Inside Blender, for stage.py: one play, from the first turn of the main loop to the last, and what it has to tell."""

from __future__ import annotations

import functools
import importlib
import json
import os
import traceback
from pathlib import Path
from typing import Any

import bpy
import gpu

from .hand import Hand, Play

SETTING = "FITDIFF_PLAY"
TURN = 0.01  # seconds
FAILED = 3


class Told:
    """What the play tells, written at once: it may end Blender itself."""

    def __init__(self, path: Path) -> None:
        self.path, self.values = path, {"blender": bpy.app.version_string, "load": [os.getloadavg()[0]]}

    def __call__(self, **values: Any) -> None:
        self.values.update(values)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.values), encoding="utf-8")
        part.replace(self.path)


def start() -> None:
    """Called when Blender's window is there. The play is a generator of the named module: `play(hand, tell, **wanted)`."""
    asked = json.loads(os.environ[SETTING])
    tell = Told(Path(asked["told"]))
    try:
        hand = Hand()
        play = importlib.import_module(asked["module"]).play(hand, tell, **asked["wanted"])
        bpy.context.preferences.view.show_splash = False
        turn = functools.partial(_turn, hand, tell, _when_drawn(hand, play))
        bpy.app.timers.register(turn, persistent=True)
    except Exception:
        tell(trouble=traceback.format_exc())
        os._exit(FAILED)


def _when_drawn(hand: Hand, play: Play) -> Play:
    """The play, once the window is drawn and says nothing that has to be answered first."""
    yield from hand.until(lambda: hand.screen().std() > 5, "Blender's window is drawn")
    wanted = getattr(bpy.context.preferences.system, "gpu_backend", "OPENGL")
    if (
        gpu.platform.backend_type_get() != wanted
    ):  # a dialog tells that there is no Vulkan here (from 5.3 on the default)
        yield from hand.still()
        yield from hand.press_key(hand.region("WINDOW"), "Return")
        yield from hand.still()
    yield from play


def _turn(hand: Hand, tell: Told, play: Play) -> float | None:
    """Whatever goes wrong ends Blender: nobody sees this window."""
    try:
        next(play)
        return TURN
    except StopIteration:
        tell(load=[*tell.values["load"], os.getloadavg()[0]])
        bpy.ops.wm.quit_blender()
    except Exception:
        tell(trouble=f"While {hand.doing}:\n{traceback.format_exc()}", screen=hand.keep_picture(tell.path.parent))
        os._exit(FAILED)
    return None
