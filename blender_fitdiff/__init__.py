"""FitDiff for Blender: registration, and nothing else. Imports wait for it: backend/ is used without Blender too."""


def register() -> None:
    from . import operators

    operators.register()


def unregister() -> None:
    from . import operators

    operators.unregister()
