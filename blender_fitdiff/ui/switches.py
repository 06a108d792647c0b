"""The active head's switches, as properties of the scene. They store nothing: each reads and writes the head through
scene/controls.py, so the values are saved with the file and undone like any other change.

No `from __future__ import annotations` here: Blender would evaluate the properties' annotations where these functions are not
known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from ..errors import FitDiffError
from ..scene import controls, groom_controls
from ..scene.environment import hdris
from ..scene.hair import LONGEST
from ..scene.heads import Head, active_head
from .runtime import get_runtime, wake

PHOTO = "PHOTO"
OWN_LIGHT = "light"  # slot of the head's picture in its own light
_items: list[tuple] = []  # Blender does not keep the strings of dynamic menus alive


def _switch(read: Callable[[Head], Any], write: Callable[[Head, Any], None], otherwise: Any) -> dict[str, Callable]:
    """get and set of a property that reads and writes the active head; `otherwise` is its value without a head."""

    def get(_self: Any) -> Any:
        head = active_head(bpy.context)
        return otherwise if head is None else read(head)

    def put(_self: Any, value: Any) -> None:
        head = active_head(bpy.context)
        if head is None:
            return
        try:
            write(head, value)
        except FitDiffError as error:
            get_runtime().workflow.show_error(error)

    return {"get": get, "set": put}


def _photo(place: int, otherwise: Any) -> Callable[[Head], Any]:
    def read(head: Head) -> Any:
        state = controls.photo_state(head)
        return otherwise if state is None else state[place]

    return read


def _hdri(place: int, otherwise: float) -> Callable[[Head], Any]:
    def read(_head: Head) -> Any:
        state = controls.hdri_state(bpy.context.scene)
        return otherwise if state is None else state[place]

    return read


def _hair_on(head: Head) -> bool:
    state = controls.hair_state(head)
    return state is not None and state[0]


def _hair_length(head: Head) -> float:
    """Millimetres."""
    state = controls.hair_state(head)
    return 0.0 if state is None or state[1] is None else 1000 * state[1]


def show_own_light(head: Head) -> None:
    """Take the avatar's preview.png as the icon of the light that the head was made in."""
    pictures = get_runtime().icons
    pictures.show(OWN_LIGHT, Path(head.folder) / "preview.png")
    if pictures.loading:
        wake()


def _lights(_self: Any, _context: Any) -> list[tuple]:
    """PHOTO, then the HDRIs by name, with Blender's own thumbnails of them."""
    balls = {Path(light.path).stem: bpy.types.UILayout.icon(light) for light in bpy.context.preferences.studio_lights}
    head = active_head(bpy.context)
    drawn = head is not None and controls.photo_state(head) is None  # a person without a photo
    own = ("Own", "The light that the head was made in") if drawn else ("Photo", "The light of the photo")
    found = [(PHOTO, *own, get_runtime().icons.icon(OWN_LIGHT) or "IMAGE_DATA", 0)]
    found += [(name, name.title(), "", balls.get(name) or "WORLD", place) for place, name in enumerate(hdris(), 1)]
    if found != _items:
        _items[:] = found
    return _items


def _read_light(_head: Head) -> int:
    state = controls.hdri_state(bpy.context.scene)
    names = ["", *hdris()]
    return names.index(state[0]) if state and state[0] in names else 0


def _write_light(head: Head, number: int) -> None:
    names = ["", *hdris()]
    controls.use_hdri(head, bpy.context.scene, names[number] or None)


def _groom(name: str) -> dict[str, Callable]:
    """One of the groom's inputs, by its name in groom_controls.set_groom."""
    return _switch(
        lambda head: groom_controls.groom_state(head, name.replace("_", " ").title()) or 0.0,
        lambda head, value: groom_controls.set_groom(head, **{name: value}),
        0.0,
    )


def _maps(kind: str) -> dict[str, Callable]:
    return _switch(
        lambda head: bool(controls.maps_state(head, kind)), lambda head, on: controls.set_maps(head, on, [kind]), False
    )


def _strength(kind: str) -> dict[str, Callable]:
    def read(head: Head) -> float:
        strength = controls.strength_state(head, kind)
        return 0.0 if strength is None else strength

    return _switch(read, lambda head, value: controls.set_strength(head, kind, value), 0.0)


class FitDiffSwitches(bpy.types.PropertyGroup):
    light: bpy.props.EnumProperty(
        name="Light",
        description="Relight the head: the photo's own light, or one of Blender's HDRIs",
        items=_lights,
        **_switch(_read_light, _write_light, 0),
    )
    light_on: bpy.props.BoolProperty(
        name="Estimated Light",
        description="The sun and the ambient light that the photo was taken in",
        **_switch(lambda head: controls.light_state(head)[0], lambda head, on: controls.set_light(head, on=on), False),
    )
    light_strength: bpy.props.FloatProperty(
        name="Strength",
        description="1 is as bright as in the photo",
        min=0.0,
        soft_max=4.0,
        step=5,
        **_switch(
            lambda head: controls.light_state(head)[1],
            lambda head, value: controls.set_light(head, strength=value),
            1.0,
        ),
    )
    hdri_strength: bpy.props.FloatProperty(
        name="Strength",
        description="Of the HDRI",
        min=0.0,
        soft_max=4.0,
        step=5,
        **_switch(_hdri(1, 1.0), lambda _head, value: controls.adjust_hdri(bpy.context.scene, strength=value), 1.0),
    )
    hdri_turn: bpy.props.FloatProperty(
        name="Turn",
        description="Turn the HDRI round the head, in degrees",
        min=-360.0,
        max=360.0,
        step=100,
        precision=0,
        **_switch(_hdri(2, 0.0), lambda _head, value: controls.adjust_hdri(bpy.context.scene, degrees=value), 0.0),
    )
    hair_on: bpy.props.BoolProperty(
        name="Strands",
        description="Strands of hair over the painted scalp",
        **_switch(_hair_on, lambda head, on: controls.set_hair(head, on=on), False),
    )
    hair_length: bpy.props.FloatProperty(
        name="Length",
        description="Of the strands, in millimetres",
        min=0.5,
        max=1000 * LONGEST,
        soft_max=15.0,
        step=50,
        precision=1,
        **_switch(_hair_length, lambda head, mm: controls.set_hair(head, length=mm / 1000), 0.0),
    )
    beard_on: bpy.props.BoolProperty(
        name="Beard",
        description="Strands of beard and moustache",
        **_switch(lambda head: controls.beard_state(head) is True, controls.set_beard, False),
    )
    groom_length: bpy.props.FloatProperty(
        name="Length",
        description="1 is as long as in the photo; less cuts the strands, more stretches them",
        min=0.0,
        max=3.0,
        soft_max=1.5,
        **_groom("length"),
    )
    groom_density: bpy.props.FloatProperty(
        name="Density",
        description="1 is as many strands as the avatar has",
        min=0.0,
        max=3.0,
        soft_max=2.0,
        **_groom("density"),
    )
    groom_viewport: bpy.props.FloatProperty(
        name="Viewport Share",
        description="How many of the strands the viewport shows; renders always have all",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        **_groom("viewport_share"),
    )
    groom_melanin: bpy.props.FloatProperty(
        name="Melanin",
        description="Pigment: 0 is white, 1 is black",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        precision=3,
        **_groom("melanin"),
    )
    groom_redness: bpy.props.FloatProperty(
        name="Redness",
        description="How red the pigment is",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        **_groom("redness"),
    )
    groom_grey: bpy.props.FloatProperty(
        name="Grey",
        description="Share of strands without pigment",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        **_groom("grey"),
    )
    lashes_on: bpy.props.BoolProperty(
        name="Lashes",
        description="Eyelashes as strands on the lids",
        **_switch(lambda head: controls.lashes_state(head) is True, controls.set_lashes, False),
    )
    brows_on: bpy.props.BoolProperty(
        name="Brows",
        description="Strands of hair over the painted brows",
        **_switch(lambda head: controls.brows_state(head) is True, controls.set_brows, False),
    )
    photo_shown: bpy.props.BoolProperty(
        name="Photo",
        description="Show the photo in its camera's view",
        **_switch(_photo(0, False), lambda head, on: controls.set_photo(head, shown=on), False),
    )
    photo_opacity: bpy.props.FloatProperty(
        name="Opacity",
        description="Of the photo",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        **_switch(_photo(1, 1.0), lambda head, value: controls.set_photo(head, opacity=value), 1.0),
    )
    photo_over: bpy.props.BoolProperty(
        name="Over the Head",
        description="Lay the photo over the head, to compare them",
        **_switch(_photo(2, False), lambda head, on: controls.set_photo(head, in_front=on), False),
    )
    map_diffuse: bpy.props.BoolProperty(
        name="Diffuse", description="Show the colour map; without it, plain skin", **_maps("diffuse")
    )
    map_specular: bpy.props.BoolProperty(
        name="Specular", description="Show the specular map; without it, even shine", **_maps("specular")
    )
    map_roughness: bpy.props.BoolProperty(
        name="Roughness", description="Show the roughness map; without it, evenly rough skin", **_maps("roughness")
    )
    map_normal: bpy.props.BoolProperty(
        name="Normal", description="Show the normal map; without it, the bare mesh", **_maps("normal")
    )
    map_translucency: bpy.props.BoolProperty(
        name="Translucency",
        description="Let light travel further through thin skin, as in ears; without it, as far everywhere",
        **_maps("translucency"),
    )
    translucency_strength: bpy.props.FloatProperty(
        name="Translucency Strength",
        description="1 is as thin as the head is",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        **_strength("translucency"),
    )
    map_occlusion: bpy.props.BoolProperty(
        name="Occlusion",
        description="Give glTF files the map of where the head hides the room's light; Blender traces that itself",
        **_maps("occlusion"),
    )
    occlusion_strength: bpy.props.FloatProperty(
        name="Occlusion Strength",
        description="Of the map in glTF files",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        **_strength("occlusion"),
    )


CLASSES = (FitDiffSwitches,)


def register() -> None:
    bpy.types.Scene.fitdiff_switches = bpy.props.PointerProperty(type=FitDiffSwitches)


def unregister() -> None:
    del bpy.types.Scene.fitdiff_switches
