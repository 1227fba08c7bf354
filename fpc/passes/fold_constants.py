"""fold-constants: compute what depends on constants only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.interp.executor import apply as compute
from fpc.interp.numerics import Numerics
from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.passes.sharing import has_data
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True)
class FoldConstants(RewritePass):
    """Replaces nodes whose operands are all constants by their results.

    A result of more than `limit` elements that is larger than the operands stays computed, because
    it would bloat the model.
    """

    name: ClassVar[str] = "fold-constants"
    roots: ClassVar[tuple[type[Op], ...]] = (Op,)

    limit: int = 1 << 20

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Compute `node` under the reference numerics."""
        if not node.operands or not all(has_data(value) for value in node.operands):
            return None
        size = sum(value.type.size for value in node.outputs)
        if size > self.limit and size > sum(value.type.size for value in node.operands):
            return Declined(f"its result would be a constant of {size} elements")
        if any(value.is_graph_output for value in node.outputs):
            return Declined("an output of the graph keeps a node that computes it")
        arrays = [None if value is None else value.data for value in node.inputs]
        results = compute(node, arrays, Numerics.TFLITE_REFERENCE)
        constants = [
            rewriter.constant(array.astype(value.type.dtype.numpy), value.name, value.type.quant)
            for value, array in zip(node.outputs, results, strict=True)
        ]
        rewriter.replace_with_values(node, constants)
        return None
