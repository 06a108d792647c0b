"""The node group that moves guides with the skin and makes strands between them, step by step as the backend's
fitdiff/hair/strands.py does, whose constants it repeats; docs/avatar-format.md describes both. It keeps no rows of guides, so
that guides can be combed, cut and removed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy

from .hair_pigment import EUMELANIN, PHEOMELANIN, SPREAD, WHITE
from .node_graph import NodeGraph, Value

NUMBER, FIRST, SECOND, PLACE, SLOW, QUICK, SORT, TWIST, AXIS, SHADE, OWN_TWIST = range(11)
PER_STRAND, PER_SEED = 16, 1 << 20
AWAY, LOCKS, PARTED, SHORTER = 1.6, 0.06, 0.6, 0.3
GROWS, SLOW_WAVE, QUICK_WAVE = 0.03, 0.06, 0.034
STRAY, STRAYS, TOGETHER, DARKER = 7.0, 24.0, 0.2, 0.25
LEAST = 1e-4
COLOUR = "hair_colour"  # attribute of the strands' points that shaders and exporters read
TURN = 2 * math.pi


@dataclass(frozen=True)
class Middle:
    """What the hair is like on the whole: where the modifier's inputs start."""

    melanin: float
    redness: float
    grey: float
    tint: tuple[float, float, float]
    radius: tuple[float, float]  # metres, at root and tip
    curled: bool


def build_strands_group(name: str, middle: Middle, viewport_share: float) -> bpy.types.NodeTree:
    graph = NodeGraph(
        name,
        {
            "Length": ("Float", 1.0, 0.0, 3.0),
            "Density": ("Float", 1.0, 0.0, 3.0),
            "Viewport Share": ("Float", viewport_share, 0.0, 1.0),
            "Thickness": ("Float", 1.0, 0.0, 10.0),
            "Clump": ("Float", 1.0, 0.0, 10.0),
            "Frizz": ("Float", 1.0, 0.0, 10.0),
            "Curl": ("Float", 1.0, 0.0, 10.0),
            "Melanin": ("Float", middle.melanin, 0.0, 1.0),
            "Redness": ("Float", middle.redness, 0.0, 1.0),
            "Grey": ("Float", middle.grey, 0.0, 1.0),
            "Tint": ("Color", (*middle.tint, 1.0), None, None),
            "Seed": ("Int", 0, 0, 15),
        },
    )
    return _Builder(graph, middle).build()


class _Builder:
    """Each step is a method; all of them share fields that mean something anywhere in the group."""

    def __init__(self, graph: NodeGraph, middle: Middle) -> None:
        self.graph, self.middle, self.inputs = graph, middle, graph.inputs
        self.position = graph.node("GeometryNodeInputPosition").outputs[0]
        self.index = graph.node("GeometryNodeInputIndex").outputs[0]
        self.step = graph.node("GeometryNodeCurveOfPoint").outputs["Index in Curve"]
        self.length, self.count = graph.node("GeometryNodeSplineLength").outputs
        self.last = graph.minus(self.count, 1.0)
        self.along = graph.over(self.step, self.last)
        self.guide = graph.named("guide", "INT")
        self.first = graph.node("GeometryNodePointsOfCurve").outputs["Point Index"]
        self.viewport = graph.node("GeometryNodeIsViewport").outputs[0]

    def build(self) -> bpy.types.NodeTree:
        graph = self.graph
        guides = graph.node("GeometryNodeCurveSplineType", graph.geometry, spline_type="POLY").outputs[0]
        guides = graph.store(guides, "fitdiff_length", self.length)
        guides = graph.store(guides, "fitdiff_root", graph.at(self.position, self.first), "VECTOR")
        tip = graph.at(self.position, graph.add(self.first, self.last))
        guides = graph.store(guides, "fitdiff_tip", tip, "VECTOR")
        # Only now, since neighbours are told by the roots at rest: else a strand would jump when an expression changes them.
        guides = graph.node("GeometryNodeDeformCurvesOnSurface", guides).outputs[0]
        strands = self._duplicates(guides)
        strands = self._mixed(strands, guides)
        strands = self._cut(strands)
        strands = self._wandering(strands)
        strands = self._thick(strands)
        strands = self._coloured(strands)
        return graph.output(self._tidy(strands))

    def _tidy(self, strands: Value) -> Value:
        """Remove the attributes that only the steps here need."""
        tidy = self.graph.node("GeometryNodeRemoveAttribute", strands)
        if hasattr(tidy, "pattern_mode"):
            tidy.pattern_mode = "WILDCARD"
        else:  # an input from Blender 5 on
            tidy.inputs["Pattern Mode"].default_value = "Wildcard"
        tidy.inputs["Name"].default_value = "fitdiff_*"
        return tidy.outputs[0]

    def _chance(self, seed: int) -> Value:
        """(3,) random numbers of a strand."""
        return self.graph.random_vector(
            self.guide, self.graph.add(self.graph.named("fitdiff_seed", "INT"), float(seed))
        )

    def _single(self, seed: int) -> Value:
        return self.graph.random(self.guide, self.graph.add(self.graph.named("fitdiff_seed", "INT"), float(seed)))

    def _duplicates(self, guides: Value) -> Value:
        graph = self.graph
        shown = graph.node(
            "GeometryNodeSwitch", self.viewport, 1.0, self.inputs["Viewport Share"], input_type="FLOAT"
        ).outputs[0]
        wanted = graph.times(graph.named("strands", "INT"), graph.times(self.inputs["Density"], shown))
        amount = graph.math("FLOOR", graph.add(wanted, graph.random(self.guide, NUMBER)))
        made = graph.node("GeometryNodeDuplicateElements", guides, None, amount, domain="SPLINE")
        seed = graph.add(
            graph.times(made.outputs["Duplicate Index"], float(PER_STRAND)),
            graph.times(self.inputs["Seed"], float(PER_SEED)),
        )
        return graph.store(made.outputs["Geometry"], "fitdiff_seed", seed, "INT")

    def _mixed(self, strands: Value, guides: Value) -> Value:
        """Move each strand from its guide to a place between it and two neighbours, closer to it towards the tip."""
        graph = self.graph
        count = graph.node("GeometryNodeAttributeDomainSize", guides, component="CURVE").outputs["Spline Count"]
        places = graph.sample(guides, graph.named("fitdiff_root", "VECTOR"), self.index, "VECTOR")
        roots = graph.node("GeometryNodePoints", count, places).outputs[0]
        far, across, _ = graph.parts(self._chance(PLACE))
        out = graph.math("SQRT", far)
        shares = graph.times(out, graph.minus(1.0, across)), graph.times(out, across)
        for number, (seed, share) in enumerate(zip((FIRST, SECOND), shares, strict=True)):
            strands = self._neighbour(strands, guides, roots, number, seed, share)
        clump = graph.node("ShaderNodeClamp", graph.times(graph.named("clump"), self.inputs["Clump"])).outputs[0]
        long = graph.math("MINIMUM", graph.over(graph.named("fitdiff_length"), LOCKS), 1.0)
        drawn = graph.minus(1.0, graph.times(clump, long, self.along))
        moves = []
        for number in range(2):
            at = graph.math("ROUND", graph.times(self.step, graph.named(f"fitdiff_ratio_{number}")))
            row = graph.add(graph.named(f"fitdiff_first_{number}", "INT"), at)
            there = graph.sample(guides, self.position, row, "VECTOR", "POINT")
            way = graph.vector("SUBTRACT", there, self.position)
            moves.append(graph.scaled(way, graph.named(f"fitdiff_share_{number}")))
        return self._move(strands, graph.scaled(graph.vector("ADD", *moves), drawn))

    def _neighbour(self, strands: Value, guides: Value, roots: Value, number: int, seed: int, share: Value) -> Value:
        graph = self.graph
        root, tip, side = (
            graph.named("fitdiff_root", "VECTOR"),
            graph.named("fitdiff_tip", "VECTOR"),
            graph.named("side", "INT"),
        )
        way = graph.vector("NORMALIZE", graph.vector("SUBTRACT", self._chance(seed), (0.5, 0.5, 0.5)))
        target = graph.vector("ADD", root, graph.scaled(way, graph.times(graph.named("spacing"), AWAY)))
        near = graph.node("GeometryNodeSampleNearest", roots, target).outputs[0]
        there = {name: graph.sample(guides, field, near, "VECTOR") for name, field in (("root", root), ("tip", tip))}
        apart = graph.minus(graph.vector("DISTANCE", there["tip"], tip), graph.vector("DISTANCE", there["root"], root))
        close = graph.math("LESS_THAN", apart, graph.times(graph.vector("DISTANCE", root, tip), PARTED))
        same = graph.math("COMPARE", graph.sample(guides, side, near, "INT"), side, 0.5)
        ratio = graph.over(graph.minus(graph.sample(guides, self.count, near, "INT"), 1.0), self.last)
        first = graph.sample(guides, self.first, near, "INT")
        # Neighbour and share are settled together: each later step would see what an earlier one has changed.
        strands = graph.store(strands, f"fitdiff_share_{number}", graph.times(share, close, same))
        strands = graph.store(strands, f"fitdiff_ratio_{number}", ratio)
        return graph.store(strands, f"fitdiff_first_{number}", first, "INT")

    def _move(self, strands: Value, offset: Value) -> Value:
        return self.graph.node("GeometryNodeSetPosition", strands, None, None, offset).outputs[0]

    def _reach(self) -> Value:
        """The share of a strand that is kept."""
        short, _, _ = self.graph.parts(self._chance(SORT))
        kept = self.graph.minus(1.0, self.graph.times(self.graph.times(short, short), SHORTER))
        return self.graph.times(kept, self.graph.math("MINIMUM", self.inputs["Length"], 1.0))

    def _on_strand(self, step: Value) -> Value:
        """Where the strand's point of this number is now."""
        return self.graph.at(self.position, self.graph.add(self.graph.minus(self.index, self.step), step))

    def _cut(self, strands: Value) -> Value:
        """Shorten each strand by a random share and by Length; over 1, Length stretches it."""
        graph = self.graph
        strands = graph.store(strands, "fitdiff_reach", self._reach())
        at = graph.times(graph.named("fitdiff_reach"), self.step)
        low = graph.math("FLOOR", at)
        start, end = self._on_strand(low), self._on_strand(graph.math("MINIMUM", graph.add(low, 1.0), self.last))
        here = graph.vector("ADD", start, graph.scaled(graph.vector("SUBTRACT", end, start), graph.minus(at, low)))
        root = self._on_strand(graph.times(self.step, 0.0))
        longer = graph.math("MAXIMUM", self.inputs["Length"], 1.0)
        place = graph.vector("ADD", root, graph.scaled(graph.vector("SUBTRACT", here, root), longer))
        return graph.node("GeometryNodeSetPosition", strands, None, place).outputs[0]

    def _wandering(self, strands: Value) -> Value:
        graph = self.graph
        longer = graph.math("MAXIMUM", self.inputs["Length"], 1.0)
        far = graph.times(graph.named("fitdiff_reach"), graph.named("fitdiff_length"), longer, self.along)
        _, wild, _ = graph.parts(self._chance(SORT))
        stray = graph.add(1.0, graph.times(graph.math("POWER", wild, STRAYS), STRAY))
        frizz = graph.times(graph.named("frizz"), self.inputs["Frizz"], stray)
        size = graph.times(frizz, graph.math("MINIMUM", graph.over(far, GROWS), 1.0))
        slow, quick = self._wave(SLOW, SLOW_WAVE, far), self._wave(QUICK, QUICK_WAVE, far)
        offset = graph.scaled(graph.vector("ADD", slow, graph.scaled(quick, 0.5)), size)
        if self.middle.curled:
            offset = graph.vector("ADD", offset, self._curl(far))
        return self._move(strands, offset)

    def _wave(self, seed: int, length: float, far: Value) -> Value:
        phase = self.graph.scaled(self._chance(seed), TURN)
        return self.graph.vector("SINE", self.graph.vector("ADD", phase, self.graph.times(far, TURN / length)))

    def _curl(self, far: Value) -> Value:
        """A helix round the strand."""
        graph = self.graph
        ahead = self._on_strand(graph.math("MINIMUM", graph.add(self.step, 1.0), self.last))
        behind = self._on_strand(graph.math("MAXIMUM", graph.minus(self.step, 1.0), 0.0))
        forward = graph.vector("SUBTRACT", ahead, behind)
        axis = graph.vector("SUBTRACT", graph.random_vector(self.guide, AXIS), (0.5, 0.5, 0.5))
        across = graph.vector("NORMALIZE", graph.vector("CROSS_PRODUCT", forward, axis))
        beside = graph.vector("NORMALIZE", graph.vector("CROSS_PRODUCT", forward, across))
        turns = graph.over(far, graph.math("MAXIMUM", graph.named("curl_turn"), 1e-4))
        own = graph.times(self._single(OWN_TWIST), TOGETHER)
        angle = graph.times(graph.add(turns, graph.random(self.guide, TWIST), own), TURN)
        size = graph.times(graph.named("curl_radius"), self.inputs["Curl"], graph.math("MINIMUM", turns, 1.0))
        return graph.vector(
            "ADD",
            graph.scaled(across, graph.times(size, graph.math("COSINE", angle))),
            graph.scaled(beside, graph.times(size, graph.math("SINE", angle))),
        )

    def _thick(self, strands: Value) -> Value:
        """Thinner towards the tip. Where the viewport shows fewer strands they are thicker, so that the skin stays covered."""
        graph = self.graph
        root, tip = self.middle.radius
        share = graph.math("MAXIMUM", self.inputs["Viewport Share"], 0.05)
        wider = graph.node(
            "GeometryNodeSwitch", self.viewport, 1.0, graph.math("INVERSE_SQRT", share), input_type="FLOAT"
        ).outputs[0]
        radius = graph.add(root, graph.times(graph.times(self.along, self.along), tip - root))
        radius = graph.times(radius, self.inputs["Thickness"], wider)
        return graph.node("GeometryNodeSetCurveRadius", strands, None, radius).outputs[0]

    def _coloured(self, strands: Value) -> Value:
        graph, middle = self.graph, self.middle
        melanin = graph.between(graph.named("melanin"), graph.named("melanin_tip"), self.along)
        redness = graph.between(graph.named("redness"), graph.named("redness_tip"), self.along)
        mean = max(-math.log(max(1 - middle.melanin, LEAST)), 1e-4)
        more = graph.over(self._amount(self.inputs["Melanin"]), mean)
        varied = graph.between(1 - DARKER, 1 + DARKER, self._single(SHADE))
        amount = graph.times(self._amount(melanin), more, varied)
        redness = graph.add(redness, graph.minus(self.inputs["Redness"], middle.redness))
        redness = graph.node("ShaderNodeClamp", redness).outputs[0]
        grey = graph.add(graph.named("grey"), graph.minus(self.inputs["Grey"], middle.grey))
        _, _, sort = graph.parts(self._chance(SORT))
        pigmented = graph.minus(1.0, graph.math("LESS_THAN", sort, grey))
        amount = graph.between(-math.log(1 - WHITE), amount, pigmented)
        redness = graph.times(redness, pigmented)
        brown = graph.scaled(tuple(EUMELANIN), graph.times(amount, graph.minus(1.0, redness)))
        red = graph.scaled(tuple(PHEOMELANIN), graph.times(amount, redness))
        absorbed = [graph.math("SQRT", part) for part in graph.parts(graph.vector("ADD", brown, red))]
        colour = [graph.math("EXPONENT", graph.times(part, -SPREAD)) for part in absorbed]
        natural = graph.node("ShaderNodeCombineXYZ", *colour).outputs[0]
        return graph.store(
            strands, COLOUR, graph.vector("MULTIPLY", natural, self.inputs["Tint"]), "COLOUR", domain="POINT"
        )

    def _amount(self, melanin: Value) -> Value:
        """Blender's melanin, 0 to 1 -> how much pigment."""
        graph = self.graph
        left = graph.math("MAXIMUM", graph.minus(1.0, melanin), LEAST)
        return graph.times(graph.math("LOGARITHM", left, math.e), -1.0)
