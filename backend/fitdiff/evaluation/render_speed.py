"""Time the renderer, forward and backward."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from ..face.model import MorphableModel
from ..render import Maps, Renderer
from ..render.preview import framing
from ..render.visibility import choose
from ..topology import Topology
from .timing import bandwidth, milliseconds

LIGHT = (0.3, 0.8, 0.8, 1.0, 0.95, 0.9, 0.4, 0.5, 1.0)


@dataclass(frozen=True)
class Case:
    """One thing to time."""

    size: int = 256  # pixels, square
    maps: int = 512  # texels, square
    batch: int = 1
    dense: bool = False  # every triangle cut in four
    rasterizer: str | None = None


@dataclass(frozen=True)
class Timing:
    forward_ms: float
    backward_ms: float
    vertices: int
    faces: int
    pixels: int  # that show the head, over the whole batch
    size: int
    maps: int
    batch: int
    rasterizer: str
    device: str
    threads: int
    floor_ms: float | None = None  # forward and backward if memory bandwidth were the only limit; on a GPU
    floor_fraction: float | None = None  # of the measured time

    def to_json(self) -> dict:
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}


def time_case(case: Case, model: MorphableModel, device: torch.device, repeats: int) -> Timing:
    """Median forward and backward milliseconds of a picture's sum, with gradients to vertices, maps and light."""
    topology, points = model.topology, model.mean.to(device)
    if case.dense:
        topology, points = denser(topology, points)
    renderer = Renderer(topology, case.rasterizer).to(device)
    vertices = points.expand(case.batch, -1, -1).clone().requires_grad_()
    camera = framing(points, (case.size, case.size), yaw=20.0)
    camera = replace(camera, focal=camera.focal * 1.15)
    maps = _maps(case, device)
    light = torch.tensor([LIGHT], device=device).expand(case.batch, -1).clone().requires_grad_()
    weight = torch.rand(case.batch, 3, case.size, case.size, generator=torch.Generator().manual_seed(0)).to(device)
    loss: list[torch.Tensor] = []

    def forward() -> None:
        rendering = renderer(vertices, maps, camera, light)
        loss[:] = [(rendering.image * weight).sum()]

    def backward() -> None:
        for leaf in (vertices, light, *maps[:3]):
            leaf.grad = None
        loss[0].backward()

    forward_ms, backward_ms = milliseconds([forward, backward], device, repeats)
    with torch.no_grad():
        pixels = len(renderer(vertices, maps, camera, light).pixel)
    floor = None
    if device.type == "cuda":
        floor = 1e3 * least_bytes(case, len(points), pixels) / bandwidth(device)
    return Timing(
        forward_ms,
        backward_ms,
        len(points),
        len(topology.triangles),
        pixels,
        case.size,
        case.maps,
        case.batch,
        choose(case.rasterizer, device),
        torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        torch.get_num_threads(),
        floor,
        floor / (forward_ms + backward_ms) if floor else None,
    )


def least_bytes(case: Case, vertices: int, pixels: int) -> int:
    """Bytes that any renderer must move: maps, picture and vertices with their gradients, and per visible pixel its face
    number, written once and read twice."""
    maps = 7 * case.maps**2 * case.batch
    picture = 4 * case.size**2 * case.batch
    return 4 * (2 * maps + 2 * picture + 2 * 3 * vertices * case.batch + 3 * pixels)


def denser(topology: Topology, points: torch.Tensor) -> tuple[Topology, torch.Tensor]:
    """The topology with every triangle cut in four at its edges' middles, for timing."""
    triangles, middle = _cut(topology.triangles)
    uv_triangles, uv_middle = _cut(topology.uv_triangles)
    points = torch.cat([points, points[torch.from_numpy(middle)].mean(1)])
    cut = Topology(
        triangles,
        np.concatenate([topology.uv, topology.uv[uv_middle].mean(1)]).astype(np.float32),
        uv_triangles,
        np.tile(topology.triangle_region, 4),
    )
    return cut, points


def _cut(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) -> (4 T, 4) with -1 last, and the ends (E, 2) of the edges whose middles are the new rows."""
    ends = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1)
    edges, row = np.unique(ends, axis=0, return_inverse=True)
    ab, bc, ca = (row.reshape(3, -1) + triangles.max() + 1).astype(np.int32)
    a, b, c = triangles.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    faces = np.concatenate([np.stack(part, 1) for part in parts])
    return np.concatenate([faces, np.full((len(faces), 1), -1)], 1).astype(np.int32), edges.astype(np.int64)


def _maps(case: Case, device: torch.device) -> Maps:
    generator = torch.Generator().manual_seed(1)
    shape = (case.batch, 7, case.maps, case.maps)
    noise = torch.rand(shape, generator=generator).to(device)
    diffuse, specular, normal = noise.split([3, 1, 3], 1)
    normal = torch.cat([normal[:, :2] * 0.2 - 0.1, torch.ones_like(normal[:, :1])], 1)
    return Maps(*(one.contiguous().requires_grad_() for one in (diffuse, specular, normal)))
