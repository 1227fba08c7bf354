"""Which sums the kernel of one of their operands computes at its end.

What a convolution or dense layer gives is requantised in registers. Where nothing but a sum reads
it, the sum is taken there too: the result goes to memory once instead of twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from fpc.backends.tvm.planning.convolution import is_depthwise
from fpc.backends.tvm.planning.site import FusedSum
from fpc.ir.graph import Graph, Node
from fpc.ir.ops import Add, Conv2d, ConvTranspose2d, Dense
from fpc.rewrite.passes import Declined

_SUMS_OF_PRODUCTS = (Conv2d, ConvTranspose2d, Dense)


def fused_sums(graph: Graph) -> Iterator[FusedSum]:
    """The sums of a graph that are fused with what makes one of their operands."""
    order = {node: index for index, node in enumerate(graph)}
    for node in graph.nodes_of(Add):
        fusions = [fusion_with(node, own) for own in (0, 1)]
        fitting = [fusion for fusion in fusions if isinstance(fusion, FusedSum)]
        if fitting:
            # Of two convolutions the earlier one stays in its place: its operand is freed there.
            yield max(fitting, key=lambda fusion: order[fusion.products])


def fusion_with(node: Node[Add], own: int) -> FusedSum | Declined:
    """The fusion of a sum with what makes its operand `own`, or why there is none."""
    fusion = FusedSum(node, own)
    value, residual = node.input(own), fusion.residual
    if value.producer is None or not isinstance(value.producer.op, _SUMS_OF_PRODUCTS):
        return Declined(f"%{value.name} is no result of a convolution or dense layer")
    if is_depthwise(value.producer):
        return Declined(f"%{value.name} is filtered channel by channel, by kernels without a sum")
    if len(value.uses) > 1:
        return Declined(f"%{value.name} is needed by itself")
    if residual.type.shape != value.type.shape:
        return Declined(f"%{value.name} and %{residual.name} differ in shape")
    return fusion
