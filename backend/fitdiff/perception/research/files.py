"""The user's own weights: file names, sources and licences."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ... import weight_files
from ...errors import FitDiffError


@dataclass(frozen=True)
class UserWeights:
    """names: file names that are looked for; packages: importable names that reading them needs."""

    name: str
    what: str
    names: tuple[str, ...]
    packages: tuple[str, ...]
    how_to_get: str
    licence: str


_FOLDER = "put it into the folder that `fitdiff doctor` shows, or name its folder in FITDIFF_WEIGHTS"

ARCFACE = UserWeights(
    "arcface",
    "identity, 512 numbers (insightface ArcFace, R50 or R100)",
    ("w600k_r50.onnx", "glint360k_r100.onnx", "arcface.onnx", "glintr100.onnx"),
    ("onnx", "onnx2torch"),
    f"Take w600k_r50.onnx from insightface's buffalo_l model pack, or glintr100.onnx from antelopev2, and {_FOLDER}.",
    "insightface's models: non-commercial research only",
)
SCRFD = UserWeights(
    "scrfd",
    "face detector (insightface SCRFD)",
    ("det_10g.onnx", "scrfd_10g_bnkps.onnx", "scrfd.onnx"),
    ("onnx", "onnx2torch"),
    f"Take det_10g.onnx from insightface's buffalo_l model pack and {_FOLDER}.",
    "insightface's models: non-commercial research only",
)
FAN = UserWeights(
    "fan",
    "68 face landmarks (face-alignment's 2DFAN-4)",
    ("2DFAN4-11f355bf06.pth.tar", "2DFAN4.pth", "fan.pth"),
    (),
    "Let the face-alignment package (1.5 or later) download 2DFAN4-11f355bf06.pth.tar once; the TorchScript .zip files "
    f"of its older versions will not do. Then {_FOLDER}.",
    "BSD-3-Clause code; weights trained on 300W-LP: non-commercial research only",
)
LPIPS_VGG = UserWeights(
    "vgg16",
    "perceptual features (VGG16 for LPIPS)",
    ("vgg16-397923af.pth", "vgg16.pth"),
    ("lpips",),
    f"Let torchvision download vgg16-397923af.pth once, and {_FOLDER}. The linear heads come with the lpips package.",
    "BSD-2-Clause (lpips), weights trained on ImageNet",
)
ALL = (SCRFD, FAN, ARCFACE, LPIPS_VGG)


def locate(wanted: UserWeights) -> Path:
    """The path of the user's file; raises where it or a package that reads it is missing."""
    path = weight_files.find(*wanted.names)
    if path is None:
        raise FitDiffError(
            "weights-missing",
            f"The research stack needs weights that FitDiff may not ship: {wanted.what}. {wanted.how_to_get} "
            "Or use the embedded stack, which needs nothing.",
            details=f"{', '.join(wanted.names)} not found in: {', '.join(map(str, weight_files.folders()))}",
            data={"name": wanted.name, "looked_in": [str(folder) for folder in weight_files.folders()]},
        )
    missing = missing_packages(wanted)
    if missing:
        raise FitDiffError(
            "package-missing",
            f"The research stack needs the Python package {' and '.join(missing)} for this: {wanted.what}. "
            "Install it with `pip install fitdiff[research]`, or use the embedded stack, which needs nothing.",
            data={"name": wanted.name, "packages": missing},
        )
    return path


def missing_packages(wanted: UserWeights) -> list[str]:
    return [package for package in wanted.packages if importlib.util.find_spec(package) is None]


def report() -> list[dict]:
    """One row per network of the research stack, in the shape of weights.report()."""
    rows = []
    for wanted in ALL:
        path = weight_files.find(*wanted.names)
        missing = missing_packages(wanted)
        rows.append(
            {
                "name": wanted.name,
                "stack": "research",
                "what": wanted.what,
                "present": path is not None and not missing,
                "path": str(path) if path else None,
                "missing_packages": missing,
                "looked_in": [str(folder) for folder in weight_files.folders()],
                "how_to_get": wanted.how_to_get,
                "licence": wanted.licence,
            }
        )
    return rows
