"""Antialiased outlines, which give moving outlines a gradient.

After nvdiffrast (Laine et al. 2020, section 3.6), with one change. There the outline is searched on the triangles that pixel
centres hit, which misses most of it where triangles are smaller than pixels, as at a head's sides. Here every outline edge
of the mesh is walked, and wherever it passes between two pixel centres the two pixels are blended by its position.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .camera import Projected
from .interpolate import Fragments
from .mesh import MeshTables

REACH = 16.0
"""Pixels: largest depth difference between the outline and the surface at the next pixel centre inside it. On a sphere of
130 pixels radius, depth changes by this much in the last pixel."""


def antialias(
    values: Tensor, fragment: Fragments, projected: Projected, focal: Tensor, size: tuple[int, int], mesh: MeshTables
) -> Tensor:
    """values (C, B H W) per pixel -> the same with outlines blended; gradients reach projected.screen.

    fragment: what the pixels see; focal (B,) as in Camera.
    """
    crossing, inner, outer, turned, low = _crossings(fragment, projected, focal, size, mesh)
    ends = projected.screen.flatten(0, 1).index_select(0, crossing.flatten()).view(-1, 2, 2)  # (K, end, xy)
    ends = torch.where(turned[:, None, None], ends.flip(-1), ends)  # now the second axis runs along the edge
    width = size[1]
    column, row = (inner % width).to(ends.dtype) + 0.5, (inner // width % size[0]).to(ends.dtype) + 0.5
    across, along = torch.where(turned, row, column), torch.where(turned, column, row)
    start, end = ends.unbind(1)
    share = (along - start[:, 1]) / (end[:, 1] - start[:, 1])
    travelled = (start[:, 0] + share * (end[:, 0] - start[:, 0]) - across) * torch.where(low, 1.0, -1.0).to(ends)
    spill = travelled > 0.5  # past the border between the two pixels: the outer one is partly covered
    target, source = torch.where(spill, outer, inner), torch.where(spill, inner, outer)
    weight = (travelled - 0.5).abs()
    total = torch.zeros_like(values[0]).index_add(0, target, weight)
    weight = weight / total.index_select(0, target).clamp(min=1.0)
    return values.index_add(1, target, weight * (values.index_select(1, source) - values.index_select(1, target)))


@torch.no_grad()
def _crossings(
    fragment: Fragments, projected: Projected, focal: Tensor, size: tuple[int, int], mesh: MeshTables
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Where visible outline edges pass between neighbouring pixel centres.

    Returns the edge's ends (K, 2) as rows of B * V, the flat pixel inside and the one outside (K,), whether the edge is
    closer to the x axis (then the pixels are above each other) and whether the inner pixel has the lower coordinate.
    """
    height, width = size
    batch, vertices = projected.depth.shape
    device = projected.depth.device
    near = torch.zeros(batch * height * width, dtype=fragment.nearness.dtype, device=device)
    near[fragment.pixel] = fragment.nearness

    screen = projected.screen.detach()
    start, end = (screen.index_select(1, mesh.edges[:, k]) for k in (0, 1))  # (B, E, 2)
    one, other = (_side(start, end, screen.index_select(1, mesh.edge_apexes[:, k])) for k in (0, 1))
    front = projected.nearness > 0
    drawable = front.index_select(1, mesh.edges[:, 0]) & front.index_select(1, mesh.edges[:, 1])
    image, edge = ((one * other > 0) & drawable).nonzero().unbind(1)

    start, end, apex = start[image, edge], end[image, edge], screen[image, mesh.edge_apexes[edge, 0]]
    turned = (end - start).abs().diff(dim=1)[:, 0] < 0
    start, end, apex = (torch.where(turned[:, None], x.flip(-1), x) for x in (start, end, apex))
    lines = torch.where(turned, width, height)  # pixel rows (or columns) that the edge may cross
    cells = torch.where(turned, height, width)
    low, high = torch.minimum(start[:, 1], end[:, 1]), torch.maximum(start[:, 1], end[:, 1])
    first = torch.minimum((low - 0.5).ceil().clamp(min=0), lines).long()
    count = (torch.minimum((high - 0.5).ceil().clamp(min=0), lines).long() - first).clamp(min=0)
    which = torch.repeat_interleave(torch.arange(len(count), device=device), count)
    line = first[which] + torch.arange(len(which), device=device) - (count.cumsum(0) - count)[which]

    slope = (end - start)[:, 0] / (end - start)[:, 1]
    inner_low = apex[:, 0] < start[:, 0] + slope * (apex[:, 1] - start[:, 1])
    place = start[which, 0] + slope[which] * (line + 0.5 - start[which, 1])
    cell = (place - 0.5).floor()
    within = (cell >= 0) & (cell < cells[which] - 1)
    which, line, place, cell = which[within], line[within], place[within], cell[within].long()

    image, edge, turned, low = image[which], edge[which], turned[which], inner_low[which]
    inside, outside = torch.where(low, cell, cell + 1), torch.where(low, cell + 1, cell)
    inner = _flat(image, line, inside, turned, size)
    outer = _flat(image, line, outside, turned, size)
    ends = mesh.edges[edge] + (image * vertices)[:, None]
    share = (line + 0.5 - start[which, 1]) / (end[which, 1] - start[which, 1])
    ends_near = projected.nearness.flatten()[ends]
    edge_near = ends_near[:, 0] + share * (ends_near[:, 1] - ends_near[:, 0])
    slack = REACH / focal.detach().expand(batch)[image] * edge_near
    visible = (near[outer] < edge_near) & ((near[inner] - edge_near).abs() < slack)

    # of several edges between the same two pixels, the outermost is the outline
    travelled = torch.where(low, place - cell - 0.5, cell + 1.5 - place)
    pair = (inner * 2 + turned) * 2 + low
    kept = visible.nonzero()[:, 0]
    kept = kept[travelled[kept].argsort()]
    kept = kept[pair[kept].argsort(stable=True)]
    last = torch.ones(len(kept), dtype=torch.bool, device=device)
    last[:-1] = pair[kept[1:]] != pair[kept[:-1]]
    kept = kept[last]
    return ends[kept], inner[kept], outer[kept], turned[kept], low[kept]


def _side(start: Tensor, end: Tensor, point: Tensor) -> Tensor:
    along, towards = end - start, point - start
    return along[..., 0] * towards[..., 1] - along[..., 1] * towards[..., 0]


def _flat(image: Tensor, line: Tensor, cell: Tensor, turned: Tensor, size: tuple[int, int]) -> Tensor:
    row, column = torch.where(turned, cell, line), torch.where(turned, line, cell)
    return (image * size[0] + row) * size[1] + column
