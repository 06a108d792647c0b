"""The play of tour.py: the states of the panel that the documentation shows, each kept as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from . import display
from .clicked import (
    NAME,
    areas,
    choices,
    choose_photo,
    desk,
    install,
    open_sidebar,
    ours,
    the_head,
)
from .hand import Hand, Play

LONG = 1500.0  # seconds for an installation or a job on a busy machine
SHADERS = 8.0  # seconds without a change, after which none is compiled any more
STEP = 35  # of a job, in the picture of one
UI_SCALE = 0.85  # all of the panel's words fit into a sidebar of the usual width
LIGHT = 68  # pixels from the estimated light's switch up to the picture of the light, at this scale
FACES, TROUBLE = (294, 460), (264, 420)
PREFERENCES, SHEET = (880, 605), (1100, 650)


def play(
    hand: Hand, tell: Callable[..., None], *, zip_file: str, photos: dict[str, str], engine: str, out: str
) -> Play:
    folder = Path(out)
    bpy.context.preferences.view.ui_scale = UI_SCALE
    install(zip_file)
    yield from hand.until(lambda: hand.screen().std() > 5, "Blender's window is drawn")
    yield from open_sidebar(hand)
    installed = ours("ui.places").named_python() is None
    if installed:
        yield from install_engine(hand)
        yield from preferences(hand, folder)
    if "two" in photos:
        yield from choose_photo(hand, photos["two"], faces=2)
        yield from rest(hand)
        keep_sidebar(hand, folder / "panel-faces.png", FACES)
    yield from choose_photo(hand, photos["photo"])
    choices().engine = engine
    yield from job(hand, folder)
    yield from lights(hand, folder)
    yield from sheet(hand, folder)
    if installed and "other" in photos:
        yield from trouble(hand, folder, photos["other"])
    tell(done=True)


def rest(hand: Hand) -> Play:
    """The mouse out of the picture, and all drawn."""
    away(hand)
    yield from hand.still()


def away(hand: Hand) -> None:
    height, width, _ = hand.screen().shape
    display.move(width - 1, height - 1)


def install_engine(hand: Hand) -> Play:
    bpy.context.preferences.system.use_online_access = True
    room = ours("ui.studio").studio()
    yield from hand.click("fitdiff.install_engine", hand.region("UI"))
    yield from hand.until(lambda: room.installing, "the installation has begun")
    yield from hand.until(lambda: not room.installing, "the engine is installed", LONG)
    assert room.installed is None, str(room.installed)
    yield from hand.until(lambda: room.engine_state().name == "ready", "the engine is ready")


def preferences(hand: Hand, folder: Path) -> Play:
    bpy.context.window_manager.addon_search = "FitDiff"
    bpy.ops.screen.userpref_show("INVOKE_DEFAULT")
    bpy.context.preferences.active_section = "ADDONS"
    yield from hand.until(lambda: "PREFERENCES" in areas(), "the preferences are open")
    bpy.ops.preferences.addon_expand(module=NAME)
    yield from keep_window(hand, folder / "panel-preferences.png", PREFERENCES)


def job(hand: Hand, folder: Path) -> Play:
    yield from hand.click("fitdiff.reconstruct", hand.region("UI"))
    away(hand)
    yield from hand.until(lambda: fitting() >= STEP, f"step {STEP} is reached", LONG)
    hand.keep_picture(folder, "panel-progress.png")
    yield from hand.until(lambda: the_head() is not None and not desk().busy, "the head is in the scene", LONG)
    bpy.ops.fitdiff.only_own_light()
    yield from hand.still(SHADERS)
    hand.keep_picture(folder, "panel-head.png")


def fitting() -> int:
    """The step, in the stage that shows most."""
    told = desk().progress
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


def trouble(hand: Hand, folder: Path, photo: str) -> Play:
    """An engine whose interpreter is gone."""
    room, places = ours("ui.studio").studio(), ours("ui.places")
    room.disconnect()
    python = Path(places.engine_python())
    python.unlink()
    python.write_text("#!/bin/false\n")
    python.chmod(0o755)
    yield from hand.hover("fitdiff.paste_photo", hand.region("UI"), 0.81)
    bpy.context.window_manager.clipboard = photo
    yield from hand.press()
    yield from hand.until(lambda: desk().trouble, "the panel tells of it")
    yield from rest(hand)
    keep_sidebar(hand, folder / "panel-trouble.png", TROUBLE)


def keep_sidebar(hand: Hand, path: Path, size: tuple[int, int]) -> None:
    sidebar = hand.region("UI")
    left, top = hand.at(sidebar, sidebar.width - size[0], 0)
    display.save(hand.screen()[top : top + size[1], left : left + size[0]], path)


def keep_window(hand: Hand, path: Path, size: tuple[int, int]) -> Play:
    """Blender's newest window, given this size; then it is closed."""
    window = hand.newest
    display.resize(*hand.place(window), *size)
    yield from hand.until(lambda: (window.width, window.height) == size, "the window has its size")
    yield from hand.still(2.0)
    left, top = hand.place(window)
    display.save(hand.screen()[top : top + size[1], left : left + size[0]], path)
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.window_close()
    yield from hand.still()
