"""The differentiable renderer: visibility without gradient, everything else differentiable in torch."""

from .camera import Camera, rotation_from_axis_angle
from .maps import Maps
from .renderer import Renderer, Rendering

__all__ = ["Camera", "Maps", "Renderer", "Rendering", "rotation_from_axis_angle"]
