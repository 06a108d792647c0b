"""A made-up head in numpy alone, for tests on both sides: ellipsoids for skin, two eyes, teeth and mouth."""

from __future__ import annotations

import numpy as np

ARKIT_COUNT = 52


def sphere(rows: int, columns: int, radii: tuple[float, float, float], tile: int) -> dict[str, np.ndarray]:
    """A UV sphere around the y axis, u = 0.5 on +Z; triangles at the poles, quads between. Metres."""
    theta = np.linspace(0, np.pi, rows + 1)[1:-1]
    phi = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    ring = np.stack([np.sin(t) * np.sin(p), np.cos(t), np.sin(t) * np.cos(p)], -1).reshape(-1, 3)
    vertices = np.concatenate([ring, [[0, 1, 0], [0, -1, 0]]]) * radii
    north, south = len(ring), len(ring) + 1
    uv_row = np.stack(np.meshgrid(1 - theta / np.pi, np.linspace(0, 1, columns + 1), indexing="ij"), -1)
    uv = uv_row[..., ::-1].reshape(-1, 2)
    caps = np.stack([(np.arange(columns) + 0.5) / columns, np.ones(columns)], -1)
    uv = np.concatenate([uv, caps, caps * [1, 0]]) * 0.98 + 0.01
    quads, uv_quads = [], []
    for c in range(columns):
        n = (c + 1) % columns
        quads.append((c, n, north, -1))
        uv_quads.append((c, c + 1, (rows - 1) * (columns + 1) + c, -1))
        for r in range(rows - 2):
            quads.append((r * columns + c, (r + 1) * columns + c, (r + 1) * columns + n, r * columns + n))
            a, b = r * (columns + 1) + c, (r + 1) * (columns + 1) + c
            uv_quads.append((a, b, b + 1, a + 1))
        last, uv_last = (rows - 2) * columns, (rows - 2) * (columns + 1)
        quads.append((last + n, last + c, south, -1))
        uv_quads.append((uv_last + c + 1, uv_last + c, (rows - 1) * (columns + 1) + columns + c, -1))
    return {
        "vertices": vertices,
        "quads": np.array(quads),
        "uv": uv + np.array([tile, 0]),
        "uv_quads": np.array(uv_quads),
        "quad_region": np.full(len(quads), tile),
    }


def arrays(rows: int = 12, columns: int = 16) -> dict[str, np.ndarray]:
    """The arrays of mesh.npz. Every region has its UV tile; 52 shapes, each a bump of its own."""
    parts = [sphere(rows, columns, (0.075, 0.11, 0.09), 0)]
    for x in (0.032, -0.032):
        eye = sphere(6, 8, (0.012, 0.012, 0.012), 1)
        eye["vertices"] = eye["vertices"] + [x, 0.02, 0.078]
        parts.append(eye)
    for tile, radii, place in (
        (2, (0.02, 0.005, 0.006), (0, -0.045, 0.078)),
        (3, (0.025, 0.01, 0.008), (0, -0.045, 0.073)),
    ):
        part = sphere(4, 8, radii, tile)
        part["vertices"] = part["vertices"] + place
        parts.append(part)
    v = np.cumsum([0] + [len(part["vertices"]) for part in parts])
    u = np.cumsum([0] + [len(part["uv"]) for part in parts])
    joined = {key: np.concatenate([part[key] for part in parts]) for key in ("vertices", "uv", "quad_region")}
    for key, starts in (("quads", v), ("uv_quads", u)):
        moved = [np.where(p[key] < 0, -1, p[key] + start) for p, start in zip(parts, starts[:-1], strict=True)]
        joined[key] = np.concatenate(moved)
    generator = np.random.default_rng(7)
    centres = joined["vertices"][generator.choice(v[1], ARKIT_COUNT, replace=False)]
    distance = np.linalg.norm(joined["vertices"][None] - centres[:, None], axis=-1)
    bump = np.exp(-((distance / 0.02) ** 2))[..., None] * generator.normal(0, 0.005, (ARKIT_COUNT, 1, 3))
    return {
        "vertices": joined["vertices"].astype(np.float32),
        "quads": joined["quads"].astype(np.int32),
        "uv": joined["uv"].astype(np.float32),
        "uv_quads": joined["uv_quads"].astype(np.int32),
        "quad_region": joined["quad_region"].astype(np.uint8),
        "shape_key_names": np.array([f"shape{i:02d}" for i in range(ARKIT_COUNT)]),
        "shape_keys": bump.astype(np.float16),
        "fit_residual": generator.normal(0, 1e-4, (v[-1], 3)).astype(np.float32),
    }


def maps(size: int = 64) -> dict[str, np.ndarray]:
    """Pictures as the folder stores them, uint8: sRGB for diffuse, data for the rest, row 0 at v = 1."""
    y, x = np.mgrid[0:size, 0:size] / size
    skin = np.stack([200 + 20 * np.sin(9 * x), 150 + 20 * np.cos(7 * y), 130 + 0 * x], -1)
    radius = np.hypot(x - 0.5, y - 0.5)[..., None] * 8
    eye = np.where(radius < 0.25, 10, np.where(radius < 0.6, [90, 60, 30], [235, 230, 225]))
    flat = np.ones((size, size, 1))
    return {
        "diffuse": skin.astype(np.uint8),
        "specular": (80 + 40 * x).astype(np.uint8),
        "normal": (flat * [128, 128, 255]).astype(np.uint8),
        "eyes_diffuse": eye.astype(np.uint8),
        "teeth_diffuse": (flat * [220, 210, 190]).astype(np.uint8),
        "mouth_diffuse": (flat * [140, 60, 60]).astype(np.uint8),
    }


def hair_map(rows: slice = slice(0, 24), size: int = 64) -> np.ndarray:
    """Hair that lies down, -v, in these rows; 0 is the top."""
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 0] = 128
    picture[rows, :, 2] = 255
    return picture


def brows_map(size: int = 64) -> np.ndarray:
    """Two brows whose hair stands up, +v; some hundreds of strands each on a head 15 cm wide."""
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 0], picture[..., 1] = 128, 255
    picture[20:22, 20:27, 2] = picture[20:22, 37:44, 2] = 255
    return picture


RING_SIZE = ((0.0112, 0.0056), (0.0118, 0.005), (0.0124, 0.0047), (0.0135, 0.006), (0.016, 0.009), (0.02, 0.013))
RING_HEIGHT = (0.0126, 0.0132, 0.0138, 0.0144, 0.018, 0.0225)  # metres from the eyeball's middle
BALL = 0.0125


def lidded(columns: int = 24) -> dict[str, np.ndarray]:
    """The arrays of mesh.npz: two eyeballs behind lids, of six rings of skin each, which blink."""
    parts, blinks = [], []
    for side, u in ((1, 0.75), (-1, 0.25)):
        middle = np.array([side * 0.03, 0.0, 0.06])
        angle = np.linspace(0, 2 * np.pi, columns, endpoint=False)
        points, uv = [], []
        for number, ((a, b), height) in enumerate(zip(RING_SIZE, RING_HEIGHT, strict=True)):
            x, y = a * np.cos(angle), b * np.sin(angle)
            points.append(np.stack([x, y, np.sqrt(height**2 - x**2 - y**2)], 1))
            reach = 0.05 + 0.03 * number
            uv.append(np.stack([u + reach * np.cos(angle), 0.5 + reach * np.sin(angle)], 1))
        points = np.concatenate(points)
        k, c = np.meshgrid(np.arange(len(RING_SIZE) - 1), np.arange(columns), indexing="ij")
        n = (c + 1) % columns
        one, other = k * columns, (k + 1) * columns
        quads = np.stack([one + c, other + c, other + n, one + n], -1).reshape(-1, 4)
        skin = {"vertices": points + middle, "quads": quads, "uv": np.concatenate(uv), "uv_quads": quads}
        parts.append({**skin, "quad_region": np.zeros(len(quads), int)})
        eye = sphere(8, 12, (BALL,) * 3, 1)
        eye["vertices"] = eye["vertices"] + middle
        parts.append(eye)
        lowered = np.zeros((len(points) + len(eye["vertices"]), 3))
        upper = np.tile(np.sin(angle) > 1e-6, 4)  # the four rings about the edge
        lowered[: 4 * columns][upper] = (points[: 4 * columns] * [0, -1.9, 0])[upper]
        blinks.append(lowered)
    v = np.cumsum([0] + [len(part["vertices"]) for part in parts])
    u = np.cumsum([0] + [len(part["uv"]) for part in parts])
    shapes = np.zeros((4, v[-1], 3))
    shapes[2, : v[2]], shapes[3, v[2] :] = blinks
    moved = {
        key: np.concatenate([np.where(p[key] < 0, -1, p[key] + s) for p, s in zip(parts, starts[:-1], strict=True)])
        for key, starts in (("quads", v), ("uv_quads", u))
    }
    return {
        "vertices": np.concatenate([part["vertices"] for part in parts]).astype(np.float32),
        "quads": moved["quads"].astype(np.int32),
        "uv": np.concatenate([part["uv"] for part in parts]).astype(np.float32),
        "uv_quads": moved["uv_quads"].astype(np.int32),
        "quad_region": np.concatenate([part["quad_region"] for part in parts]).astype(np.uint8),
        "shape_key_names": np.array(["shape03", "shape10", "eyeBlinkLeft", "eyeBlinkRight"]),
        "shape_keys": shapes.astype(np.float32),
        "fit_residual": np.zeros((v[-1], 3), np.float32),
    }
