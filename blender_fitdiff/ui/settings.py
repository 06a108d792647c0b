"""The panel's settings for the next head. They are on the window manager: not saved in files, and kept when one is opened."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..errors import FitDiffError
from ..workflow import engines, orders, wording
from ..workflow.engines import Engine
from ..workflow.orders import PhotoOrder
from . import folders
from .runtime import get_runtime, wake

KEPT = ("photo", "engine", "quality", "seed", "search", "face", "show_parts")
_items: dict[str, list[tuple]] = {}  # Blender does not keep the strings of dynamic menus alive
_kept: dict[str, Any] = {}


def _menu(name: str, items: list[tuple]) -> list[tuple]:
    if _items.get(name) != items:
        _items[name] = items
    return _items[name]


def _offered(key: str) -> tuple | None:
    about = get_runtime().about
    return tuple(about["capabilities"].get(key, ())) or None if about else None


def engines_offered() -> dict[str, Engine]:
    return engines.offered(get_runtime().about)


def usual_duration(engine: str, quality: str) -> str:
    """How long such an order takes here, in words; empty where none has run yet."""
    known = engines_offered().get(engine)
    return (
        wording.usual_duration(get_runtime().workflow.durations.typical(orders.kind(known, quality))) if known else ""
    )


def _described(text: str, duration: str) -> str:
    return f"{text}. {duration}" if duration else text


def _engines(_self: Any, _context: Any) -> list[tuple]:
    chosen = engines_offered().values()
    # Blender keeps an entry's number, not its name: numbers must stay the same when the list of engines changes.
    known = [*engines.ASSUMED, *(one.name for one in chosen if one.name not in engines.ASSUMED)]
    return _menu(
        "engine",
        [
            (one.name, one.title, _described(one.about, usual_duration(one.name, "standard")), known.index(one.name))
            for one in chosen
        ],
    )


def _qualities(self: Any, _context: Any) -> list[tuple]:
    engine = self.chosen_engine()
    chosen = orders.quality_choices(engine, _offered("resolutions")) or [
        orders.Choice(name, title, "") for name, title in orders.QUALITIES.items()
    ]
    numbers = list(orders.QUALITIES)
    return _menu(
        "quality",
        [
            (one.id, one.name, _described(one.description, usual_duration(engine.name, one.id)), numbers.index(one.id))
            for one in chosen
        ],
    )


def _faces(_self: Any, _context: Any) -> list[tuple]:
    found = [
        (str(face.number), f"Face {face.number}", f"{face.pixels:.0f} pixels high", face.number)
        for face in get_runtime().workflow.faces
    ]
    return _menu("face", [("0", "Choose", "Which face of the photo is reconstructed", 0), *found])


def photo_changed(self: FitDiffChoices, _context: Any) -> None:
    if _kept:
        return  # another file is being opened: the same photo comes back
    workflow = get_runtime().workflow
    self.face = "0"
    self.seed = 0
    if workflow.working:
        return
    for slot in ("photo", "parts"):
        get_runtime().icons.clear(slot)
    if not self.photo:
        workflow.choose(None)
        return
    try:
        photo = orders.checked_photo(bpy.path.abspath(self.photo))
    except FitDiffError as error:
        workflow.choose(None)
        workflow.show_error(error)
        return
    get_runtime().icons.show("photo", photo)
    if bpy.app.background:
        workflow.choose(photo)  # without a window nobody chooses a face
    else:
        workflow.find_faces(photo)
        wake()


def face_changed(self: FitDiffChoices, _context: Any) -> None:
    """The artist has said who is meant: take the question away."""
    workflow = get_runtime().workflow
    if self.face != "0" and workflow.error and wording.offer(workflow.error) == "FACE":
        workflow.show_error(None)


class FitDiffChoices(bpy.types.PropertyGroup):
    photo: bpy.props.StringProperty(
        name="Photo", description="A photo of one person; one can be dropped into the 3D view too", update=photo_changed
    )
    face: bpy.props.EnumProperty(
        name="Face", description="Which face of the photo is reconstructed", items=_faces, update=face_changed
    )
    show_parts: bpy.props.BoolProperty(
        name="Show Parts",
        description="Colour what FitDiff takes for skin, hair, beard, brows, glasses, covers and cloth",
    )
    engine: bpy.props.EnumProperty(name="Engine", description="How the head is reconstructed", items=_engines)
    quality: bpy.props.EnumProperty(
        name="Quality",
        description="Number of steps and size of the maps: finer takes longer",
        items=_qualities,
        default=1,
    )
    seed: bpy.props.IntProperty(
        name="Seed",
        description="Start of the random numbers: another seed gives a slightly different head",
        min=0,
        default=0,
    )
    search: bpy.props.StringProperty(
        name="Search", description="Show only expressions whose name contains this", options={"TEXTEDIT_UPDATE"}
    )

    def prefer(self, engine: str) -> None:
        """Choose this engine, unless the artist has chosen one."""
        if not self.is_property_set("engine"):
            self.engine = engine

    def chosen_engine(self) -> Engine:
        """The best that there is, where the chosen one is not installed."""
        offered = engines_offered()
        return offered.get(self.engine) or next(iter(offered.values()))

    def order(self) -> PhotoOrder:
        """Raises FitDiffError for a photo that cannot be used."""
        photo = orders.checked_photo(bpy.path.abspath(self.photo))
        face = int(self.face) if self.face and self.face != "0" else None
        return PhotoOrder(
            photo=photo,
            out=orders.avatar_folder(folders.heads_folder(), photo, self.seed, face),
            engine=self.chosen_engine(),
            quality=self.quality or "standard",
            face=face,
            face_model=folders.preferences().face_model,
            seed=self.seed,
        )


def choices() -> FitDiffChoices:
    return bpy.context.window_manager.fitdiff


@persistent
def _keep(*_: Any) -> None:
    """Opening a file gives the window manager new properties."""
    chosen = choices()
    _kept.update({name: getattr(chosen, name) for name in KEPT if chosen.is_property_set(name)})


@persistent
def _give_back(*_: Any) -> None:
    chosen = choices()
    for name, value in _kept.items():
        with suppress(TypeError):  # the menu no longer has this entry
            setattr(chosen, name, value)
    _kept.clear()


HANDLERS = (
    (bpy.app.handlers.load_pre, _keep),
    (bpy.app.handlers.load_post, _give_back),
    (bpy.app.handlers.load_post_fail, _give_back),
)
CLASSES = (FitDiffChoices,)


def register() -> None:
    bpy.types.WindowManager.fitdiff = bpy.props.PointerProperty(type=FitDiffChoices)
    for handlers, handler in HANDLERS:
        handlers.append(handler)


def unregister() -> None:
    for handlers, handler in HANDLERS:
        handlers.remove(handler)
    _kept.clear()
    _items.clear()
    del bpy.types.WindowManager.fitdiff
