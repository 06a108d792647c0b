"""insightface's ArcFace recognisers, from the user's ONNX file, as an identity network with maps."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from ..identity import ARCFACE_GROUPS, ARCFACE_TEMPLATE, AlignedIdentity
from ..types import IdentityFeatures, Shapes
from . import files
from .loading import onnx_network, unusable

C2, C3, C4 = (128, 28, 28), (256, 14, 14), (512, 7, 7)


class ArcFace(AlignedIdentity):
    """FitDiff's recogniser: an embedding V of 512 and the outputs of the last block of stages 2, 3 and 4."""

    name = "arcface"
    embedding_size = 512
    map_shapes: Shapes = (C2, C3, C4)
    crop_size = 112
    same_person = 0.6  # cosine distance; insightface's own examples call a similarity above 0.4 the same person
    landmark_groups = ARCFACE_GROUPS
    template = ARCFACE_TEMPLATE

    def __init__(self, network: nn.Module) -> None:
        """network: (B, 3, 112, 112) RGB in -1..1 -> embedding, then the three maps."""
        super().__init__()
        self.network = network

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> ArcFace:
        path = files.locate(files.ARCFACE)
        graph = onnx_network(path, files.ARCFACE)
        try:
            tapped = tap(graph, cls.map_shapes)
        except LookupError as error:
            raise unusable(path, files.ARCFACE, str(error)) from error
        return cls(tapped).to(device)

    def features(self, crops: Tensor) -> IdentityFeatures:
        # One face at a time: some published files are fixed to a batch of one.
        seen = [self.network(one) for one in ((crops * 255 - 127.5) / 127.5).split(1)]
        embedding, *maps = (torch.cat(parts) for parts in zip(*seen, strict=True))
        return IdentityFeatures(embedding, tuple(maps))


@torch.no_grad()
def tap(graph: fx.GraphModule, shapes: Shapes) -> fx.GraphModule:
    """The same network with more outputs: for each shape, the last residual sum of that shape.

    Blocks of a residual network end in a sum of two tensors of one shape, whatever the file calls them.
    """
    size = ArcFace.crop_size
    values = _Shapes(graph).observe(torch.zeros(1, 3, size, size))
    (output,) = (node for node in graph.graph.nodes if node.op == "output")
    result = output.args[0]
    result = result[0] if isinstance(result, (list, tuple)) else result
    if not isinstance(result, fx.Node) or values.get(result) != (1, ArcFace.embedding_size):
        raise LookupError(f"the output has shape {values.get(result)}, expected (1, {ArcFace.embedding_size})")

    taps: dict[tuple[int, ...], fx.Node] = {}
    for node in graph.graph.nodes:
        shape = values.get(node)
        inputs = [values.get(source) for source in node.all_input_nodes]
        if shape and len(inputs) == 2 and inputs == [shape, shape]:
            taps[shape] = node
    wanted = [(1, *shape) for shape in shapes]
    missing = [shape for shape in wanted if shape not in taps]
    if missing:
        raise LookupError(f"no residual block gives maps of {missing}")
    output.args = ((result, *(taps[shape] for shape in wanted)),)
    graph.graph.lint()
    graph.recompile()
    return graph


class _Shapes(fx.Interpreter):
    """Runs a graph once and remembers the shape of every tensor in it."""

    def observe(self, example: Tensor) -> dict[fx.Node, tuple[int, ...]]:
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.run(example)
        return self.shapes

    def run_node(self, node: fx.Node) -> object:
        value = super().run_node(node)
        if isinstance(value, Tensor):
            self.shapes[node] = tuple(value.shape)
        return value
