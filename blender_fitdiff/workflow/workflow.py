"""What happens between a photo and an avatar folder, without bpy. A timer calls tick(); nothing here waits.

workflow = Workflow(connect, durations, folder)   # connect() gives the ServiceClient, or raises FitDiffError
workflow.find_faces(photo)                        # then: faces, faces_picture, notes, or error
workflow.reconstruct(order)                       # or make_person(order); then: made, or error
workflow.tick()                                   # whether anything has changed since the last call
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..backend.job import Job, Progress
from ..errors import FitDiffError
from .durations import Durations
from .orders import PersonOrder, PhotoOrder

IDLE, FINDING_FACES, WORKING, CANCELLING, MADE = "idle", "finding faces", "working", "cancelling", "made"


class Service(Protocol):
    """As much of backend.client.ServiceClient as is used here."""

    def inspect(self, photo: Path, out: Path | None = None, **options: Any) -> Job: ...
    def reconstruct(self, photo: Path, out: Path, **options: Any) -> Job: ...
    def sample(self, out: Path, **options: Any) -> Job: ...
    def start(self) -> None: ...


@dataclass(frozen=True)
class Face:
    """A face in the photo: its number as `fitdiff inspect` gives it, and the height of its box in pixels."""

    number: int
    pixels: float


@dataclass(frozen=True)
class Made:
    """An avatar folder that waits to be put into the scene."""

    folder: Path
    name: str
    verdict: str
    notes: tuple[str, ...]
    seconds: float


class Workflow:
    def __init__(self, connect: Callable[[], Service], durations: Durations, folder: Path) -> None:
        """folder: for temporary pictures."""
        self.phase = IDLE
        self.photo: Path | None = None
        self.faces: tuple[Face, ...] = ()
        self.faces_picture: Path | None = None  # the photo with a box round each face
        self.parts_picture: Path | None = None  # the photo with hair, skin, glasses and covers in colours
        self.notes: tuple[str, ...] = ()  # about the photo, and how far to trust the last head
        self.error: FitDiffError | None = None
        self.order: PhotoOrder | PersonOrder | None = None
        self.made: Made | None = None
        self.last: Made | None = None  # what was put into the scene
        self.durations = durations
        self._connect, self._folder = connect, folder
        self._faces_job: Job | None = None
        self._head_job: Job | None = None
        self._began = 0.0  # time.monotonic() at the click
        self._photos_seen = 0
        self._last_shown: object = None

    # --- state and requests ------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether tick() has to be called."""
        return self._faces_job is not None or self._head_job is not None or self.phase == MADE

    @property
    def working(self) -> bool:
        return self.phase in (WORKING, CANCELLING, MADE)

    @property
    def progress(self) -> Progress:
        return self._head_job.progress if self._head_job else Progress()

    @property
    def seconds(self) -> float:
        """Since the click."""
        return time.monotonic() - self._began if self.working else 0.0

    @property
    def seconds_left(self) -> float:
        """The larger of two estimates: the service's, of the present stage, and what is left of the usual duration here."""
        usual = self.durations.typical(self.order.kind) if self.order else None
        return max(self.progress.seconds_left or 0.0, (usual or 0.0) - self.seconds)

    def choose(self, photo: Path | None) -> None:
        """Take another photo, or none, and forget what was known of the last one."""
        if self._faces_job:
            self._faces_job.cancel()
            self._faces_job = None
        self.photo, self.faces, self.notes, self.error = photo, (), (), None
        self.faces_picture = self.parts_picture = None
        if self.phase == FINDING_FACES:
            self.phase = IDLE

    def find_faces(self, photo: Path) -> None:
        """Have the service look for faces, so that the artist can choose one before the long work begins."""
        self.choose(photo)
        if self.working:
            return
        self._photos_seen += 1
        try:
            out = self._folder / f"faces-{self._photos_seen}"
            self._faces_job = self._connect().inspect(photo, out)
        except FitDiffError as error:
            if error.code != "backend-missing":  # the panel shows that by itself
                self.error = error
            return
        self.phase = FINDING_FACES

    def reconstruct(self, order: PhotoOrder) -> None:
        """Reconstruct was clicked. Starts the service again even where it has given up after crashes."""
        self._begin(order, lambda service: service.reconstruct(order.photo, order.out, **order.options()), order.photo)

    def make_person(self, order: PersonOrder) -> None:
        """Random Person was clicked."""
        self._begin(order, lambda service: service.sample(order.out, **order.options()), self.photo)

    def _begin(self, order: PhotoOrder | PersonOrder, ask: Callable[[Service], Job], photo: Path | None) -> None:
        if self.working:
            raise FitDiffError("busy", "A head is being made: wait for it, or cancel it first.")
        if self._faces_job:
            self._faces_job.cancel()
            self._faces_job = None
        self.error, self.order, self.made = None, order, None
        if photo != self.photo:
            self.choose(photo)
        try:
            service = self._connect()
            service.start()
            order.out.parent.mkdir(parents=True, exist_ok=True)
            self._head_job = ask(service)
        except FitDiffError as error:
            self.phase, self.error = IDLE, error
            return
        except OSError as error:
            sentence = (
                f"FitDiff may not write into {order.out.parent}: choose another folder for heads in the preferences."
            )
            self.phase, self.error = IDLE, FitDiffError("write-denied", sentence, details=str(error))
            return
        self._began = time.monotonic()
        self.phase = WORKING

    def cancel(self) -> None:
        if self._head_job and self.phase == WORKING:
            self._head_job.cancel()
            self.phase = CANCELLING
        elif self.phase == FINDING_FACES:
            self.choose(self.photo)
        elif self.phase == MADE:
            self.made, self.phase = None, IDLE

    def show_error(self, error: FitDiffError | None) -> None:
        """Show an error of another part in the panel; None removes what is shown."""
        self.error = error

    def placed(self) -> None:
        """The caller has put the avatar into the scene."""
        self.last, self.made, self.phase = self.made, None, IDLE

    # --- timer ---------------------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        if self._faces_job and self._faces_job.poll():
            self._faces_found(self._faces_job)
        if self._head_job and self._head_job.poll():
            self._head_done(self._head_job)
        shows = (self.phase, self.error, self.progress, self.faces_picture, int(self.seconds))
        changed = shows != self._last_shown
        self._last_shown = shows
        return changed

    def _faces_found(self, job: Job) -> None:
        self._faces_job = None
        if self.phase == FINDING_FACES:
            self.phase = IDLE
        if job.error:
            self._show_job_error(job.error)
            return
        assert job.result is not None
        self._set_faces(job.result["faces"])
        self.notes = tuple(job.result["photo"]["notes"])
        folder = self._folder / f"faces-{self._photos_seen}"
        self.faces_picture, self.parts_picture = (
            picture if picture.is_file() else None for picture in (folder / "faces.png", folder / "parts.png")
        )
        if told := job.result["error"]:
            self._show_job_error(
                FitDiffError(told["code"], told["message"], details=told.get("details", ""), data=told.get("data"))
            )

    def _head_done(self, job: Job) -> None:
        self._head_job = None
        assert self.order is not None
        if job.error:
            self.phase = IDLE
            self._show_job_error(job.error)
            return
        assert job.result is not None
        seconds = time.monotonic() - self._began
        self.durations.add(self.order.kind, seconds)
        told = job.result
        if isinstance(self.order, PersonOrder):
            self.made = Made(Path(told["avatars"][0]), self.order.name, "good", (), seconds)
        else:
            self.notes = tuple(told["notes"])
            self.made = Made(Path(told["avatar"]), self.order.name, str(told["verdict"]), self.notes, seconds)
        self.phase = MADE

    def _show_job_error(self, error: FitDiffError) -> None:
        if error.code == "cancelled":
            return
        self.error = error
        if error.code in ("several-faces", "no-such-face") and error.data.get("faces"):
            self._set_faces(error.data["faces"])

    def _set_faces(self, told: list[dict[str, Any]]) -> None:
        self.faces = tuple(Face(int(one["number"]), float(one["box"][3]) - float(one["box"][1])) for one in told)
