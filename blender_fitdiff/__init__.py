"""FitDiff for Blender: registration, and nothing else."""

from . import headless, operators


def register() -> None:
    operators.register()
    headless.register()


def unregister() -> None:
    headless.unregister()
    operators.unregister()
