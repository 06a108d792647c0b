"""Check FitDiff's data files: presence, checksum and licence."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from ..errors import FitDiffError
from .finding import Finding, again

ASSETS = Path(__file__).resolve().parent.parent / "assets"
COMMITTED = {
    "face.safetensors": "the face model",
    "skin.safetensors": "skins for random people",
    "autoencoder.safetensors": "maps to latents and back",
    "denoiser.safetensors": "what people look like",
    "shape_guess.safetensors": "shapes guessed from photos",
    "parting.safetensors": "hair, skin, glasses and cloth told apart",
    "dense.safetensors": "where heads lie in photos",
}
COMES_WITH = "It comes with FitDiff: get FitDiff's files again."
MOST_HEADER = 16 << 20


def rows(findings: list[Finding]) -> list[dict[str, Any]]:
    """One row for each shipped file, then for each network of both stacks; a missing research network is no problem.

    verified: whether the tensors have the sha256 of the file's header; None where there is none.
    """
    found = [_committed(name, what) for name, what in COMMITTED.items()]
    try:
        from ..perception import weights
    except Exception:  # torch is broken: packages() reports it
        return found
    for row in weights.report():
        row["verified"] = None
        if row["stack"] == "embedded" and row["present"]:
            row |= _verified(lambda path=Path(row["path"]): weights.read(path)[1].sha256)
        found.append(row)
    for row in found:
        if row["stack"] != "embedded":
            continue
        remedy = COMES_WITH if row["name"] in COMMITTED else again("assets")
        if not row["present"]:
            findings.append(Finding("asset-missing", f"{row['name']} ({row['what']}) is missing.", remedy))
        elif row["verified"] is False:
            what = f"{row['name']} ({row['what']}) is damaged: {row['fault']}."
            findings.append(Finding("asset-damaged", what, f"Delete {row['path']}. {remedy}"))
    return found


def licence_texts() -> list[str]:
    """Folders of the licence texts that must be kept with the assets."""
    found = [ASSETS / "licenses.md", *sorted((ASSETS / "weights" / "licences").glob("*.txt"))]
    checkout = Path(__file__).resolve().parents[3] / "docs" / "licenses.md"
    return [str(path) for path in (*found, checkout) if path.is_file()]


def _committed(name: str, what: str) -> dict[str, Any]:
    path = ASSETS / name
    row: dict[str, Any] = {
        "name": name,
        "stack": "embedded",
        "what": what,
        "present": path.is_file(),
        "path": str(path),
        "how_to_get": COMES_WITH,
        "licence": None,
        "verified": None,
    }
    if row["present"]:
        row["licence"] = _header(path).get("licence")
        row |= _verified(lambda: _digest_of(name, path))
    return row


def _verified(read: Any) -> dict[str, Any]:
    """The sha256 that a reader has verified, or its reason for refusing the file."""
    try:
        return {"verified": True, "sha256": read()}
    except FitDiffError as error:
        return {"verified": False, "fault": error.details or error.sentence}
    except Exception as error:
        return {"verified": False, "fault": repr(error)}


def _digest_of(name: str, path: Path) -> str:
    if name == "face.safetensors":
        from ..face.storage import load_model

        load_model(path)  # checks the tensors' checksum
    elif name in ("autoencoder.safetensors", "denoiser.safetensors"):
        from ..diffusion import weights as networks

        (networks.load_autoencoder if name.startswith("auto") else networks.load_denoiser)(path)
    else:
        from .. import tensor_files

        tensors, header = tensor_files.opened(path)
        tensor_files.verify(path, tensors, header.get("sha256", ""))
    return str(_header(path)["sha256"])


def _header(path: Path) -> dict[str, str]:
    """A safetensors file's text entries; empty for other files."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            return json.loads(file.read(min(length, MOST_HEADER)))["__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return {}
