"""Find and load face models: the embedded one, those imported into the user's data folder, and files by path."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from ..errors import FitDiffError
from ..regular_file import NotAFile, require_regular
from ..user_folders import data_folder
from . import embedded
from .geometry import vertex_landmarks
from .ict import is_ict, load_ict
from .lsfm import load_lsfm, read_landmark_file
from .matfile import not_a_file
from .model import MorphableModel
from .storage import load_model, save_model

EMBEDDED = "embedded"
SUFFIX = ".safetensors"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def imported_faces() -> dict[str, Path]:
    """Name -> file of every imported face, in the order of their names."""
    return {
        file.stem: file for file in sorted((data_folder() / "faces").glob(f"*{SUFFIX}")) if NAME.fullmatch(file.stem)
    }


def locate(spec: str | None) -> Path:
    """The file or folder that `load_face_model(spec)` reads, from a name or an absolute path.

    Relative paths are refused: they would depend on the folder that a service runs in.
    """
    if spec is None or spec == EMBEDDED:
        return embedded.ASSET
    faces = imported_faces()
    if spec in faces:
        return faces[spec]
    path = Path(spec)
    if path.is_absolute() and path.exists():
        return path
    known = ", ".join([EMBEDDED, *faces])
    raise FitDiffError(
        "face-model-missing",
        f"There is no face model called {spec!r}, and no such file; there are: {known}. "
        "`fitdiff model import` adds others.",
        details=str(path),
    )


def from_here(spec: str) -> str:
    """A face model as given on a command line: names stay, relative paths become absolute."""
    if spec == EMBEDDED or spec in imported_faces() or not Path(spec).exists():
        return spec
    return os.path.abspath(spec)


def load_face_model(spec: str | None = None, dtype: torch.dtype = torch.float32) -> MorphableModel:
    """None or "embedded", the name of an imported face, or a path: a FitDiff face file, an LSFM .mat, an ICT-FaceKit
    folder or npz. Imported faces load in a fraction of a second, foreign files in seconds."""
    path = locate(spec)
    if path == embedded.ASSET:
        return embedded.load(dtype)
    return open_face(path).to(dtype)


def open_face(path: Path, expression: Path | None = None, landmarks: Path | None = None) -> MorphableModel:
    """Any face that FitDiff can read, by its file's name; float32."""
    if not path.is_dir():
        _require_file(path)
    if path.suffix.lower() == ".mat":
        return load_lsfm(path, expression, landmarks)
    if expression is not None:
        raise FitDiffError(
            "usage-expression", "--expression belongs to .mat models only; this one brings its own expressions."
        )
    if path.suffix.lower() == SUFFIX:
        model = load_model(path)
    elif is_ict(path):
        model = load_ict(path)
    else:
        raise FitDiffError(
            "face-model-wrong-layout",
            f"{path.name} is no face model that FitDiff knows; give an LSFM .mat file, an ICT-FaceKit folder, "
            "or a FitDiff .safetensors file.",
            details=str(path),
        )
    if landmarks is not None:
        marks = read_landmark_file(landmarks, len(model.mean))
        model.topology.landmarks["ibug68"] = vertex_landmarks(model.topology.triangles, marks)
    return model


def _require_file(path: Path) -> None:
    try:
        require_regular(path)
    except NotAFile as error:
        raise not_a_file(path, error) from error
    except OSError as error:
        raise FitDiffError(
            "face-model-missing", f"There is no {path.name}; check the path of the face model.", details=repr(error)
        ) from error


def import_face(
    source: Path,
    name: str,
    expression: Path | None = None,
    landmarks: Path | None = None,
    replace: bool = False,
) -> tuple[Path, MorphableModel]:
    """Convert another format's face to a FitDiff file under this name; returns that file and the model."""
    if not NAME.fullmatch(name) or name == EMBEDDED:
        raise FitDiffError(
            "usage-name",
            f"A face cannot be called {name!r}; use small letters, digits, dots, dashes and underscores "
            f"(and not {EMBEDDED!r}).",
        )
    target = data_folder() / "faces" / f"{name}{SUFFIX}"
    if target.exists() and not replace:
        raise FitDiffError(
            "face-model-exists",
            f"There is a face model called {name!r} already; choose another --name, or add --replace.",
            details=str(target),
        )
    if not source.exists():
        raise FitDiffError(
            "face-model-missing", f"There is no {source.name}; check the path of the face model.", details=str(source)
        )
    model = open_face(source, expression, landmarks)
    if "ibug68" not in model.topology.landmarks:
        raise FitDiffError(
            "face-model-landmarks",
            f"{source.name} does not say where its landmarks lie, and without them no photo can be fitted; "
            "add --landmarks with a file of its 68 vertex numbers (iBUG order, counted from 0).",
            details=str(source),
        )
    model.name = name
    save_model(target, model, model.header, half=True)
    return target, load_model(target)
