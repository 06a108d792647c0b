"""From a photo to an avatar folder, one step at a time: asked by a timer, it looks and never waits. Needs no bpy.

desk = Desk(connect, costs, folder)    connect() gives the ServiceClient, or raises FitDiffError while there is none
desk.look(photo)                       finds the faces; then faces, picture, trouble
desk.begin(order)  desk.draw(person)   makes the avatar; then made or trouble
desk.tick()                            whether anything has changed since the last time
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..backend.job import Job, Progress
from ..errors import FitDiffError
from .costs import Costs
from .orders import Draw, Order

IDLE, LOOKING, WORKING, CANCELLING, MADE = "idle", "looking", "working", "cancelling", "made"


class Service(Protocol):
    """As much of backend.client.ServiceClient as is used here."""

    def inspect(self, photo: Path, out: Path | None = None, **options: Any) -> Job: ...
    def reconstruct(self, photo: Path, out: Path, **options: Any) -> Job: ...
    def sample(self, out: Path, **options: Any) -> Job: ...
    def start(self) -> None: ...


@dataclass(frozen=True)
class Face:
    """As `fitdiff inspect` numbers them; the box's height in pixels of the photo."""

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


class Desk:
    def __init__(self, connect: Callable[[], Service], costs: Costs, folder: Path) -> None:
        """folder: for pictures that are shown and thrown away."""
        self.phase = IDLE
        self.photo: Path | None = None
        self.faces: tuple[Face, ...] = ()
        self.picture: Path | None = None  # the photo with its faces' boxes
        self.notes: tuple[str, ...] = ()  # about the photo, and how far to trust the last head
        self.trouble: FitDiffError | None = None
        self.order: Order | Draw | None = None
        self.made: Made | None = None
        self.last: Made | None = None  # what was put into the scene
        self.costs = costs
        self._connect, self._folder = connect, folder
        self._look: Job | None = None
        self._work: Job | None = None
        self._began = 0.0
        self._looks = 0
        self._shown: object = None

    # --- what is asked of it ------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether tick() has something to look at."""
        return self._look is not None or self._work is not None or self.phase == MADE

    @property
    def working(self) -> bool:
        return self.phase in (WORKING, CANCELLING, MADE)

    @property
    def progress(self) -> Progress:
        return self._work.progress if self._work else Progress()

    @property
    def seconds(self) -> float:
        """Since the click."""
        return time.monotonic() - self._began if self.working else 0.0

    @property
    def seconds_left(self) -> float:
        """The larger of two estimates: the service's, of the present stage, and what is left of the usual duration here."""
        usual = self.costs.typical(self.order.kind) if self.order else None
        return max(self.progress.seconds_left or 0.0, (usual or 0.0) - self.seconds)

    def choose(self, photo: Path | None) -> None:
        """Another photo: what was known of the last one is forgotten."""
        if self._look:
            self._look.cancel()
            self._look = None
        self.photo, self.faces, self.picture, self.notes, self.trouble = photo, (), None, (), None
        if self.phase == LOOKING:
            self.phase = IDLE

    def look(self, photo: Path) -> None:
        """Find the faces, so that the artist can choose before anything long begins."""
        self.choose(photo)
        if self.working:
            return
        self._looks += 1
        try:
            out = self._folder / f"look-{self._looks}"
            self._look = self._connect().inspect(photo, out)
        except FitDiffError as error:
            if error.code != "backend-missing":  # the panel says that anyway, and the photo is not to blame
                self.trouble = error
            return
        self.phase = LOOKING

    def begin(self, order: Order) -> None:
        """Reconstruct was clicked. Starts the service again even where it has given up after crashes."""
        self._begin(order, lambda service: service.reconstruct(order.photo, order.out, **order.options()), order.photo)

    def draw(self, person: Draw) -> None:
        """Random Person was clicked."""
        self._begin(person, lambda service: service.sample(person.out, **person.options()), self.photo)

    def _begin(self, order: Order | Draw, ask: Callable[[Service], Job], photo: Path | None) -> None:
        if self.working:
            raise FitDiffError("busy", "A head is being made: wait for it, or cancel it first.")
        if self._look:
            self._look.cancel()
            self._look = None
        self.trouble, self.order, self.made = None, order, None
        if photo != self.photo:
            self.choose(photo)
        try:
            service = self._connect()
            service.start()
            order.out.parent.mkdir(parents=True, exist_ok=True)
            self._work = ask(service)
        except FitDiffError as error:
            self.phase, self.trouble = IDLE, error
            return
        except OSError as error:
            sentence = (
                f"FitDiff may not write into {order.out.parent}: choose another folder for heads in the preferences."
            )
            self.phase, self.trouble = IDLE, FitDiffError("write-denied", sentence, details=str(error))
            return
        self._began = time.monotonic()
        self.phase = WORKING

    def cancel(self) -> None:
        if self._work and self.phase == WORKING:
            self._work.cancel()
            self.phase = CANCELLING
        elif self.phase == LOOKING:
            self.choose(self.photo)
        elif self.phase == MADE:
            self.made, self.phase = None, IDLE

    def blame(self, error: FitDiffError | None) -> None:
        """Something else went wrong, or has been read."""
        self.trouble = error

    def placed(self) -> None:
        """The made avatar is in the scene."""
        self.last, self.made, self.phase = self.made, None, IDLE

    # --- time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        if self._look and self._look.poll():
            self._looked(self._look)
        if self._work and self._work.poll():
            self._worked(self._work)
        shows = (self.phase, self.trouble, self.progress, self.picture, int(self.seconds))
        changed = shows != self._shown
        self._shown = shows
        return changed

    def _looked(self, job: Job) -> None:
        self._look = None
        if self.phase == LOOKING:
            self.phase = IDLE
        if job.error:
            self._blame_job(job.error)
            return
        assert job.result is not None
        self._see(job.result["faces"])
        self.notes = tuple(job.result["photo"]["notes"])
        picture = self._folder / f"look-{self._looks}" / "faces.png"
        self.picture = picture if picture.is_file() else None
        if told := job.result["error"]:
            self._blame_job(
                FitDiffError(told["code"], told["message"], details=told.get("details", ""), data=told.get("data"))
            )

    def _worked(self, job: Job) -> None:
        self._work = None
        assert self.order is not None
        if job.error:
            self.phase = IDLE
            self._blame_job(job.error)
            return
        assert job.result is not None
        seconds = time.monotonic() - self._began
        self.costs.note(self.order.kind, seconds)
        told = job.result
        if isinstance(self.order, Draw):
            self.made = Made(Path(told["avatars"][0]), self.order.name, "good", (), seconds)
        else:
            self.notes = tuple(told["notes"])
            self.made = Made(Path(told["avatar"]), self.order.name, str(told["verdict"]), self.notes, seconds)
        self.phase = MADE

    def _blame_job(self, error: FitDiffError) -> None:
        if error.code == "cancelled":
            return
        self.trouble = error
        if error.code in ("several-faces", "no-such-face") and error.data.get("faces"):
            self._see(error.data["faces"])

    def _see(self, told: list[dict[str, Any]]) -> None:
        self.faces = tuple(Face(int(one["number"]), float(one["box"][3]) - float(one["box"][1])) for one in told)
