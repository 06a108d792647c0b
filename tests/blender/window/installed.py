"""The play of tour.py with --zip: the preferences with a backend that was installed, and the panel when it is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from .clicked import NAME, choose_photo, install, open_sidebar, ours
from .hand import Hand, Play
from .shown import LONG, SAMPLES, UI_SCALE, keep_sidebar, keep_window, rest

PREFERENCES, TROUBLE = (880, 450), (294, 300)


def play(hand: Hand, tell: Callable[..., None], *, zip_file: str, photo: str, out: str) -> Play:
    folder = Path(out)
    bpy.context.preferences.view.ui_scale = UI_SCALE
    bpy.context.preferences.system.use_online_access = True
    bpy.context.scene.eevee.taa_samples = SAMPLES
    install(zip_file)
    yield from hand.until(lambda: hand.screen().std() > 5, "Blender's window is drawn")
    yield from open_sidebar(hand)
    runtime, ready = ours("ui.runtime").get_runtime(), ours("backend.install").READY
    bpy.ops.fitdiff.install_backend()
    yield from hand.until(lambda: runtime.installing is None, "the installation is over", LONG)
    tell(installed=runtime.backend_state().name, why=str(runtime.install_error or ""))
    assert runtime.backend_state().name == ready
    yield from preferences(hand, folder)
    yield from choose_photo(hand, photo)
    damage()
    yield from hand.wait(3.0)  # what is known of the installation holds for a second
    yield from rest(hand)
    keep_sidebar(hand, folder / "panel-trouble.png", TROUBLE)
    tell(done=True)


def preferences(hand: Hand, folder: Path) -> Play:
    bpy.context.window_manager.addon_search = "FitDiff"
    bpy.ops.screen.userpref_show(section="ADDONS")
    yield from hand.still()
    bpy.ops.preferences.addon_expand(module=NAME)
    yield from hand.still()
    yield from keep_window(hand, folder / "panel-preferences.png", PREFERENCES, fit=False)


def damage() -> None:
    """A file that the backend cannot do without goes missing."""
    made = ours("backend.installing.record").read(ours("ui.folders").backend_folder())
    next(made.root / made.packages / name for name in made.sizes if name.endswith(".py")).unlink()
