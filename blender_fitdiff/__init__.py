"""FitDiff for Blender. Only registers; imports are inside the functions, as backend/ is used without Blender too."""


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
