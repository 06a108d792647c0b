"""Writes a .npz whose bytes depend on its arrays alone."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name -> bytes of a .npz that npz_rules.read_arrays reads; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            # A fixed date and system, so that equal arrays give equal files.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compresslevel=4)
    return buffer.getvalue()
