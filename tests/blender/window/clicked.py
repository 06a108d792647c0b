"""The play of test_window.py: what an artist does with FitDiff from the zip to the export, by mouse and keyboard."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d

from .hand import Hand, Play

NAME = "bl_ext.user_default.fitdiff"
TAB = 24  # pixels between two tries at the sidebar's tabs
BUTTONS = {"paste": 0.81, "cancel": 0.81, "photo": 0.2, "middle": 0.6, "glb": 0.2, "usd": 0.45}  # across the sidebar
EXPORT = 58  # pixels from the opacity of the photo to the header after the next


def play(hand: Hand, tell: Callable[..., None], *, zip_file: str, photo: str, out: str) -> Play:
    folder = Path(out)
    install(zip_file)
    bpy.context.scene.eevee.taa_samples = 1  # no graphics card draws here
    tell(enabled=NAME in bpy.context.preferences.addons)
    yield from open_sidebar(hand)
    yield from choose_photo(hand, photo)
    tell(**(yield from make_and_cancel(hand)))
    yield from make(hand)
    tell(**(yield from undo_the_head(hand)))
    tell(**(yield from look_at_it(hand, folder)))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    tell(**(yield from export(hand, folder)))
    tell(sheet=(yield from sheet_in_its_window(hand)))
    tell(trouble=str(ours("ui.runtime").get_runtime().workflow.error or ""), done=True)
    yield from hand.press_key(hand.region("WINDOW"), "ctrl+q")
    yield from hand.until(lambda: False, "Blender has quit")


def ours(module: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.{module}")


def workflow() -> Any:
    return ours("ui.runtime").get_runtime().workflow


def choices() -> Any:
    return bpy.context.window_manager.fitdiff


def install(zip_file: str) -> None:
    bpy.ops.extensions.package_install_files(filepath=zip_file, repo="user_default", enable_on_install=True)
    ours("ui.runtime").NICE = "0"  # beside other programs the service would wait for them


def open_sidebar(hand: Hand) -> Play:
    yield from hand.press_key(hand.region("WINDOW"), "n")
    sidebar = hand.region("UI")
    yield from hand.until(lambda: hand.region("UI").width > 1, "the sidebar is open")
    yield from hand.still()
    for down in range(TAB, sidebar.height, TAB):
        yield from hand.point(sidebar, sidebar.width - 9, down)
        yield from hand.press()
        yield from hand.rounds(10)
        if sidebar.active_panel_category == "FitDiff":
            return
    raise AssertionError("the sidebar has no tab FitDiff")


def choose_photo(hand: Hand, photo: str, faces: int = 1) -> Play:
    yield from hand.hover("fitdiff.paste_photo", hand.region("UI"), BUTTONS["paste"])
    bpy.context.window_manager.clipboard = photo
    yield from hand.press()
    yield from hand.until(lambda: len(workflow().faces) == faces and not workflow().busy, "the faces are found")


def set_menu(hand: Hand, name: str, wanted: str, down: bool) -> Play:
    for _ in range(4):
        if getattr(choices(), name) == wanted:
            return
        yield from hand.turn_wheel(f"fitdiff.{name}", hand.region("UI"), down)
    raise AssertionError(f"{name} is {getattr(choices(), name)} and not {wanted}")


def make_and_cancel(hand: Hand) -> Play:
    """Direct Fit, until it shows how it gets on."""
    yield from set_menu(hand, "engine", "fit", down=True)
    yield from set_menu(hand, "quality", "draft", down=False)
    sidebar, icons = hand.region("UI"), ours("ui.runtime").get_runtime().icons
    yield from hand.click("fitdiff.reconstruct", sidebar)
    yield from hand.until(lambda: workflow().working, "the click has started a job", 20)
    yield from hand.until(lambda: (workflow().progress.fraction or 0) > 0 and icons.icon("frame"), "a preview has come")
    told = {"stage": workflow().progress.stage, "step": workflow().progress.step}
    yield from hand.until(lambda: skin(crop(hand, sidebar)) > 0.01, "the preview is seen")
    yield from hand.click("fitdiff.cancel", sidebar, BUTTONS["cancel"])
    yield from hand.until(lambda: not workflow().working, "the job is cancelled")
    return {**told, "after cancelling": [workflow().phase, str(workflow().error), len(bpy.data.collections)]}


def make(hand: Hand) -> Play:
    yield from set_menu(hand, "engine", "landmarks", down=True)
    yield from hand.click("fitdiff.reconstruct", hand.region("UI"))
    yield from hand.until(lambda: the_head() is not None and not workflow().busy, "the head is in the scene")


def the_head() -> Any:
    return ours("scene.heads").active_head(bpy.context)


def undo_the_head(hand: Hand) -> Play:
    """It goes in one step, and comes back in one."""
    yield from hand.press_key(hand.region("WINDOW"), "ctrl+z")
    yield from hand.until(lambda: the_head() is None, "undo has taken the head away")
    told = {"left by undo": [one.name for one in bpy.data.collections]}
    yield from hand.press_key(hand.region("WINDOW"), "ctrl+shift+z")
    yield from hand.until(lambda: the_head() is not None, "redo has brought the head back")
    return told


def look_at_it(hand: Hand, folder: Path) -> Play:
    """The head alone, its photo and the scene's lamp switched off; then without its light, with it, and the same by undo."""
    sidebar = hand.region("UI")
    photo_off, lamp_off = lambda: not switches().photo_shown, lambda: bpy.data.objects["Light"].hide_viewport
    yield from hand.achieve("photo_shown", sidebar, photo_off, "the photo is switched off", BUTTONS["photo"])
    yield from hand.achieve("fitdiff.only_own_light", sidebar, lamp_off, "the scene's lamp is switched off")
    told: dict[str, Any] = {"shading": hand.area().spaces.active.shading.type}
    yield from hand.until(lambda: skin(face(hand)) > 0.5, "the head has the colours of skin")
    yield from hand.still()
    told["lit"] = lit = look(face(hand))
    hand.keep_picture(folder, "lit.png")
    light_off = lambda: not switches().light_on  # noqa: E731
    yield from hand.achieve("light_on", sidebar, light_off, "the light is switched off", BUTTONS["middle"])
    yield from hand.until(lambda: look(face(hand))["mean"] < 0.5 * lit["mean"], "the head is dark")
    told["dark"] = look(face(hand))
    yield from hand.achieve("light_on", sidebar, lambda: switches().light_on, "the light is on", BUTTONS["middle"])
    yield from hand.until(lambda: near(look(face(hand)), lit), "the head is lit again")
    for keys, on in (("ctrl+z", False), ("ctrl+shift+z", True)):
        yield from hand.press_key(hand.region("WINDOW"), keys)
        yield from hand.until(lambda on=on: switches().light_on == on, f"{keys} switches the light")
        yield from hand.until(lambda on=on: near(look(face(hand)), lit) == on, f"{keys} is seen")
    return told


def switches() -> Any:
    return bpy.context.scene.fitdiff_switches


def export(hand: Hand, folder: Path) -> Play:
    sidebar = hand.region("UI")
    yield from hand.scroll(sidebar, down=True)
    down = yield from hand.find("photo_opacity", sidebar)
    yield from hand.point(sidebar, sidebar.width / 2, down + EXPORT)
    yield from hand.press()
    yield from hand.still()
    yield from hand.scroll(sidebar, down=True)
    told = {}
    for kind in ("glb", *(["usd"] if bpy.app.build_options.usd else [])):
        yield from hand.click(f"format='{kind}'", sidebar, BUTTONS[kind])
        yield from hand.until(lambda: "FILE_BROWSER" in areas(), "the file browser is open")
        yield from hand.still()
        yield from hand.press_key(hand.region("WINDOW", "FILE_BROWSER"), "Return")
        yield from hand.until(lambda: "FILE_BROWSER" not in areas(), "the file browser is gone")
        (written,) = yield from hand.until(lambda kind=kind: list(folder.glob(f"*.{kind}*")), f"{kind} is written")
        told[kind] = written.read_bytes()[:8].hex()
    return told


def sheet_in_its_window(hand: Hand) -> Play:
    """As the relighting sheet opens; how high its picture is shown and how high its window is. Rendering it would take minutes
    where no graphics card draws."""
    image = bpy.data.images.new("Sheet", 1600, 4000)
    ours("operators.relight_preview").show_in_window(image)
    window = hand.newest
    area = window.screen.areas[0]
    region = next(region for region in area.regions if region.type == "WINDOW")
    height = lambda: area.spaces.active.zoom[1] * image.size[1]  # noqa: E731
    yield from hand.until(lambda: height() <= region.height, "the picture is fitted to its window", 20)
    told = [height(), region.height]
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.window_close()
    yield from hand.still()
    return told


def areas() -> list[str]:
    return [area.type for window in bpy.context.window_manager.windows for area in window.screen.areas]


def crop(hand: Hand, region: bpy.types.Region) -> np.ndarray:
    left, top = hand.at(region, 0, 0)
    return hand.screen()[top : top + region.height, left : left + region.width]


def face(hand: Hand) -> np.ndarray:
    """What the screen shows where the middle of the head's bounds is."""
    region, space = hand.region("WINDOW"), hand.area().spaces.active
    mesh = the_head().mesh
    corners = [mesh.matrix_world @ type(mesh.location)(corner) for corner in mesh.bound_box]
    seen = np.array([location_3d_to_region_2d(region, space.region_3d, corner) for corner in corners])
    (left, below), (right, above) = seen.min(0), seen.max(0)
    width, height = right - left, above - below
    x, y = hand.at(region, left + 0.35 * width, region.height - above + 0.35 * height)
    return hand.screen()[y : y + round(0.3 * height), x : x + round(0.3 * width)]


def skin(pixels: np.ndarray) -> float:
    """The part of the pixels that has a colour of skin."""
    red, green, blue = (pixels[..., place].astype(int) for place in range(3))
    return float(((red > green) & (green > blue) & (red - blue > 20) & (red > 60)).mean()) if pixels.size else 0.0


def look(pixels: np.ndarray) -> dict[str, float]:
    """Deviation: of a flat colour it is 0."""
    return {"mean": float(pixels.mean()), "deviation": float(pixels.std((0, 1)).mean()), "skin": skin(pixels)}


def near(one: dict[str, float], other: dict[str, float]) -> bool:
    """About as bright; a lamp that goes is seen a while after it is switched off."""
    return abs(one["mean"] - other["mean"]) < 0.2 * other["mean"]
