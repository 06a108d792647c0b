"""The batch: turns photos into tasks and answers into journal entries. A failed photo does not stop the others."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from ..avatar import refuse_to_lose
from ..errors import FitDiffError
from ..perception.select import OUTSHINES, SMALLEST
from ..reconstruction import Order
from . import journal, photos, pictures
from .journal import Entry, Journal
from .pool import Answer, Pool, Task
from .report import Report

FACES = ("one", "all", "largest")
TRIES = 2  # of a photo whose worker died
MOST_DEATHS = 10  # of workers in a row without an answer between, after which the batch ends
PATIENCE = 0.25  # seconds to wait for answers at a time


@dataclass(frozen=True)
class Plan:
    """Absolute paths; settings: fields of an Order; faces: how to treat photos of several people, one of FACES."""

    folder: Path
    out: Path
    settings: dict[str, Any]
    faces: str = "one"
    overwrite: bool = False
    skip_existing: bool = False  # also keep avatars made from other photos or settings


@dataclass(frozen=True)
class Head:
    """One avatar to be made. asked: the face's number in a split photo; face: the face to reconstruct."""

    photo: str
    sha256: str
    key: str
    name: str
    asked: int | None = None
    face: int | None = None
    begun: bool = False  # already given to a worker
    deaths: int = 0  # of workers that had this task

    @property
    def folder(self) -> str:
        return self.name if self.asked is None else f"{self.name}/face-{self.asked}"

    def entry(self, status: str, **more: Any) -> Entry:
        names = ("photo", "key", "name", "folder", "asked")
        return Entry(status=status, tries=self.deaths + 1, **{name: getattr(self, name) for name in names}, **more)


class Batch:
    """on_head(entry, kept) is called for every finished head; kept: it existed already."""

    def __init__(self, plan: Plan, found: photos.Found, log: Journal, on_head: Callable[[Entry, bool], None]) -> None:
        self.plan, self._log, self._on_head = plan, log, on_head
        names = photos.folder_names(found.photos, log.names())
        self._earlier = dict(log.entries)
        self._photos = deque(names.items())
        self._heads: deque[Head] = deque()
        self._at_work: dict[int, tuple[Head, float]] = {}
        self._next = 0
        self._deaths = 0
        self._failure: FitDiffError | None = None
        self._stopped = False
        self.report = Report(plan.out, plan.settings, found, plan.faces)

    def run(self, pool: Pool) -> None:
        """Work until all is done. Raises FitDiffError cancelled, disk-full, worker-missing or worker-crashed."""
        try:
            with self._stoppable():
                while not self._stopped and self._failure is None:
                    more = self._give(pool)
                    if not more and not self._at_work:
                        break
                    for answer in pool.answers(PATIENCE if self._at_work else 0):
                        self._through(answer)
                    self.report.keep_up(len(self._photos) + len(self._heads) + len(self._at_work))
        finally:
            pool.close()
            self.report.add_earlier(self._left_alone())
            self.report.write(left := len(self._photos) + len(self._heads) + len(self._at_work))
        if self._failure:
            raise self._failure
        if self._stopped:
            sentence = f"Stopped with {left} photos or heads left: run the same command again to continue."
            raise FitDiffError("cancelled", sentence, data=self.report.counts())

    def stop(self) -> None:
        """From any thread: start no more tasks and drop the running ones."""
        self._stopped = True

    def _left_alone(self) -> list[Entry]:
        """Existing heads of earlier runs that this one has neither made nor kept."""
        entries = [entry for key, entry in self._earlier.items() if key not in self.report.there()]
        return [entry for entry in entries if journal.is_whole(self.plan.out, entry)]

    # --- tasks --------------------------------------------------------------------------------------------------------

    def _give(self, pool: Pool) -> bool:
        """Fill the pool; False when nothing waits."""
        while self._heads or self._photos:
            if self._stopped or self._failure or pool.room() < 1:
                return True
            if self._heads:
                self._start(pool, self._heads.popleft())
            else:
                self._open(*self._photos.popleft())
        return False

    def _open(self, photo: str, name: str) -> None:
        """Queue a photo's heads: one, none if it is done, or several if an earlier run found several faces."""
        head = Head(photo, "", "", name)
        try:
            head = self._head(photo, photos.sha256(self.plan.folder / photo), name)
        except OSError as error:
            sentence = f"“{Path(photo).name}” could not be read: check that it is still there and may be read."
            self._fail(head, FitDiffError("photo-unreadable", sentence, details=str(error)))
            return
        before = self._log.entries.get((photo, None))
        if before and before.status == "split" and (before.key == head.key or self.plan.skip_existing):
            self._split(head, before.faces)
        else:
            self._heads.append(head)

    def _head(self, photo: str, sha256: str, name: str, asked: int | None = None) -> Head:
        settings = {**self.plan.settings, "faces": self.plan.faces}
        return Head(photo, sha256, journal.key(sha256, settings, asked), name, asked, asked)

    def _split(self, head: Head, faces: list[int]) -> None:
        self._heads.extendleft(self._head(head.photo, head.sha256, head.name, face) for face in reversed(faces))

    def _start(self, pool: Pool, head: Head) -> None:
        before = self._log.entries.get((head.photo, head.asked))
        ours = before is not None and before.key == head.key and before.folder == head.folder
        if not head.begun:
            if before and ours and journal.is_whole(self.plan.out, before):
                self._done(before, kept=True)
                return
            try:
                # An unfinished or damaged avatar may be replaced; anything else only on request.
                if not (before and ours and before.status in ("started", "done")):
                    refuse_to_lose(self.plan.out / head.folder, self.plan.overwrite)
            except FitDiffError as error:
                there = self._existing(head, before) if self.plan.skip_existing else None
                if there is not None:
                    self._done(there, kept=True)
                else:
                    self._fail(head, error, remember=False)
                return
            self._log.add(head.entry("started"))
        order = Order(
            photo=str(self.plan.folder / head.photo),
            out=str(self.plan.out / head.folder),
            face=head.face,
            overwrite=True,  # checked above
            **self.plan.settings,
        )
        self._next += 1
        try:
            pool.give(Task(self._next, order))
        except FitDiffError as error:
            if error.code == "worker-missing":
                self._failure = error
                self._heads.appendleft(head)
            else:
                self._fail(head, error)
            return
        self._at_work[self._next] = (replace(head, begun=True), time.monotonic())

    def _existing(self, head: Head, before: Entry | None) -> Entry | None:
        """The complete avatar in this head's folder, whatever it was made from; None if there is none."""
        folder = self.plan.out / head.folder
        if before is not None and journal.is_whole(self.plan.out, before):
            return before
        if folder.is_symlink():
            return None
        try:
            there = head.entry("done", face=head.face, manifest=journal.manifest_hash(folder))
        except OSError:
            return None
        if not journal.is_whole(self.plan.out, there):
            return None
        return msgspec.structs.replace(there, thumbnail=pictures.of_avatar(folder))

    # --- answers ------------------------------------------------------------------------------------------------------

    def _through(self, answer: Answer) -> None:
        head, began = self._at_work.pop(answer.task.id)
        seconds = time.monotonic() - began
        error = answer.error
        self._deaths = self._deaths + 1 if answer.lost else 0
        if error is None:
            self._finish(head, answer.result or {}, seconds)
        elif self._deaths >= MOST_DEATHS:
            self._heads.append(head)
            sentence = "FitDiff's worker process keeps dying: run `fitdiff doctor` to find the cause."
            self._failure = FitDiffError("worker-crashed", sentence, details=error.details)
        elif answer.lost and head.deaths + 1 < TRIES:
            self._heads.appendleft(replace(head, deaths=head.deaths + 1))
        elif error.code == "disk-full":
            self._heads.appendleft(head)
            sentence = "The disk is full: free some space, then run the same command again to continue."
            self._failure = FitDiffError("disk-full", sentence, details=error.details)
        elif error.code == "several-faces" and head.asked is None and self.plan.faces != "one":
            self._choose(head, error)
        else:
            self._fail(head, error, seconds=seconds)

    def _finish(self, head: Head, result: dict[str, Any], seconds: float) -> None:
        folder = self.plan.out / head.folder
        try:
            manifest = journal.manifest_hash(folder)
        except OSError as error:
            sentence = "The avatar disappeared right after it was written: check the output folder."
            self._fail(head, FitDiffError("write-avatar", sentence, details=str(error)), seconds=seconds)
            return
        entry = head.entry(
            "done",
            face=head.face,
            verdict=result.get("verdict"),
            notes=result.get("notes", []),
            metrics=result.get("metrics", {}),
            timings=result.get("timings", {}),
            seconds=round(seconds, 3),
            manifest=manifest,
            thumbnail=pictures.of_avatar(folder),
        )
        self._log.add(entry)
        self._done(entry)

    def _choose(self, head: Head, error: FitDiffError) -> None:
        """Split a photo into its main faces: those of at least half the largest one's size, as in perception.select."""
        sizes = {face["number"]: _size(face["box"]) for face in error.data["faces"]}
        largest = max(sizes, key=lambda number: sizes[number])
        if self.plan.faces == "largest":
            self._heads.appendleft(replace(head, face=largest))
            return
        chosen = [n for n, size in sizes.items() if size >= SMALLEST and OUTSHINES * size > sizes[largest]]
        if not chosen:
            self._fail(head, error)
            return
        self._log.add(head.entry("split", faces=chosen))
        self._split(head, chosen)

    def _fail(self, head: Head, error: FitDiffError, *, seconds: float = 0.0, remember: bool = True) -> None:
        entry = head.entry(
            "failed",
            face=head.face,
            seconds=round(seconds, 3),
            error=error.to_json(),
            thumbnail=pictures.of_photo(self.plan.folder / head.photo, error),
        )
        if remember:
            self._log.add(entry)
        self._done(entry)

    def _done(self, entry: Entry, kept: bool = False) -> None:
        self.report.add(entry, kept)
        self._on_head(entry, kept)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the batch between two journal lines; a second Ctrl-C ends it at once."""

        def stop(number: int, frame: Any) -> None:
            if self._stopped:
                raise KeyboardInterrupt
            self.stop()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _size(box: list[float]) -> float:
    """The box's longer side, as in perception.types.Face."""
    return max(box[2] - box[0], box[3] - box[1])
