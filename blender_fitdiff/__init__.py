"""FitDiff for Blender: registration, and nothing else. Imports wait for it: backend/ is used without Blender too."""


def register() -> None:
    from . import headless, operators, ui

    operators.register()
    ui.register()
    headless.register()


def unregister() -> None:
    from . import headless, operators, ui

    headless.unregister()
    ui.unregister()
    operators.unregister()
