"""The table of the skin's maps: their names, and how each is stored. All code that loops over the maps uses it.

A new map that is computed (displacement ...) is a row here, a line where it is computed (fitting/result.py, or
face/traced.py for what follows from the shape), a field of `render.maps.Maps`, and in Blender a socket (scene/material.py) and
a switch (ui/switches.py). One that the autoencoder is to learn is a field of `face.skin.Skin` as well, needs new weights, and
every avatar must have it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class SkinMap(NamedTuple):
    kind: Literal["colour", "value", "direction"]
    learned: bool = False  # the autoencoder knows it, and every avatar has it


SKIN_MAPS = {
    "diffuse": SkinMap("colour", learned=True),  # linear RGB in the renderer, sRGB in a picture
    "specular": SkinMap("value", learned=True),  # one number 0 to 1, as it is
    "normal": SkinMap("direction", learned=True),  # a unit vector in tangent space; 0.5 + 0.5 n in a picture
    "occlusion": SkinMap("value"),  # share of the room's light that reaches the skin past the head itself; 1 is open
    "translucency": SkinMap("value"),  # how much light comes through from behind, as in ears; 0 is opaque
}
LEARNED = tuple(name for name, skin_map in SKIN_MAPS.items() if skin_map.learned)  # as the autoencoder stacks them
CHANNELS = 3 * len(LEARNED)  # of that stack: three each
