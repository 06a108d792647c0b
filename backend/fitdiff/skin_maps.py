"""The table of a skin's maps: their names, and how each lies in a picture. Everything that goes over all maps reads it.

A new map is a row here and a field of `face.skin.Skin` and of `render.maps.Maps`; in Blender a socket (scene/material.py) and
a switch (ui/switches.py).
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["colour", "value", "direction"]

SKIN_MAPS: dict[str, Kind] = {
    "diffuse": "colour",  # linear RGB in the renderer, sRGB in a picture
    "specular": "value",  # one number 0 to 1, as it is
    "normal": "direction",  # a unit vector in tangent space; 0.5 + 0.5 n in a picture
}
MAP_NAMES = tuple(SKIN_MAPS)  # in the order in which the autoencoder stacks them, three channels each
