"""Photographs harder than a portrait: the same person far turned, from above and below, in harsh light and in the dark.
Each view differs from the first in one thing, so that its effect can be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HardView:
    """Angles in degrees; roll, distance and framing stay the person's own."""

    name: str
    yaw: float = 0.0
    pitch: float = 0.0  # above 0: the camera looks down
    room: str = "studio"  # Blender's most even panorama
    aside: float = 30.0
    level: float = 1.0  # radiance of a white patch that faces as the face does

    @property
    def ending(self) -> str:
        """The suffix of the person's folder."""
        return "-" + self.name.replace(" ", "-")


HARD = (
    HardView("ahead"),
    HardView("turned 35", yaw=35.0),
    HardView("turned 50", yaw=50.0),
    HardView("turned 65", yaw=65.0),
    HardView("turned 80", yaw=80.0),
    HardView("from above 25", pitch=25.0),
    HardView("from below 25", pitch=-25.0),
    # A low sun from the side: the lit cheek is two and a half times as bright as surfaces that face ahead.
    HardView("lit from the side", room="sunrise", aside=90.0, level=0.4),
    HardView("in the dark", room="night", level=0.1),
)
