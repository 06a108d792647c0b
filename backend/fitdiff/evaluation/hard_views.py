"""Photographs that ask more than a portrait does: the same person far turned, from above and below, in harsh light and in
the dark. Only one thing differs from the first view at a time, so that what changes is its doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HardView:
    """Angles in degrees; roll, distance and framing stay the person's own."""

    name: str
    yaw: float = 0.0
    pitch: float = 0.0  # above 0: the camera looks down
    room: str = "studio"  # the evenest of Blender's panoramas
    aside: float = 30.0
    level: float = 1.0  # of what a white patch that looks where the face looks sends back

    @property
    def ending(self) -> str:
        """Of the person's folder."""
        return "-" + self.name.replace(" ", "-")


HARD = (
    HardView("ahead"),
    HardView("turned 35", yaw=35.0),
    HardView("turned 50", yaw=50.0),
    HardView("turned 65", yaw=65.0),
    HardView("turned 80", yaw=80.0),
    HardView("from above 25", pitch=25.0),
    HardView("from below 25", pitch=-25.0),
    # A low sun square to the face: the lit cheek is two and a half times as bright as what looks ahead.
    HardView("lit from the side", room="sunrise", aside=90.0, level=0.4),
    HardView("in the dark", room="night", level=0.1),
)
