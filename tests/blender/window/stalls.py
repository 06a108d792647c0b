"""How long Blender's window stands still while a head is made, and where:

    python3 tests/blender/window/stalls.py --engine-python PYTHON PHOTO [--blender BLENDER] [--quality standard]

Needs a Blender with a window, so an X server where there is none (`Xvfb :77 -screen 0 1600x1000x24 +extension GLX &`,
`DISPLAY=:77`), and the engine's Python. Blender starts with factory settings and the extension from this checkout; a photo is
looked at, a head is made, cancelled at step 20, and made again. A timer asks to be called every few milliseconds: what passes
between two calls beyond that is a stall. Printed are the longest ones by phase, each with the computing time of Blender's main
thread in it and what of ours ran in it (ms). Not a test: what it reads depends on what else the machine does, so the load is
printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SHOWN = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--engine-python", type=Path, required=True, help="an interpreter that has the engine")
    parser.add_argument("--blender", default="blender", help="default: the one on the PATH")
    parser.add_argument("--quality", default="standard", help="draft, standard, fine or finest")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds after which Blender is ended")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fitdiff-stalls-") as folder:
        told = Path(folder) / "told.json"
        wanted = {"photo": str(options.photo.resolve()), "quality": options.quality, "told": str(told)}
        environment = {
            **os.environ,
            "BLENDER_USER_RESOURCES": folder,
            "FITDIFF_BACKEND_PYTHON": str(options.engine_python),
            "FITDIFF_STALLS": json.dumps(wanted),
            "PYTHONPATH": "",
        }
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.blender.window import watched; watched.start()"
        )
        command = [options.blender, "--factory-startup", "--python-expr", code]
        try:
            done = subprocess.run(
                command, env=environment, timeout=options.timeout, check=False, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            sys.stderr.write("It took too long: give --timeout more seconds.\n")
            return 1
        if not told.is_file():
            sys.stderr.write(
                f"Blender ended with {done.returncode} and told nothing.\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n"
            )
            return 1
        report(json.loads(told.read_text(encoding="utf-8")))
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
        print(f"{phase}: {told['phases'][phase]:.1f} s, {over} stalls over 50 ms")
        for one in stalls[:SHOWN]:
            ours = ", ".join(f"{name} {spent:.0f}" for name, spent in one["ran"]) or "nothing of ours"
            print(
                f"  {one['clock']:6.0f} ms by the clock, {one['computing']:5.0f} computed; at {one['at']:.1f} s; {ours}"
            )


if __name__ == "__main__":
    sys.exit(main())
