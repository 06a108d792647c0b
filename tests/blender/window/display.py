"""A screen that nobody sees (Xvfb), its mouse and keyboard (xdotool), and pictures of it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from types import TracebackType

import numpy as np

NEEDED = ("Xvfb", "xdotool")
FRAME = "Xvfb_screen0"  # the server keeps its pixels in a file of this name, in the format of `xwd`


def missing() -> list[str]:
    return [program for program in NEEDED if not shutil.which(program)]


class Display:
    """`with Display(1280, 800) as display:` gives programs their DISPLAY in `display.environment`."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)

    def __enter__(self) -> Display:
        self._folder = tempfile.TemporaryDirectory(prefix="fitdiff-display-")
        read, write = os.pipe()
        screen = ["-screen", "0", f"{self.size[0]}x{self.size[1]}x24", "-fbdir", self._folder.name]
        command = [
            "Xvfb",
            "-displayfd",
            str(write),
            *screen,
            "-dpi",
            "96",
            "+extension",
            "GLX",
            "-nolisten",
            "tcp",
            "-noreset",
        ]
        log = Path(self._folder.name, "log").open("wb")
        self._server = subprocess.Popen(command, pass_fds=[write], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        os.close(write)
        with os.fdopen(read) as told:  # the server writes its number when it is ready, and takes one that is free
            number = told.readline().strip()
        if not number:
            self.__exit__(None, None, None)
            raise RuntimeError("Xvfb did not start.")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WAYLAND_", "XDG_SESSION"))}
        frame = str(Path(self._folder.name, FRAME))
        self.environment = {**kept, "DISPLAY": f":{number}", "FITDIFF_FRAME": frame, "LIBGL_ALWAYS_SOFTWARE": "1"}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.terminate()
        self._server.wait(timeout=30)
        self._folder.cleanup()


def picture(frame: Path) -> np.ndarray:
    """What is on the screen now: (H, W, 3) uint8, top row first."""
    data = frame.read_bytes()
    head = struct.unpack_from(">25I", data)
    (start, width, height), bits, line, colours = (head[0], head[4], head[5]), head[11], head[12], head[19]
    assert bits == 32, "not the depth that was asked for"
    rows = np.frombuffer(data, np.uint8, line * height, start + 12 * colours).reshape(height, line)
    return rows[:, : 4 * width].reshape(height, width, 4)[..., 2::-1].copy()


def save(pixels: np.ndarray, path: Path) -> None:
    """As PNG."""
    rows = np.concatenate([np.zeros((len(pixels), 1), np.uint8), pixels.reshape(len(pixels), -1)], 1)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def xdotool(*words: str) -> None:
    subprocess.run(["xdotool", *words], check=True, stdout=subprocess.DEVNULL, timeout=60)


def move(x: int, y: int) -> None:
    xdotool("mousemove", str(x), str(y))


def button(number: int, down: bool) -> None:
    """1 is the left one."""
    xdotool("mousedown" if down else "mouseup", str(number))


def wheel(down: bool, turns: int = 1, held: str = "") -> None:
    around = (["keydown", held], ["keyup", held]) if held else ([], [])
    xdotool(*around[0], "click", "--repeat", str(turns), "--delay", "10", "5" if down else "4", *around[1])


def key(name: str) -> None:
    xdotool("key", name)


def write(text: str) -> None:
    xdotool("type", "--delay", "20", text)


def resize(x: int, y: int, width: int, height: int, to_corner: bool = False) -> None:
    """The window that is seen at x, y gets this size; to_corner: and comes into the screen's left upper corner."""
    move(x, y)
    told = subprocess.run(["xdotool", "getmouselocation", "--shell"], check=True, capture_output=True, text=True).stdout
    window = dict(line.split("=") for line in told.split())["WINDOW"]
    xdotool(*(("windowmove", window, "0", "0") if to_corner else ()), "windowsize", window, str(width), str(height))
