"""A client that is nothing but a pipe: what a test says, byte by byte, and what comes back."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fitdiff.service.framing import REPLY_LIMIT, Decoder, encode

PATIENCE = 60.0  # seconds; a machine may be slow, a service may not be silent
ACTOR = "tests.backend.service.actor"
REAL = "fitdiff.service"
CLIENT = {"name": "test", "version": "1"}


class Wire:
    def __init__(self, module: str = ACTOR, *words: object, greet: bool = True, read: bool = True) -> None:
        self._start([sys.executable, "-m", module, *map(str, words)], greet, read)

    @classmethod
    def of(cls, command: list[str]) -> Wire:
        wire = cls.__new__(cls)
        wire._start(command, greet=True, read=True)
        return wire

    def _start(self, command: list[str], greet: bool, read: bool) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self.ids = itertools.count(1)
        self.heard: list[dict] = []  # everything, in order
        self._inbox: queue.Queue[dict | None] = queue.Queue()
        self._deaf = False
        if read:
            self.listen()
        if greet:
            id = self.send("initialize", protocolVersion=1, client=CLIENT)
            self.about = self.answer(id)["result"] if read else None

    def listen(self) -> None:
        self.in_background(self._listen)

    def in_background(self, act: Callable[[], Any]) -> threading.Thread:
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        return thread

    def _listen(self) -> None:
        decoder = Decoder(REPLY_LIMIT)
        while not self._deaf and (data := os.read(self.process.stdout.fileno(), 1 << 16)):
            for found in decoder.feed(data):
                self._inbox.put(json.loads(found))
        self.process.stdout.close()
        self._inbox.put(None)

    def deaf(self) -> None:
        """Close the service's stdout from now on: after the next message that still comes."""
        self._deaf = True

    # --- saying -------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def send(self, method: str, **params: Any) -> int:
        id = next(self.ids)
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self.write(encode(json.dumps(message).encode()))
        return id

    def play(self, part: str, out: Path, steps: int = 3, **more: Any) -> int:
        return self.send("reconstruct", photo=f"/{part}", out=str(out), steps=steps, **more)

    # --- hearing ------------------------------------------------------------------------------------------------------

    def hear(self) -> dict | None:
        """The next message; None when the service has closed its stdout."""
        message = self._inbox.get(timeout=PATIENCE)
        if message:
            self.heard.append(message)
        return message

    def answer(self, id: int | None) -> dict:
        """The answer to this request, which may have come already."""
        for message in self.heard:
            if "method" not in message and message["id"] == id:
                return message
        while message := self.hear():
            if "method" not in message and message["id"] == id:
                return message
        raise AssertionError(f"no answer to {id}: {self.heard[-3:]}")

    def ask(self, method: str, **params: Any) -> dict:
        return self.answer(self.send(method, **params))

    def code(self, id: int | None) -> str:
        return self.answer(id)["error"]["data"]["code"]

    def until(self, id: int, stage: str, step: int = 0) -> dict:
        """Progress of this job at this stage, at this step or beyond."""
        while message := self.hear():
            params = message.get("params", {})
            if params.get("id") == id and params["stage"] == stage and params["step"] >= step:
                return params
        raise AssertionError("it ended")

    # --- processes ----------------------------------------------------------------------------------------------------

    def worker(self) -> int | None:
        """The worker's process id (Linux)."""
        found = children(self.process.pid)
        return found[0] if found else None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(PATIENCE)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def gone(pid: int) -> bool:
    """Not running any more (Linux); one that waits for its parent to reap it counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(true: Any, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
