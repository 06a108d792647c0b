"""One module per `fitdiff` command: HELP (a literal string), configure(parser) and run(args, console) -> dict.

Import torch and other heavy packages inside `run`, so that help and usage errors answer at once.
"""
