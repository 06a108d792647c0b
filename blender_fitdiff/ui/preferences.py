"""The extension's preferences: the backend and its installation, the face model, folders, logs."""

from __future__ import annotations

import bpy

from ..backend import install
from . import folders
from .runtime import Runtime, get_runtime
from .widgets import draw_backend, draw_error, draw_installation, sentence


class FitDiffPreferences(bpy.types.AddonPreferences):
    bl_idname = folders.PACKAGE

    build: bpy.props.EnumProperty(
        name="Compute With",
        description="Which build of PyTorch is installed with the backend",
        items=(
            ("auto", "Automatic", "What suits this machine"),
            ("cpu", "Processor", "Works everywhere; the smallest download"),
            ("cuda", "NVIDIA Card", "PyTorch with CUDA: 2.9 GB to download"),
            ("rocm", "AMD Card", "PyTorch with ROCm, on Linux"),
        ),
        default="auto",
    )
    # The identifier is an old word for the backend, kept so that what is set in people's preferences stays.
    engine_folder: bpy.props.StringProperty(
        name="Backend",
        description="Where the backend is installed; empty for the extension's own folder",
        subtype="DIR_PATH",
    )
    heads_folder: bpy.props.StringProperty(
        name="Heads",
        description="Where avatar folders are written; empty for the extension's own folder",
        subtype="DIR_PATH",
    )
    face_model: bpy.props.StringProperty(
        name="Face Model",
        description="Empty for the one that comes with FitDiff; or the name of one imported with `fitdiff model`, or its path",
    )
    subdivision: bpy.props.IntProperty(
        name="Subdivision", description="Levels of smooth subdivision when rendering", default=1, min=0, max=3
    )
    pack: bpy.props.BoolProperty(
        name="Pack Maps",
        description="Store the maps in the .blend file, so that it needs no folder beside it",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout, runtime = self.layout, get_runtime()
        _backend(layout.box(), context, runtime)
        if error := runtime.install_error:
            draw_error(layout, context, error)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(self, "build")
        column.prop(self, "face_model", placeholder="embedded")
        column.prop(self, "engine_folder", placeholder=str(folders.backend_folder()))
        column.prop(self, "heads_folder", placeholder=str(folders.heads_folder()))
        column.prop(self, "subdivision")
        column.prop(self, "pack")
        row = layout.row()
        row.operator("wm.path_open", text="Heads", icon="FILE_FOLDER").filepath = str(folders.heads_folder())
        row.operator("wm.path_open", text="Logs", icon="FILE_TEXT").filepath = str(folders.log_folder())
        log = row.operator("wm.path_open", text="Installation Log", icon="FILE_TEXT")
        log.filepath = str(install.log_of(folders.backend_folder()))


def _backend(box: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime) -> None:
    state = runtime.backend_state()
    if runtime.installing:
        draw_installation(box, context, runtime)
        return
    if state.name not in (install.READY, install.OUTDATED):
        draw_backend(box, context, runtime)
        return
    if folders.named_python():
        sentence(box, context, f"The backend is the one that {folders.SETTING} names: {folders.named_python()}", "INFO")
        _said(box, context, runtime)
        return
    box.label(text=f"Backend {state.version}, PyTorch {state.torch}", icon="CHECKMARK")
    if state.why:
        sentence(box, context, state.why)
    if state.name == install.OUTDATED:
        sentence(box, context, state.reason, "INFO")
    row = box.row(align=True)
    text = "Update" if state.name == install.OUTDATED else "Repair"
    row.operator("fitdiff.install_backend", text=text, icon="IMPORT")
    row.operator("fitdiff.check_backend", icon="CHECKMARK")
    row.operator("fitdiff.remove_backend", text="Remove", icon="TRASH")
    _said(box, context, runtime)


def _said(box: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime) -> None:
    """What the backend's doctor has found: device, face models, networks."""
    box.operator("fitdiff.examine_backend", icon="QUESTION")
    for text, icon in told(runtime.doctor_report):
        sentence(box, context, text, icon)


def told(report: dict | None) -> list[tuple[str, str]]:
    """The doctor's findings as sentences, with an icon each."""
    if report is None:
        return []
    device, assets = report["device"], report["assets"]
    card = device.get("cuda") or device.get("rocm")
    computes = f"It computes on {device['name']}" + (f", PyTorch {device['torch']}" if device.get("torch") else "")
    lines = [(f"{computes}; graphics card: {card or 'none in use'}", "SETTINGS")]
    present = [one for one in assets if one["present"]]
    lines += [(f"{one['what'][:1].upper()}{one['what'][1:]}: {one['licence']}", "CHECKMARK") for one in present]
    missing = [one["name"] for one in assets if not one["present"]]
    if missing:
        lines.append((f"Not installed (your own to bring, non-commercial): {', '.join(missing)}", "BLANK1"))
    lines += [
        (str(problem.get("sentence", problem) if isinstance(problem, dict) else problem), "ERROR")
        for problem in report["problems"]
    ]
    return lines


CLASSES = (FitDiffPreferences,)
