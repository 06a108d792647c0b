"""What the panel and the preferences both draw: wrapped sentences, errors, the backend's state and its installation."""

from __future__ import annotations

import blf
import bpy

from ..backend import install
from ..errors import FitDiffError
from ..workflow import wording
from ..workflow.orders import PersonOrder
from .runtime import Runtime, get_runtime

FONT = 0  # the interface's own
MARGIN = 84.0  # pixels at a scale of 1: edges of panel and box, tabs, and the icon before a sentence
CLOSE_BUTTON = 32.0  # pixels at a scale of 1, of the button beside a sentence

_BUTTONS = {
    install.MISSING: "Install Backend",
    install.BROKEN: "Repair Backend",
    install.OUTDATED: "Update Backend",
    install.READY: "Reinstall",
}


def sentence(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE", beside: float = 0.0
) -> None:
    """Draw a sentence as several labels, as Blender cuts off long ones. beside: pixels at a scale of 1 that something beside it
    takes."""
    width = context.region.width if context.region else 300
    scale = context.preferences.system.ui_scale or 1.0  # without a window it is 0
    blf.size(FONT, context.preferences.ui_styles[0].widget.points * scale)
    column = layout.column(align=True)
    column.scale_y = 0.8
    space = width - (MARGIN + beside) * scale
    for number, line in enumerate(wording.lines(text, space, lambda words: blf.dimensions(FONT, words)[0])):
        column.label(text=line, icon=icon if number == 0 else "NONE" if icon == "NONE" else "BLANK1")


def draw_error(layout: bpy.types.UILayout, context: bpy.types.Context, error: FitDiffError) -> None:
    """The error's sentence, a button for what can be done about it, and Copy Details."""
    box = layout.box()
    row = box.row()
    sentence(row, context, error.sentence, "ERROR", beside=CLOSE_BUTTON)
    row.operator("fitdiff.dismiss", text="", icon="X", emboss=False)
    offer = wording.offer(error)
    row = box.row(align=True)
    if offer == "PHOTO":
        row.operator("fitdiff.choose_photo", text="Another Photo", icon="FILE_FOLDER")
    elif offer in ("INSTALL", "REPAIR"):
        row.operator("fitdiff.install_backend", text=f"{offer.title()} Backend", icon="IMPORT")
    elif offer == "AGAIN" and not error.code.startswith("install-"):
        again = (
            "fitdiff.random_person" if isinstance(get_runtime().workflow.order, PersonOrder) else "fitdiff.reconstruct"
        )
        row.operator(again, text="Try Again", icon="FILE_REFRESH")
    row.operator("fitdiff.copy_details", text="Copy Details", icon="COPYDOWN")


def draw_installation(layout: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime) -> None:
    """Progress of the installer: install, check or remove."""
    job = runtime.installing
    assert job is not None
    told = job.progress
    column = layout.column(align=True)
    text = told.title or "Preparing"
    within = told.done / told.total if told.total else 0.0
    factor = (max(told.step - 1, 0) + within) / told.steps if told.steps else 0.0
    row = column.row(align=True)
    row.progress(
        factor=min(factor, 1.0), type="BAR", text=f"{text} ({told.step} of {told.steps})" if told.steps else text
    )
    if job.cancellable:
        row.operator("fitdiff.cancel_install", text="", icon="X")
    small = layout.column(align=True)
    small.scale_y = 0.8
    if told.fetched:
        small.label(text=f"{told.fetched:.0f} MB downloaded, {wording.duration(told.seconds)}")
    if told.line:
        small.label(text=told.line[:60])
    if job.cancelling:
        small.label(text="Stopping")


def draw_backend(layout: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime) -> None:
    """For a backend that is missing, broken or outdated: why, and the button that helps."""
    state = runtime.backend_state()
    box = layout.box()
    if state.name == install.INSTALLING:
        sentence(box, context, "Another Blender is installing the backend: wait until it is done.", "SORTTIME")
        return
    texts = {
        install.MISSING: "FitDiff's backend is not installed yet. It gets its own Python packages; Blender's are not changed.",
        install.BROKEN: state.reason,
        install.OUTDATED: state.reason,
    }
    sentence(box, context, texts.get(state.name, ""), "INFO" if state.name == install.MISSING else "ERROR")
    if state.name == install.MISSING and state.resumable:
        sentence(box, context, "An installation was interrupted: install again to continue it.")
    if not bpy.app.online_access:
        box.prop(context.preferences.system, "use_online_access", text="Allow Online Access")
    row = box.row()
    row.scale_y = 1.4
    row.operator("fitdiff.install_backend", text=_BUTTONS[state.name], icon="IMPORT")
