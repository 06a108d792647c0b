"""Choose one of a photo's faces."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FitDiffError
from ..photo import Photo
from .types import Face

SMALLEST = 80.0
"""Pixels of the face box's longer side. Below it the recogniser's crop is mostly invented by magnification."""

OUTSHINES = 2.0
"""A face at least so many times larger than all others is chosen without asking."""


def choose_face(faces: Sequence[Face], photo: Photo, number: int | None = None) -> Face:
    """Faces in the finder's order -> one of them: number counts from 1 as `fitdiff inspect` draws them; None takes the one
    that is much larger than all others.

    Raises no-face, no-such-face, several-faces or face-too-small; the first three with every box in data["faces"], so
    that a caller can let its user click on one.
    """
    if not faces:
        raise FitDiffError(
            "no-face",
            "No face was found in this photo: use an upright, sharp one in which the face is well lit and seen from the"
            " front or a little from the side.",
            data={"faces": [], "width": photo.width, "height": photo.height},
        )
    data = boxes(faces, photo)
    if number is not None and not 1 <= number <= len(faces):
        count = "one face" if len(faces) == 1 else f"{len(faces)} faces"
        raise FitDiffError(
            "no-such-face", f"This photo shows {count}, so there is no face number {number}: choose again.", data=data
        )
    if number is None and len(faces) > 1:
        by_size = sorted((face.size for face in faces), reverse=True)
        if by_size[0] < OUTSHINES * by_size[1]:
            raise FitDiffError(
                "several-faces",
                f"This photo shows {len(faces)} faces of similar size: choose which one is meant, by its number or by"
                " cropping the photo.",
                data=data,
            )
        face = max(faces, key=lambda one: one.size)
    else:
        face = faces[(number or 1) - 1]
    if face.size < SMALLEST:
        cropped = " or a crop of the original" if photo.scale < 1 else ""
        raise FitDiffError(
            "face-too-small",
            f"The face is {face.size:.0f} pixels high and needs at least {SMALLEST:.0f}: use a closer or larger"
            f" photo{cropped}.",
            data={**data, "has": round(face.size, 1), "needs": SMALLEST},
        )
    return face


def boxes(faces: Sequence[Face], photo: Photo) -> dict[str, object]:
    """Error data from which a caller draws the faces to choose from: boxes in pixels of the upright photo, and its size."""
    return {
        "faces": [
            {"number": i, "box": [round(float(v), 1) for v in face.box], "score": round(float(face.score), 4)}
            for i, face in enumerate(faces, 1)
        ],
        "width": photo.width,
        "height": photo.height,
    }
