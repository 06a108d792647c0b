"""Sets up Cycles and EEVEE on every Blender from 4.2 on, and finds out whether EEVEE can run here."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys

import bpy

from ..errors import FitDiffError

RENDERERS = ("CYCLES", "EEVEE")
PROBE_SECONDS = 180
_PROBE = """
import bpy
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
scene = bpy.context.scene
scene.render.engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
scene.collection.objects.link(scene.camera)
scene.render.resolution_x = scene.render.resolution_y = 8
scene.eevee.taa_render_samples = 1
bpy.ops.render.render()
print("EEVEE runs")
"""


def use_cycles(scene: bpy.types.Scene, samples: int, device: str = "CPU") -> None:
    """Denoises where this build of Blender can."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = device
    scene.cycles.samples = samples
    scene.cycles.use_denoising = has_denoiser()
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces = 6, 3


def use_eevee(scene: bpy.types.Scene, samples: int) -> None:
    """Raises FitDiffError `eevee-unavailable` where a render would crash Blender."""
    reason = eevee_trouble()
    if reason:
        sentence = "EEVEE cannot draw on this machine without a screen. Choose Cycles, or install libEGL and a driver."
        raise FitDiffError("eevee-unavailable", sentence, details=reason)
    scene.render.engine = eevee_id()
    scene.eevee.taa_render_samples = samples
    scene.render.hair_type = "STRIP"  # else every hair is at least a pixel wide
    if hasattr(scene.eevee, "use_shadows"):
        scene.eevee.use_shadows = True


def use_renderer(scene: bpy.types.Scene, renderer: str, samples: int, device: str = "CPU") -> None:
    if renderer == "CYCLES":
        use_cycles(scene, samples, device)
    else:
        use_eevee(scene, samples)


def eevee_id() -> str:
    return "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"


def has_denoiser() -> bool:
    """Some distributions build Cycles without Open Image Denoise; asking for it there makes every render fail."""
    try:
        import _cycles
    except ImportError:
        return False
    return bool(getattr(_cycles, "with_openimagedenoise", False))


def eevee_trouble() -> str:
    """Why EEVEE cannot run here; empty when it can. With a window it always can. Without one, Blender aborts when it gets no
    graphics context, so another process tries that first, once."""
    return "" if not bpy.app.background else _probe()


@functools.cache
def _probe() -> str:
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError as error:
            return str(error)
    words = ["--background", "--factory-startup", "--python-exit-code", "3", "--python-expr", _PROBE]
    command = [bpy.app.binary_path, *words] if bpy.app.binary_path else [sys.executable, "-c", _PROBE]
    try:
        done = subprocess.run(
            command,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode or "EEVEE runs" not in done.stdout:
        return f"the trial ended with {done.returncode}: {(done.stderr or done.stdout)[-400:]}"
    return ""
