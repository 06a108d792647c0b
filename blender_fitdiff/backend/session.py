"""One run of the service's process, from start to end; client.py starts another when one has crashed.

All threads are daemons. The keeper starts the process, reads its answers and waits for its end, all in one thread, as Linux
can signal a process when the thread that started it ends. Other threads write requests, watch timeouts and log stderr.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import FitDiffError
from . import framing
from .job import Job
from .process import Log, spawn

PROTOCOL = 1
HANDSHAKE = 60.0  # seconds from the start to the answer to `initialize`
HEARTBEAT = 5.0  # seconds of silence after which the service is pinged
SILENCE = 30.0  # seconds of silence after which it is killed
FAREWELL = 5.0  # seconds it has to end after it was asked to
TICK = 0.25  # seconds between two looks at the clock
CHUNK = 1 << 16  # bytes
LINE = 2000  # bytes of a log line that are kept


class Session:
    """`ended(session, unexpected)` is called once, from the keeper's thread, when every job has its result."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        environment: dict[str, str],
        client: dict[str, str],
        log: Log,
        ended: Callable[[Session, bool], None],
    ) -> None:
        self.about: dict[str, Any] | None = None  # the answer to `initialize`, once it is there
        self.refusal: FitDiffError | None = None  # why this service cannot be used at all
        self._command, self._folder, self._environment = command, folder, environment
        self._log, self._ended = log, ended
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._next = 0
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._silence = (
            0.0  # seconds without an answer while jobs wait for one; time in which the computer slept does not count
        )
        self._stop_at: float | None = None  # time.monotonic() at which it is killed
        self._over = False
        hello = Job("initialize", {"protocolVersion": PROTOCOL, "client": client}, self.cancel)
        hello.deadline = time.monotonic() + HANDSHAKE
        self._hello = hello
        self.send(hello)
        threading.Thread(target=self._keep, name="fitdiff backend", daemon=True).start()

    # --- for the client: nothing here waits ---------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return not self._over

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def send(self, job: Job) -> bool:
        """False when the process has ended: then the caller starts another session."""
        with self._lock:
            if self._over or self._stop_at is not None:
                return False
            if not self._jobs:  # until now no answer was due
                self._silence = 0.0
            self._next += 1
            self._jobs[self._next] = job
            self._put(self._next, job.method, job.params)
            return True

    def cancel(self, job: Job) -> None:
        with self._lock:
            for id, other in self._jobs.items():
                if other is job:
                    self._next += 1
                    self._put(self._next, "cancel", {"id": id})
                    return

    def stop(self) -> None:
        """Ask the process to end; it is killed after FAREWELL seconds."""
        with self._lock:
            if self._stop_at is None:
                self._stop_at = time.monotonic() + FAREWELL
                self._next += 1
                self._put(self._next, "shutdown", {})
                self._outgoing.put(None)

    def _put(self, id: int, method: str, params: dict[str, Any]) -> None:
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self._outgoing.put(framing.encode(json.dumps(message).encode()))

    # --- the keeper ---------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        try:
            self._process = spawn(self._command, self._folder, self._environment)
        except (OSError, ValueError) as error:
            self._log.say(f"cannot start {self._command[0]}: {error}")
            sentence = "FitDiff's backend cannot be started: press Repair in the extension's preferences."
            self._finish(FitDiffError("backend-missing", sentence, details=str(error)))
            return
        self._log.say(f"started process {self._process.pid}")
        assert self._process.stdout is not None
        threading.Thread(target=self._write, name="fitdiff writer", daemon=True).start()
        threading.Thread(target=self._watch, name="fitdiff clock", daemon=True).start()
        errors = threading.Thread(target=self._carry_errors, name="fitdiff log", daemon=True)
        errors.start()
        failure = self._listen(self._process.stdout.fileno())
        code = self._reap()
        errors.join(0.5)  # so that its last lines are in the log first; a grandchild may hold the pipe open
        self._log.say(f"process {self._process.pid} ended with {code}")
        failure.details = f"ended with {code}"
        self._finish(failure)
        errors.join(0.5)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None and not errors.is_alive():
                with suppress(OSError):
                    pipe.close()

    def _listen(self, descriptor: int) -> FitDiffError:
        """Read answers until the stream ends; gives the error for the jobs that are left."""
        decoder = framing.Decoder(framing.REPLY_LIMIT)
        try:
            while data := os.read(descriptor, CHUNK):
                self._silence = 0.0
                for found in decoder.feed(data):
                    self._receive(found)
        except Exception as error:  # not a valid answer
            self._log.say(f"what the backend says cannot be understood: {error!r}")
            sentence = (
                "FitDiff's backend gave an answer that cannot be read: press Repair in the extension's preferences."
            )
            return FitDiffError("backend-garbled", sentence)
        if self.about is None:
            return FitDiffError(
                "backend-broken", "FitDiff's backend does not start: press Repair in the extension's preferences."
            )
        sentence = "FitDiff's backend stopped unexpectedly: try again, and it starts anew."
        return FitDiffError("backend-crashed", sentence)

    def _receive(self, found: bytes | framing.Fault) -> None:
        if isinstance(found, framing.Fault):
            raise ValueError(found.sentence)
        message = json.loads(found)
        if message.get("method") == "progress":
            if job := self._jobs.get(message["params"]["id"]):
                self._advance(job, message["params"])
            return
        with self._lock:
            job = self._jobs.pop(message.get("id"), None)
        error = message.get("error")
        failure = None
        if error:
            about = error.get("data") or {}
            failure = FitDiffError(
                str(about.get("code")), str(error["message"]), details=str(about.get("details")), data=about.get("data")
            )
            if failure.code == "not-initialized" and self.refusal:
                failure = self.refusal  # it says why
            if message.get("id") is None:
                raise ValueError(f"the backend does not understand this client: {failure.sentence}")
            if job is None:
                self._log.say(f"the backend complains: {failure.sentence}")
        if job is self._hello:
            self.about, self.refusal = message.get("result"), failure
        if job:
            job.finish(message.get("result"), failure)

    def _advance(self, job: Job, told: dict[str, Any]) -> None:
        try:
            job.advance(told)
        except Exception as error:  # on_progress is the caller's and may fail; the job goes on
            self._log.say(f"progress could not be shown: {error!r}")

    def _reap(self) -> int:
        """Wait for the process, whose stdout has ended, and kill it if it stays; gives its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _finish(self, failure: FitDiffError) -> None:
        with self._lock:
            self._over = True
            jobs, asked = list(self._jobs.values()), self._stop_at is not None
            self._jobs.clear()
        self._outgoing.put(None)
        for job in jobs:
            job.finish(None, FitDiffError("cancelled", "Cancelled.") if asked else failure)
        self._ended(self, not asked)

    # --- the writer, the clock, the log -------------------------------------------------------------------------------

    def _write(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        pipe = self._process.stdin
        with suppress(OSError, ValueError):  # it has ended: the keeper notices
            while data := self._outgoing.get():
                view = memoryview(data)
                while view:
                    view = view[os.write(pipe.fileno(), view) :]
        with suppress(OSError):
            pipe.close()

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._over:
            time.sleep(TICK)
            now = time.monotonic()
            self._look_at_the_clock(now, min(now - looked, 2 * TICK))
            looked = now

    def _look_at_the_clock(self, now: float, passed: float) -> None:
        with self._lock:
            self._silence += passed
            late = [id for id, job in self._jobs.items() if job.deadline is not None and now > job.deadline]
            given_up = [self._jobs.pop(id) for id in late]
            busy, stop_at = bool(self._jobs), self._stop_at
            if busy and self._silence > HEARTBEAT and stop_at is None:
                self._next += 1
                self._put(self._next, "ping", {})
        for job in given_up:
            sentence = "FitDiff's backend did not answer in time: try again."
            job.finish(None, FitDiffError("backend-timeout", sentence, details=job.method))
        if self._hello in given_up or (busy and self._silence > SILENCE) or (stop_at is not None and now > stop_at):
            self._log.say(f"no answer for {self._silence:.0f} s: the backend is ended")
            self._kill()

    def _kill(self) -> None:
        """Kill the process and, where it leads a process group, all of the group."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()

    def _carry_errors(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        rest = b""
        with suppress(OSError, ValueError):
            while data := os.read(self._process.stderr.fileno(), CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._log.write(line[:LINE].decode(errors="replace").rstrip())
                rest = rest[:LINE]
        if rest:
            self._log.write(rest.decode(errors="replace"))
