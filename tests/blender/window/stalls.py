"""How long Blender's window stands still while a head is made, and where:

    .venvs/bpy/bin/python -m tests.blender.window.stalls --backend-python PYTHON PHOTO [--blender BLENDER] [--quality standard]

Blender is this Python's bpy with its window, or another one. It starts with factory settings and the extension from this
checkout; a photo is looked at, a head is made and cancelled at step 20, the sidebar is redrawn without any job for comparison,
and a head is made. A timer asks to be called every few milliseconds: what passes between two calls beyond that is a stall.
Printed are the longest ones by phase, each with the computing time of Blender's main thread in it and what of ours ran in it
(ms). Not a test: what it reads depends on what else the machine does, so the load is printed too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from .stage import perform

SHOWN = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--backend-python", type=Path, required=True, help="an interpreter that has the backend")
    parser.add_argument("--blender", type=Path, default=Path(sys.executable), help="a Python with bpy, or a Blender")
    parser.add_argument("--quality", default="standard", help="draft, standard, fine or finest")
    parser.add_argument("--size", default="1600x1000", help="of the window, in pixels")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds after which Blender is ended")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    performance = perform(
        "watched",
        options.blender,
        size=(width, height),
        timeout=options.timeout,
        settings={"FITDIFF_BACKEND_PYTHON": str(options.backend_python.absolute())},
        photo=str(options.photo.resolve()),
        quality=options.quality,
    )
    if "stalls" not in performance.told:
        sys.stderr.write(f"Blender ended with {performance.code}.\n{performance.told.get('trouble', '')}\n")
        sys.stderr.write(performance.console[-2000:])
        return 1
    report(performance.told)
    return 0


def report(told: dict) -> None:
    print(
        f"Blender {told['blender']}, load {told['load'][0]:.1f} before and {told['load'][1]:.1f} after, {told['gaps']} looks"
    )
    if told["trouble"]:
        print(f"trouble: {told['trouble']}")
    for phase in told["phases"]:
        stalls = sorted((one for one in told["stalls"] if one["phase"] == phase), key=lambda one: -one["clock"])
        over = sum(one["clock"] > 50 for one in stalls)
        usual = statistics.median(one["clock"] for one in stalls) if stalls else 0.0
        computing = max((one["computing"] for one in stalls), default=0.0)
        print(
            f"{phase}: {told['phases'][phase]:.1f} s, {len(stalls)} stalls, median {usual:.0f} ms, {over} over 50 ms; "
            f"the main thread computed {computing:.0f} ms at most"
        )
        for one in stalls[:SHOWN]:
            ours = ", ".join(f"{name} {spent:.0f}" for name, spent in one["ran"]) or "nothing of ours"
            print(
                f"  {one['clock']:6.0f} ms by the clock, {one['computing']:5.0f} computed; at {one['at']:.1f} s; {ours}"
            )


if __name__ == "__main__":
    sys.exit(main())
