"""The checks of `fitdiff doctor`: this machine, the packages, FitDiff's own files, and a self test."""
