"""Soft masks per vertex of the surface, from where things are on ICT's neutral (centimetres)."""

from __future__ import annotations

import numpy as np

from .surface import Head


def vertex_masks(head: Head) -> dict[str, np.ndarray]:
    """name -> (V,) float32 in [0, 1]. `face` is what a photo's likeness is judged on; the parts are REALY's, and more."""
    x, y, z = head.vertices.T
    skin = np.zeros(len(x), bool)
    skin[np.unique(head.quads[head.part == "skin"])] = True

    def rise(value: np.ndarray, low: float, high: float) -> np.ndarray:
        t = np.clip((value - low) / (high - low), 0, 1)
        return t * t * (3 - 2 * t)

    def ball(cx: float, cy: float, rx: float, ry: float, both: bool = False) -> np.ndarray:
        dx = (np.abs(x) - cx) if both else (x - cx)
        return 1 - rise(np.sqrt((dx / rx) ** 2 + (y - cy) ** 2 / ry**2), 0.8, 1.15)

    front = rise(z, 4.0, 6.5) * rise(y, -9.5, -7.5) * (1 - rise(y, 9.5, 11.5)) * (1 - rise(np.abs(x), 6.3, 7.6))
    ears = rise(np.abs(x), 7.2, 7.6) * rise(-z, -4.0, -2.6) * rise(z, -2.5, -1.0) * ball(8.5, 1.6, 9, 4.6, both=True)
    eyes = ball(3.1, 3.4, 2.3, 1.5, both=True) * rise(z, 5, 7)
    brows = ball(3.2, 5.2, 2.9, 1.1, both=True) * rise(z, 5, 7)
    nose = ball(0, 0.9, 2.3, 3.2) * rise(z, 8.0, 9.5)
    mouth = ball(0, -3.4, 3.4, 1.9) * rise(z, 7, 8.5)
    forehead = front * rise(y, 5.6, 6.4)
    chin = front * (1 - rise(y, -6.0, -5.2))
    cheeks = front * (1 - rise(y, 2.2, 3.2)) * rise(y, -5.6, -4.8)
    cheeks = np.clip(cheeks - nose - mouth, 0, 1)
    neck = (1 - rise(y, -9.5, -7.8)) * (1 - rise(z, 7.5, 9.0))
    scalp = rise(y, 3, 8) * (1 - front) * (1 - ears) * rise(y + (6 - z) * 0.6, 7.5, 9.5)
    masks = {
        "face": front,
        "eyes": eyes,
        "brows": brows,
        "nose": nose,
        "mouth": mouth,
        "forehead": forehead,
        "cheeks": cheeks,
        "chin": chin,
        "ears": ears,
        "neck": neck,
        "scalp": scalp,
    }
    return {name: (mask * skin).astype(np.float32) for name, mask in masks.items()}
