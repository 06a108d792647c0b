"""A groom's strands in our own pictures, over a drawn head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..avatar import Groom
from ..render.camera import Camera
from ..render.projection import depth_picture
from ..render.renderer import Rendering
from ..render.strand_raster import DrawnStrands, draw_strands
from .colour import as_seen
from .head_shape import SHOULDERS
from .strands import Strands, strands_of

SHINE = 0.012  # of what hair is seen as, the surface's own, which the drawing adds as a highlight
SHARE = 0.5  # of the strands that are drawn, as much thicker


def posed_strands(groom: Groom, neutral: np.ndarray, posed: np.ndarray) -> Strands:
    """neutral, posed (V, 3) metres: the head that the groom was made on, and where it is now."""
    _, near = cKDTree(neutral).query(groom.points[:, 0])
    moved = (posed - neutral)[near].astype(np.float32)
    return strands_of(replace(groom, points=groom.points + moved[:, None]), SHARE)


def draw_hair(
    strands: Strands, head: Rendering, vertices: Tensor, triangles: Tensor, camera: Camera, light: list[float]
) -> DrawnStrands:
    """The strands where the head (vertices (V, 3), as drawn) does not hide them; light: nine numbers."""
    camera, vertices = camera.to("cpu"), vertices.cpu()
    projected = camera.project(vertices[None])
    depth = depth_picture(head.face.cpu(), projected.screen[0], projected.depth[0], triangles.cpu())[0, 0].numpy()
    depth = np.minimum(depth, _body_depth(camera))
    return draw_strands(
        strands.points, as_seen(strands.colour) - SHINE, float(strands.radius.mean()) / SHARE, camera, depth, light
    )


def _body_depth(camera: Camera) -> np.ndarray:
    """(H, W) metres to the shoulders that no mesh shows, which hide hair that falls down the back; large off them."""
    height, width = camera.size
    rotation, position = camera.rotation[0].double().numpy(), camera.position[0].double().numpy()
    rows, columns = np.indices((height, width)) + 0.5
    across, down = camera.principal[0].double().numpy()
    focal = float(camera.focal[0])
    way = np.stack([(columns - across) / focal, (down - rows) / focal, -np.ones((height, width))], -1) @ rotation
    middle, radii = (np.array(values) for values in SHOULDERS)
    way, start = way / radii, (position - middle) / radii
    a, b, c = (way * way).sum(-1), (way * start).sum(-1), float(start @ start) - 1
    inside = b * b - a * c
    return np.asarray(np.where(inside > 0, (-b - np.sqrt(inside.clip(0))) / a, 1e3))


def with_hair(
    strands: Strands | None, head: Rendering, vertices: Tensor, triangles: Tensor, camera: Camera, light: list[float]
) -> Rendering:
    """The drawn head with these strands; as it is without any."""
    if strands is None:
        return head
    hair = draw_hair(strands, head, vertices, triangles, camera, light)
    image, alpha = (torch.from_numpy(values).to(head.image) for values in (hair.image, hair.alpha))
    under = 1 - alpha[None, None]
    return replace(
        head, image=image.permute(2, 0, 1)[None] + under * head.image, alpha=alpha[None, None] + under * head.alpha
    )
