"""ICT-FaceKit's light model (MIT): neutral, scan modes, expressions, eyes, teeth; centimetres, Y up, looking along +Z."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Vertex ranges of ICT-FaceKit's fixed topology.
RANGES = {
    "skin": (0, 11248),
    "mouth": (11248, 13294),
    "socket": (13294, 14062),
    "gums": (14062, 17039),
    "teeth": (17039, 21451),
    "eye_left": (21451, 23021),  # the person's left: positive x
    "eye_right": (23021, 24591),
}
SIDES = {"_L": "Left", "_R": "Right"}
MERGED = {"browInnerUp": ("browInnerUp_L", "browInnerUp_R"), "cheekPuff": ("cheekPuff_L", "cheekPuff_R")}


@dataclass(frozen=True)
class Ict:
    neutral: np.ndarray  # (26719, 3) float64
    quads: np.ndarray  # (26384, 4), -1 in a triangle's last place
    identity: np.ndarray  # (100, 26719, 3) float32
    expression: dict[str, np.ndarray]  # ICT's own names
    landmarks68: np.ndarray  # (68,) vertex indices
    uv: np.ndarray
    uv_quads: np.ndarray

    @classmethod
    def open(cls, root: Path) -> Ict:
        with np.load(root / "ict_facekit.npz", allow_pickle=False) as data:
            names = [str(name) for name in data["expression_names"]]
            expression = dict(zip(names, data["expression"].astype(np.float32), strict=True))
            indices = json.loads((root / "vertex_indices.json").read_text())["idx_to_landmark_verts"]
            return cls(
                data["neutral"].astype(float),
                data["faces"].astype(int),
                data["identity"].astype(np.float32),
                expression,
                np.array(list(indices.values()) if isinstance(indices, dict) else indices),
                data["uv"].astype(float),
                data["face_uv"].astype(int),
            )

    def arkit(self, name: str) -> np.ndarray | None:
        """(26719, 3) displacement of an ARKit unit, or None where ICT has none (tongueOut)."""
        if name in MERGED:
            return sum(self.expression[part] for part in MERGED[name])  # type: ignore[return-value]
        for short, long in SIDES.items():
            if name.endswith(long) and name.removesuffix(long) + short in self.expression:
                return self.expression[name.removesuffix(long) + short]
        return self.expression.get(name)

    def _rows(self, *parts: str) -> np.ndarray:
        """Rows of quads whose corners all lie in the named parts (in any of them: lips bridge skin and mouth)."""
        part = np.full(len(self.neutral) + 1, False)
        for name in parts:
            part[slice(*RANGES[name])] = True
        part[-1] = True  # the missing corner of a triangle
        return part[self.quads].all(1)

    def faces(self, *parts: str) -> np.ndarray:
        return self.quads[self._rows(*parts)]

    def triangles(self, *parts: str) -> np.ndarray:
        return triangulate(self.faces(*parts))

    def quads_with_uv(self, *parts: str) -> tuple[np.ndarray, np.ndarray]:
        rows = self._rows(*parts)
        return self.quads[rows], self.uv_quads[rows]


def triangulate(quads: np.ndarray) -> np.ndarray:
    four = quads[:, 3] >= 0
    return np.concatenate([quads[:, [0, 1, 2]], quads[four][:, [0, 2, 3]]])
