"""Portraits by group: thirds of skin tone, ages, and every column of the table that has few values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .portrait_results import PortraitResult

EVERYONE = "everyone"
THIRDS = ("dark", "middle", "light")
AGE = "age"
AGES = (18, 30, 45, 60)  # years, where the next bracket begins
MOST_VALUES = 8  # of a column whose values are groups, unless most people have a value of their own


def groups(results: Sequence[PortraitResult]) -> dict[str, list[PortraitResult]]:
    """By title, people in the order given; who failed is in no third of skin tones, since those are read from the photo."""
    found = {EVERYONE: list(results)}
    known = sorted((one for one in results if one.lightness is not None), key=lambda one: one.lightness or 0.0)
    if len(known) >= len(THIRDS):
        thirds = np.array_split(np.arange(len(known)), len(THIRDS))
        found |= {f"skin: {name}": [known[i] for i in rows] for name, rows in zip(THIRDS, thirds, strict=True)}
    partitions: list[list[list[PortraitResult]]] = []
    for column in dict.fromkeys(key for one in results for key in one.portrait.about):
        kinds = _kinds(column, results)
        if kinds and list(kinds.values()) not in partitions:  # else another column has said the same
            partitions.append(list(kinds.values()))
            found |= {f"{column}: {value}": part for value, part in kinds.items()}
    return found


def _kinds(column: str, results: Sequence[PortraitResult]) -> dict[str, list[PortraitResult]]:
    """By value of a column who has it; empty where values are measures, too many, or everybody's."""
    told = [(one.portrait.about[column], one) for one in results if column in one.portrait.about]
    if all(value.isdecimal() for value, _ in told) and {value for value, _ in told} - {"0", "1"}:
        if column.lower() != AGE:
            return {}
        told = [(_bracket(int(value)), one) for value, one in sorted(told, key=lambda pair: int(pair[0]))]
    else:
        told.sort(key=lambda pair: pair[0])
    values = list(dict.fromkeys(value for value, _ in told))
    everybodys = len(values) == 1 and len(told) == len(results)
    if everybodys or len(values) > min(MOST_VALUES, max(1, len(told) // 2)):
        return {}
    return {value: [one for other, one in told if other == value] for value in values}


def _bracket(age: int) -> str:
    if age < AGES[0]:
        return f"under {AGES[0]}"
    for low, following in itertools.pairwise(AGES):
        if age < following:
            return f"{low} to {following - 1}"
    return f"{AGES[-1]} and over"
