"""FitDiff for Blender: registration, and nothing else."""

from . import operators


def register() -> None:
    operators.register()


def unregister() -> None:
    operators.unregister()
