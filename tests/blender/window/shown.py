"""The play of tour.py: the states of the panel that the documentation shows, each kept as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from . import display
from .clicked import (
    areas,
    choices,
    choose_photo,
    install,
    open_sidebar,
    the_head,
    workflow,
)
from .hand import Hand, Play

LONG = 1500.0  # seconds for a job on a busy machine
SHADERS = 8.0  # seconds without a change, after which none is compiled any more
SAMPLES = 8  # of the 3D view: no graphics card draws here
STEP = 35  # of a job, in the picture of one
UI_SCALE = 0.85  # all of the panel's words fit into a sidebar of the usual width
LIGHT = 68  # pixels from the estimated light's switch up to the picture of the light, at this scale
FACES, SHEET = (294, 460), (1100, 650)


def play(
    hand: Hand, tell: Callable[..., None], *, zip_file: str, photos: dict[str, str], engine: str, out: str
) -> Play:
    folder = Path(out)
    bpy.context.preferences.view.ui_scale = UI_SCALE
    bpy.context.scene.eevee.taa_samples = SAMPLES
    install(zip_file)
    yield from open_sidebar(hand)
    if "two" in photos:
        yield from choose_photo(hand, photos["two"], faces=2)
        yield from rest(hand)
        keep_sidebar(hand, folder / "panel-faces.png", FACES)
    yield from choose_photo(hand, photos["photo"])
    choices().engine = engine
    yield from job(hand, folder)
    yield from lights(hand, folder)
    yield from sheet(hand, folder)
    tell(done=True)


def rest(hand: Hand) -> Play:
    """The mouse out of the picture, and all drawn."""
    away(hand)
    yield from hand.still()


def away(hand: Hand) -> None:
    height, width, _ = hand.screen().shape
    display.move(width - 1, height - 1)


def job(hand: Hand, folder: Path) -> Play:
    yield from hand.click("fitdiff.reconstruct", hand.region("UI"))
    away(hand)
    yield from hand.until(lambda: fitting() >= STEP, f"step {STEP} is reached", LONG)
    hand.keep_picture(folder, "panel-progress.png")
    yield from hand.until(lambda: the_head() is not None and not workflow().busy, "the head is in the scene", LONG)
    bpy.ops.fitdiff.only_own_light()
    yield from hand.still(SHADERS, LONG)
    hand.keep_picture(folder, "panel-head.png")


def fitting() -> int:
    """The step, in the stage that shows most."""
    told = workflow().progress
    return told.step if told.stage == "fitting" else 0


def lights(hand: Hand, folder: Path) -> Play:
    sidebar = hand.region("UI")
    down = yield from hand.find("fitdiff_switches.light_on", sidebar)
    yield from hand.point(sidebar, sidebar.width / 2, down - LIGHT)  # a button of pictures does not tell what it is
    yield from hand.press()
    yield from hand.still(2.0)
    hand.keep_picture(folder, "panel-lights.png")
    display.key("Escape")
    yield from hand.still()


def sheet(hand: Hand, folder: Path) -> Play:
    yield from hand.click("fitdiff.relight_preview", hand.region("UI"))
    yield from hand.until(lambda: "IMAGE_EDITOR" in areas(), "the sheet is rendered", LONG)
    yield from keep_window(hand, folder / "panel-sheet.png", SHEET)


def keep_sidebar(hand: Hand, path: Path, size: tuple[int, int]) -> None:
    sidebar = hand.region("UI")
    left, top = hand.at(sidebar, sidebar.width - size[0], 0)
    display.save(hand.screen()[top : top + size[1], left : left + size[0]], path)


def keep_window(hand: Hand, path: Path, size: tuple[int, int], fit: bool = True) -> Play:
    """Blender's newest window, given this size; then it is closed. fit: it shows an image, to be seen whole."""
    window = hand.newest
    left, top = hand.place(window)
    beyond = left < 0 or top < 0  # the screen's edge
    display.resize(left + window.width // 2, top + window.height // 2, *size, to_corner=beyond)
    left, top = (0, 0) if beyond else (left, top)
    yield from hand.until(lambda: (window.width, window.height) == size, "the window has its size")
    if fit:
        area = window.screen.areas[0]
        region = next(region for region in area.regions if region.type == "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.image.view_all(fit_view=True)
    yield from hand.still(2.0)
    display.save(hand.screen()[top : top + size[1], left : left + size[0]], path)
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.window_close()
    yield from hand.still()
