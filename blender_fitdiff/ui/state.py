"""What the artist has chosen for the next head: on the window manager, so no part of any file, and kept when one is opened."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..desk import engines, orders, wording
from ..desk.engines import Engine
from ..desk.orders import Order
from ..errors import FitDiffError
from . import places
from .studio import studio, wake

KEPT = ("photo", "engine", "quality", "seed", "search", "face")
_items: dict[str, list[tuple]] = {}  # Blender does not keep the strings of dynamic menus: somebody has to
_kept: dict[str, Any] = {}


def _menu(name: str, items: list[tuple]) -> list[tuple]:
    if _items.get(name) != items:
        _items[name] = items
    return _items[name]


def _offered(key: str) -> tuple | None:
    about = studio().about
    return tuple(about["capabilities"].get(key, ())) or None if about else None


def engines_offered() -> dict[str, Engine]:
    return engines.offered(studio().about)


def cost(engine: str, quality: str) -> str:
    """What such an order took here before, in words; empty where nothing is known."""
    known = engines_offered().get(engine)
    return wording.cost(studio().desk.costs.typical(orders.kind(known, quality))) if known else ""


def _described(text: str, cost: str) -> str:
    return f"{text}. {cost}" if cost else text


def _engines(_self: Any, _context: Any) -> list[tuple]:
    chosen = engines_offered().values()
    # By numbers that stay: what is chosen is kept by its number, and the list changes when the service has told what it has.
    known = [*engines.ASSUMED, *(one.name for one in chosen if one.name not in engines.ASSUMED)]
    return _menu(
        "engine",
        [
            (one.name, one.title, _described(one.about, cost(one.name, "standard")), known.index(one.name))
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
            (one.id, one.name, _described(one.description, cost(engine.name, one.id)), numbers.index(one.id))
            for one in chosen
        ],
    )


def _faces(_self: Any, _context: Any) -> list[tuple]:
    found = [
        (str(face.number), f"Face {face.number}", f"{face.pixels:.0f} pixels high", face.number)
        for face in studio().desk.faces
    ]
    return _menu("face", [("0", "Choose", "Which face is meant", 0), *found])


def photo_changed(self: FitDiffChoices, _context: Any) -> None:
    if _kept:
        return  # another file is being opened: the same photo comes back
    desk = studio().desk
    self.face = "0"
    self.seed = 0
    if desk.working:
        return
    studio().pictures.clear("photo")
    if not self.photo:
        desk.choose(None)
        return
    try:
        photo = orders.checked_photo(bpy.path.abspath(self.photo))
    except FitDiffError as error:
        desk.choose(None)
        desk.blame(error)
        return
    studio().pictures.show("photo", photo)
    if bpy.app.background:
        desk.choose(photo)  # nobody is there to choose a face
    else:
        desk.look(photo)
        wake()


def face_changed(self: FitDiffChoices, _context: Any) -> None:
    """The question is answered."""
    desk = studio().desk
    if self.face != "0" and desk.trouble and wording.offer(desk.trouble) == "FACE":
        desk.blame(None)


class FitDiffChoices(bpy.types.PropertyGroup):
    photo: bpy.props.StringProperty(
        name="Photo", description="A photo of one person; one can be dropped into the 3D view too", update=photo_changed
    )
    face: bpy.props.EnumProperty(name="Face", description="The face that is meant", items=_faces, update=face_changed)
    engine: bpy.props.EnumProperty(name="Engine", description="How the head is made", items=_engines)
    quality: bpy.props.EnumProperty(
        name="Quality", description="Steps and maps: finer takes longer", items=_qualities, default=1
    )
    seed: bpy.props.IntProperty(name="Seed", description="Another number, a slightly different head", min=0, default=0)
    search: bpy.props.StringProperty(
        name="Search", description="Show only expressions with these letters", options={"TEXTEDIT_UPDATE"}
    )

    def prefer(self, engine: str) -> None:
        """Choose this engine, unless the artist has chosen one."""
        if not self.is_property_set("engine"):
            self.engine = engine

    def chosen_engine(self) -> Engine:
        """The best that there is, where the chosen one is not there."""
        offered = engines_offered()
        return offered.get(self.engine) or next(iter(offered.values()))

    def order(self) -> Order:
        """Raises FitDiffError for a photo that cannot be used."""
        photo = orders.checked_photo(bpy.path.abspath(self.photo))
        face = int(self.face) if self.face and self.face != "0" else None
        return Order(
            photo=photo,
            out=orders.avatar_folder(places.heads_folder(), photo, self.seed, face),
            engine=self.chosen_engine(),
            quality=self.quality or "standard",
            face=face,
            face_model=places.preferences().face_model,
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
        with suppress(TypeError):  # a menu may have lost an entry
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
