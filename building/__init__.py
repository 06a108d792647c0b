"""What `build.py` does, a room for each thing; the standard library only, Python 3.10+.

A command is a function that takes the parsed options and gives an exit code; build.py lists them.
"""
