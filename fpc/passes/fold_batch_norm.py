"""fold-batch-norm: batch normalisation becomes part of the weights beside it.

A frozen batch norm is an affine map of channels (Ioffe and Szegedy 2015, section 3.1). It folds
into the convolution, transposed convolution or dense layer before it, else into the one after it;
a lone one becomes a 1x1 depthwise convolution, which int8 runtimes run in one kernel with a scale
a channel where mul and add would be two with one scale each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import BatchNorm
from fpc.passes.affine import AffineNode, as_affine
from fpc.passes.affine_folding import apply_depthwise, apply_mul_add, fold_after
from fpc.passes.affine_forward import fold_before
from fpc.passes.sharing import is_plain_float
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Replaces every batch norm whose parameters are known.

    What was declined says why a batch norm folded into no neighbour; it then became a 1x1
    depthwise convolution (feature maps) or mul and add (other ranks).
    """

    name: ClassVar[str] = "fold-batch-norm"

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """One sweep in topological order, so that a chain of batch norms folds into one."""
        declined: list[Declined] = []
        for node in rewriter.graph.nodes_of(BatchNorm):
            reason = _fold(node, rewriter)
            if reason is not None:
                declined.append(Declined(reason, node.location))
        return tuple(declined)


def _fold(node: Node[BatchNorm], rewriter: Rewriter) -> str | None:
    affine = as_affine(node, node.op.axis)
    if affine is None:
        if not is_plain_float(node):
            return "it is quantised"
        return "its parameters are not known before the graph runs"
    if not affine.map.is_finite:
        return "its parameters give scales that are not finite"
    not_after = fold_after(node, affine, rewriter)
    if not_after is None:
        return None
    not_before = fold_before(node, affine, rewriter)
    if not_before is None:
        return None
    became = _keep(node, affine, rewriter)
    return f"became {became}: {not_after}; {not_before}"


def _keep(node: Node[Op], affine: AffineNode, rewriter: Rewriter) -> str:
    if affine.operand.type.rank == 4 and affine.axis == 1:
        apply_depthwise(node, affine, rewriter)
        return "a 1x1 depthwise convolution"
    apply_mul_add(node, affine, rewriter)
    return "mul and add"
