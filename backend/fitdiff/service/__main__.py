"""`python -m fitdiff.service`: the same as `fitdiff serve`, without the command line's own imports."""

from .server import serve

serve()
