"""Reads a .npz without numpy's loader: no pickle, and headers and sizes are checked before memory is set aside.

backend/fitdiff/avatar and blender_fitdiff/scene hold identical copies (a test compares them), since neither may import the
other and both must accept the same folders.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

# The header exactly as numpy writes it; Fortran order and objects do not match, and nothing is evaluated.
_HEADER = re.compile(
    rb"\{'descr': '([<|][fiuU][1-9][0-9]?)', 'fortran_order': False, 'shape': \(((?:[0-9]{1,9},? ?){0,4})\), \} *\n"
)


class Rule(NamedTuple):
    """What an array of a file must be."""

    dtypes: tuple[str, ...]  # as numpy spells them; "<U" for text of any length
    shape: str  # a digit for each fixed length, and a letter for each that is the same in all arrays
    low: float = -math.inf
    high: float = math.inf
    required: bool = True


Rules = Mapping[str, Rule]


def read_arrays(data: bytes, rules: Rules, size_limit: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Bytes of a .npz -> its arrays by name, which keep the rules, and the length that each letter stands for; ValueError
    says what is wrong otherwise. size_limit: bytes of all arrays once unpacked."""
    try:
        arrays = _unpack(data, rules, size_limit)
    except Exception as error:  # whatever zipfile and zlib have to say about hostile bytes
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return arrays, check_arrays(arrays, rules)


def check_arrays(arrays: Mapping[str, np.ndarray], rules: Rules) -> dict[str, int]:
    """Raise ValueError unless types, shapes and numbers keep the rules; the length that each letter stands for."""
    missing = [name for name, rule in rules.items() if rule.required and name not in arrays]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    lengths: dict[str, int] = {}
    for name, array in arrays.items():
        rule = rules[name]
        if not _is_spelled(array.dtype.newbyteorder("<").str, rule.dtypes) or array.ndim != len(rule.shape):
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
        for letter, length in zip(rule.shape, array.shape, strict=True):
            if length != (int(letter) if letter.isdigit() else lengths.setdefault(letter, length)):
                raise ValueError(f"{name} has shape {array.shape}")
        if array.dtype.kind == "U" or not array.size:
            continue
        least, most = float(array.min()), float(array.max())  # both are NaN where any number is
        if not (rule.low <= least and most <= rule.high):
            raise ValueError(f"{name} holds numbers from {least:.6g} to {most:.6g}")
    return lengths


def _is_spelled(spelled: str, dtypes: tuple[str, ...]) -> bool:
    return (spelled[:2] if spelled[1] == "U" else spelled) in dtypes


def _unpack(data: bytes, rules: Rules, size_limit: int) -> dict[str, np.ndarray]:
    """Sizes are checked before unpacking, which stops at the size that the archive states: neither a zip bomb nor a false
    header costs memory."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > len(rules) or sum(info.file_size for info in infos) > size_limit:
            raise ValueError("more arrays or bytes than allowed")
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name not in rules or name in arrays or info.filename == name:
                raise ValueError(f"unexpected member {info.filename!r}")
            # Deflate packs at most 1032 to 1; other methods cannot be unpacked in bounded memory.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (
                info.file_size > 1032 * info.compress_size + 1032
            ):
                raise ValueError(f"{info.filename} is not packed as it should be")
            with archive.open(info) as member:
                arrays[name] = _array(member.read(info.file_size + 1), name, rules[name])
    return arrays


def _array(data: bytes, name: str, rule: Rule) -> np.ndarray:
    """Bytes of one .npy (format 1.0, little endian, C order) -> read-only array."""
    start = 10 + int.from_bytes(data[8:10], "little")
    header = _HEADER.fullmatch(data[10:start])
    if data[:8] != b"\x93NUMPY\x01\x00" or header is None:
        raise ValueError(f"{name} is not an array of the kind that FitDiff writes")
    spelled = header[1].decode("ascii")
    if not _is_spelled(spelled, rule.dtypes):
        raise ValueError(f"{name} has dtype {spelled}")
    dtype, shape = np.dtype(spelled), tuple(int(part) for part in re.findall(rb"[0-9]+", header[2]))
    if len(shape) != len(rule.shape) or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{name} has shape {shape} and {len(data) - start} bytes")
    if dtype.kind == "U" and (np.frombuffer(data, "<u4", offset=start) > 0x7F).any():
        raise ValueError(f"{name} is not plain text")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)
