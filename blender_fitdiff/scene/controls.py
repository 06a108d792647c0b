"""What the panel's switches do, as functions. All state is in the scene: it is read back from there, saved with the file, and
undone like any other change."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy

from ..errors import FitDiffError
from .camera import return_to_standpoint
from .environment import build_hdri_world, find_hdri
from .groom import is_groom
from .hair import length_of, set_length
from .heads import Head
from .light import ESTIMATE
from .material import KINDS, connect, disconnect, is_connected, map_strength, set_map_strength
from .nodes import background_of
from .ownership import NAME_TAG, TAG
from .shape_keys import FIT_RESIDUAL, START
from .viewport import look_through_camera

HDRI = "fitdiff_hdri"  # custom property of a world that `use_hdri` made: the HDRI's name
STRENGTH = "fitdiff_strength"  # custom property of the sun's object: the light's strength over the estimate


def light_state(head: Head) -> tuple[bool, float]:
    """Whether the estimated light is on, and its strength over the estimate."""
    if head.sun is None:
        return False, 1.0
    return not head.sun.hide_render, float(head.sun.get(STRENGTH, 1.0))


def set_light(head: Head, *, on: bool | None = None, strength: float | None = None) -> None:
    """The photo's light, sun and ambient together; what is None stays as it is."""
    if head.sun is None:
        raise FitDiffError(
            "light-missing", "This head's light was deleted from the scene. Import its avatar again to get it back."
        )
    was_on, was_strong = light_state(head)
    on = was_on if on is None else on
    strength = was_strong if strength is None else max(0.0, strength)
    head.sun[STRENGTH] = strength
    head.sun.hide_render = head.sun.hide_viewport = not on
    head.sun.data.energy = strength * head.sun.data.get(ESTIMATE, head.sun.data.energy)
    if head.world is not None:
        ambient = head.world.get(ESTIMATE, 0.0)
        background_of(head.world).inputs["Strength"].default_value = strength * ambient if on else 0.0


def hdri_state(scene: bpy.types.Scene) -> tuple[str, float, float] | None:
    """Name, strength and turn in degrees of the HDRI that lights the scene, if `use_hdri` put it there."""
    world = scene.world
    if world is None or HDRI not in world:
        return None
    turn = world.node_tree.nodes.get("Turn")
    degrees = _degrees(turn.inputs["Rotation"].default_value[2]) if turn else 0.0
    # Not background_of: panels call this while they draw, and must not make a node that the artist has removed.
    background = next((node for node in world.node_tree.nodes if node.type == "BACKGROUND"), None)
    return str(world[HDRI]), background.inputs["Strength"].default_value if background else 0.0, degrees


def use_hdri(
    head: Head, scene: bpy.types.Scene, name: str | None, *, strength: float = 1.0, degrees: float = 0.0
) -> None:
    """Light the scene by an HDRI (one of Blender's by name, or a file) in place of the estimated light; None: back to it."""
    previous = scene.world
    if name is None:
        scene.world = head.world
        set_light(head, on=True)
    else:
        world = build_hdri_world(f"{head.collection.name} hdri", find_hdri(name), strength=strength, degrees=degrees)
        world[HDRI] = name
        for block in (world, *(node.image for node in world.node_tree.nodes if hasattr(node, "image"))):
            block[TAG], block[NAME_TAG] = head.folder, block.name
        scene.world = world
        if head.sun is not None:
            set_light(head, on=False)
    if previous is not None and HDRI in previous and not previous.users:
        images = [node.image for node in previous.node_tree.nodes if getattr(node, "image", None)]
        bpy.data.worlds.remove(previous)
        bpy.data.batch_remove([image for image in images if not image.users])


def adjust_hdri(scene: bpy.types.Scene, *, strength: float | None = None, degrees: float | None = None) -> None:
    """Change strength and turn of the HDRI that `use_hdri` has set; what is None stays as it is."""
    if hdri_state(scene) is None:
        return
    if strength is not None:
        background_of(scene.world).inputs["Strength"].default_value = max(0.0, strength)
    turn = scene.world.node_tree.nodes.get("Turn")
    if degrees is not None and turn is not None:
        turn.inputs["Rotation"].default_value[2] = math.radians(degrees)


def _degrees(radians: float) -> float:
    return float(round(radians * 57.29577951308232, 4))


def maps_state(head: Head, kind: str) -> bool | None:
    """Whether the head shows its maps of this kind (of `material.KINDS`); None where it has none."""
    states = [is_connected(material, kind) for material in head.materials if material.node_tree]
    known = [state for state in states if state is not None]
    return any(known) if known else None


def set_maps(head: Head, on: bool, kinds: Sequence[str] = KINDS) -> None:
    """Connect or disconnect the maps of these kinds, in all materials of the head."""
    for material in head.materials:
        for kind in kinds:
            if material.node_tree and is_connected(material, kind) is not None:
                (connect if on else disconnect)(material, kind)


def strength_state(head: Head, kind: str) -> float | None:
    """Strength of the head's map of translucency or occlusion, 0 to 1; None where it has none."""
    found = (map_strength(material, kind) for material in head.materials if material.node_tree)
    return next((strength for strength in found if strength is not None), None)


def set_strength(head: Head, kind: str, strength: float) -> None:
    for material in head.materials:
        if material.node_tree:
            set_map_strength(material, kind, strength)


def hair_state(head: Head) -> tuple[bool, float | None] | None:
    """Whether the hair is shown, and the length in metres of shorn hair, None where its modifier is gone and for hair from a
    groom (groom_controls.py); None where there is no hair."""
    if head.hair is None:
        return None
    return not head.hair.hide_render, None if is_groom(head.hair) else length_of(head.hair)


def set_hair(head: Head, *, on: bool | None = None, length: float | None = None) -> None:
    """Show the strands of hair, and set the length of shorn hair in metres; what is None stays as it is."""
    if head.hair is None:
        raise FitDiffError(
            "hair-missing", "This head has no strands of hair: its photo shows no short hair, or they were deleted."
        )
    if on is not None:
        head.hair.hide_render = head.hair.hide_viewport = not on
    if length is not None and not is_groom(head.hair):
        set_length(head.hair, length)


def lashes_state(head: Head) -> bool | None:
    """Whether the eyelashes are shown; None where there are none."""
    return _shown(head.lashes)


def set_lashes(head: Head, on: bool) -> None:
    gone = "This head has no eyelashes: its eyes are part of its skin, or they were deleted."
    _show(head.lashes, on, FitDiffError("lashes-missing", gone))


def brows_state(head: Head) -> bool | None:
    """Whether the brows' strands are shown; None where there are none."""
    return _shown(head.brows)


def set_brows(head: Head, on: bool) -> None:
    """Show the strands over the painted brows, or hide them."""
    gone = "This head has no strands on its brows: the brows are too pale, or the strands were deleted."
    _show(head.brows, on, FitDiffError("brows-missing", gone))


def beard_state(head: Head) -> bool | None:
    """Whether the beard's strands are shown; None where there are none."""
    return _shown(head.beard)


def set_beard(head: Head, on: bool) -> None:
    gone = "This head has no strands of beard: its photo shows none, or they were deleted."
    _show(head.beard, on, FitDiffError("beard-missing", gone))


def _shown(strands: bpy.types.Object | None) -> bool | None:
    return None if strands is None else not strands.hide_render


def _show(strands: bpy.types.Object | None, on: bool, trouble: FitDiffError) -> None:
    if strands is None:
        raise trouble
    strands.hide_render = strands.hide_viewport = not on


def photo_state(head: Head) -> tuple[bool, float, bool] | None:
    """Whether the photo is shown, its opacity, and whether it lies over the head; None where there is no photo."""
    pictures = head.camera.data.background_images if head.camera is not None else ()
    if head.camera is None or not pictures or pictures[0].image is None:
        return None
    return head.camera.data.show_background_images, pictures[0].alpha, pictures[0].display_depth == "FRONT"


def set_photo(
    head: Head, *, shown: bool | None = None, opacity: float | None = None, in_front: bool | None = None
) -> None:
    """The photo behind the head, or over it to compare, in the photo camera's view; what is None stays as it is."""
    if head.camera is None or photo_state(head) is None:
        raise FitDiffError("photo-missing", "This head's avatar does not contain the photo, so there is none to show.")
    picture = head.camera.data.background_images[0]
    if shown is not None:
        head.camera.data.show_background_images = shown
    if opacity is not None:
        picture.alpha = min(max(opacity, 0.0), 1.0)
    if in_front is not None:
        picture.display_depth = "FRONT" if in_front else "BACK"


def back_to_photo(head: Head, scene: bpy.types.Scene) -> None:
    """Put the photo's camera back, with its lens and picture size, and have the 3D views look through it."""
    if head.camera is None:
        raise FitDiffError(
            "camera-missing", "This head's camera was deleted from the scene. Import its avatar again to get it back."
        )
    size = return_to_standpoint(head.camera)
    if size is not None:
        scene.render.resolution_x, scene.render.resolution_y = size
        scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    scene.camera = head.camera
    look_through_camera(scene, head.mesh)


def reset_expression(head: Head, *, to_photo: bool) -> None:
    """Set the import's shape keys to the fit's expression, or to 0; shape keys that the artist has added stay."""
    keys = head.mesh.data.shape_keys
    if keys is None:
        return
    start = dict(head.mesh.get(START, {}))
    for name, weight in start.items():
        if name in keys.key_blocks:
            keys.key_blocks[name].value = weight if to_photo else 0.0
    if FIT_RESIDUAL in keys.key_blocks:
        keys.key_blocks[FIT_RESIDUAL].value = 1.0 if to_photo else 0.0
