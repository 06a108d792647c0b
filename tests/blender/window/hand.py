"""Inside a Blender with a window: an artist's hand that finds buttons by what lies under the mouse, clicks them with the real
mouse, and waits for what must happen instead of for seconds.

A play is a generator; each `yield` lets Blender's main loop run. `hand.until`, `hand.click` and their like are called with
`yield from`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import display

Play = Generator[None, None, Any]

PATIENCE = 240.0  # seconds for what takes moments on a quiet machine
STEP = 9  # pixels between two looks: less than half of a button's height
BORDER = 18  # pixels at a region's lower end: a mouse there drags the border instead
LOOK = 0.05  # seconds between two looks at what is waited for: to read the screen costs a core's time
SETTLE = 3  # rounds of the main loop after the mouse has moved, until the button under it knows
TRIES = 12
AGAIN = 40.0  # seconds after which an artist clicks once more
CLICKS = 4
ALL = 40  # turns of the wheel to a region's end


class Hand:
    def __init__(self) -> None:
        self.frame = Path(os.environ["FITDIFF_FRAME"])
        self.doing = "beginning"
        self.known: dict[str, float] = {}  # where buttons were found last

    # --- the window -------------------------------------------------------------------------------------------------

    @property
    def window(self) -> bpy.types.Window:
        return bpy.context.window_manager.windows[0]

    @property
    def newest(self) -> bpy.types.Window:
        return bpy.context.window_manager.windows[-1]

    def area(self, kind: str = "VIEW_3D") -> bpy.types.Area:
        areas = [area for window in self._windows() for area in window.screen.areas if area.type == kind]
        if not areas:
            raise AssertionError(f"no {kind} on the screen")
        return max(areas, key=lambda area: area.width * area.height)

    def region(self, kind: str, area: str = "VIEW_3D") -> bpy.types.Region:
        return next(region for region in self.area(area).regions if region.type == kind)

    def _windows(self) -> list[bpy.types.Window]:
        """The newest first: what opens lies above."""
        return list(bpy.context.window_manager.windows)[::-1]

    def _window_of(self, region: bpy.types.Region) -> tuple[bpy.types.Window, bpy.types.Area]:
        for window in self._windows():
            for area in window.screen.areas:
                if any(one == region for one in area.regions):
                    return window, area
        raise AssertionError("the region is not on the screen any more")

    def screen(self) -> np.ndarray:
        return display.picture(self.frame)

    def keep_picture(self, folder: Path, name: str = "screen.png") -> str:
        display.save(self.screen(), folder / name)
        return str(folder / name)

    # --- waiting ----------------------------------------------------------------------------------------------------

    def until(self, happens: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Play:
        """What `happens` gave when it was true at last."""
        self.doing = f"waiting until {what}"
        end = time.monotonic() + seconds
        while not (found := happens()):
            if time.monotonic() > end:
                raise AssertionError(f"within {seconds:.0f} s it did not happen that {what}")
            yield from self.wait(LOOK)
        return found

    def rounds(self, count: int = SETTLE) -> Iterator[None]:
        for _ in range(count):
            yield

    def wait(self, seconds: float) -> Iterator[None]:
        end = time.monotonic() + seconds
        yield
        while time.monotonic() < end:
            yield

    def still(self, seconds: float = 1.0, patience: float = PATIENCE) -> Play:
        """Until the picture on the screen has not changed for so long."""
        last, since = self.screen(), time.monotonic()
        end = since + patience
        while time.monotonic() - since < seconds:
            yield from self.wait(LOOK)
            now = self.screen()
            if not np.array_equal(now, last):
                last, since = now, time.monotonic()
            if time.monotonic() > end:
                raise AssertionError("the screen does not come to rest")

    # --- mouse and keyboard -----------------------------------------------------------------------------------------

    def at(self, region: bpy.types.Region, across: float, down: float) -> tuple[int, int]:
        """A place on the screen: pixels from the region's left and top. Blender counts from below, and a window
        without a frame stands where it says."""
        window, _ = self._window_of(region)
        left, top = self.place(window)
        return round(left + region.x + across), round(top + window.height - region.y - region.height + down)

    def place(self, window: bpy.types.Window) -> tuple[int, int]:
        """Its left and top on the screen."""
        return window.x, self.screen().shape[0] - window.y - window.height

    def point(self, region: bpy.types.Region, across: float, down: float) -> Play:
        display.move(*self.at(region, across, down))
        yield from self.rounds()

    def press(self) -> Play:
        """The left mouse button, held for a moment as a finger does."""
        display.button(1, down=True)
        yield from self.rounds()
        display.button(1, down=False)
        yield from self.rounds()

    def press_key(self, region: bpy.types.Region, name: str) -> Play:
        """With the mouse over the region's middle: Blender's keys go to what the mouse is over."""
        yield from self.point(region, region.width / 2, region.height / 2)
        display.key(name)
        yield from self.rounds()

    # --- buttons ----------------------------------------------------------------------------------------------------

    def under_mouse(self, region: bpy.types.Region) -> str:
        """The button's operator as Python writes it, or the property's path: `fitdiff.reconstruct`, `fitdiff.photo`."""
        window, area = self._window_of(region)
        manager = bpy.context.window_manager
        with bpy.context.temp_override(window=window, area=area, region=region):
            if bpy.ops.ui.copy_python_command_button.poll():
                bpy.ops.ui.copy_python_command_button()
                return manager.clipboard
            told = bpy.context.property
        return f"{type(told[0]).__name__}.{told[1]}" if told else ""

    def turn_wheel(self, name: str, region: bpy.types.Region, down: bool) -> Play:
        """Ctrl and the wheel over a menu's button: its next entry."""
        yield from self.hover(name, region)
        display.wheel(down, held="ctrl")
        yield from self.rounds()

    def find(self, name: str, region: bpy.types.Region, across: float = 0.5) -> Play:
        """Where the button is, in pixels from the region's top; searched as it stands, then from above, scrolling."""
        for tries in range(TRIES):
            seen = yield from self._search(name, region, across)
            if seen is not None:
                return seen
            yield from self.scroll(region, down=tries > 0, turns=4 if tries else ALL)
        raise AssertionError(f"no button {name}")

    def scroll(self, region: bpy.types.Region, down: bool, turns: int = ALL) -> Play:
        yield from self.point(region, region.width / 2, region.height / 2)
        display.wheel(down, turns)
        yield from self.still()

    def _search(self, name: str, region: bpy.types.Region, across: float) -> Play:
        hits: list[int] = []
        for down in range(STEP, region.height - BORDER, STEP):
            yield from self.point(region, region.width * across, down)
            if name in self.under_mouse(region):
                hits.append(down)
            elif hits:
                break
        return sum(hits) / len(hits) if hits else None

    def click(self, name: str, region: bpy.types.Region, across: float = 0.5) -> Play:
        """The button with the left mouse button, once the mouse is truly over it."""
        self.doing = f"looking for the button {name}"
        yield from self.hover(name, region, across)
        self.doing = f"clicking {name}"
        yield from self.press()

    def achieve(
        self, name: str, region: bpy.types.Region, happens: Callable[[], Any], what: str, across: float = 0.5
    ) -> Play:
        """Click until it has happened: while Blender compiles shaders, a panel may move between the mouse's arrival and its
        button, and an artist would click again."""
        for _ in range(CLICKS):
            yield from self.still()
            if happens():
                return
            yield from self.click(name, region, across)
            end = time.monotonic() + AGAIN
            while not happens() and time.monotonic() < end:
                yield from self.wait(LOOK)
        yield from self.until(happens, what)

    def hover(self, name: str, region: bpy.types.Region, across: float = 0.5) -> Play:
        yield from self.point(region, region.width * across, self.known.get(name, region.height / 2))
        if name not in self.under_mouse(region):
            self.known[name] = yield from self.find(name, region, across)
            yield from self.point(region, region.width * across, self.known[name])
        yield from self.until(lambda: name in self.under_mouse(region), f"the mouse is over {name}")
