"""fold-scale-and-bias: products and sums with constants become part of the weights beside them.

Constants are numbers or one number a channel. What finds no weights is at least joined: two
products or two sums in a row become one, and a product and a sum of a feature map become one 1x1
depthwise convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fpc.ir.graph import Node
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import Add, Conv2d, Div, Mul, Sub, Unary
from fpc.passes.affine import Affine, AffineNode, as_affine, likely_channel_axis
from fpc.passes.affine_folding import apply_depthwise, fold_after
from fpc.passes.affine_forward import fold_before
from fpc.passes.sharing import has_data, is_plain_float
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True)
class FoldScaleAndBias(RewritePass):
    """Folds add, sub, mul, div and neg by constants of channels into weights before or after.

    So it does with depthwise convolutions of one tap, which are a product and a sum as well.
    """

    name: ClassVar[str] = "fold-scale-and-bias"
    roots: ClassVar[tuple[type[Op], ...]] = (Add, Sub, Mul, Div, Unary, Conv2d)

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Fold `node` into the weights before it, else after it, else into its neighbour."""
        if not is_plain_float(node):
            return None
        affine = as_affine(node, likely_channel_axis(node))
        if affine is None:
            _join(node, rewriter)
            return None
        if not affine.map.is_finite:
            return Declined("its constant is not finite")
        if _join(node, rewriter):
            return None
        not_after = fold_after(node, affine, rewriter)
        if not_after is None:
            return None
        not_before = fold_before(node, affine, rewriter)
        if not_before is None or isinstance(node.op, Conv2d):
            return None
        if _join_as_depthwise(node, affine, rewriter):
            return None
        return Declined(f"{not_after}; {not_before}")


def _join(node: Node[Op], rewriter: Rewriter) -> bool:
    """Turn two products, or two sums, with constants into one."""
    op = node.op
    inner = node.input(0).producer
    if not isinstance(op, (Add, Mul)) or inner is None or type(inner.op) is not type(op):
        return False
    x, constants = inner.input(0), (inner.input(1), node.input(1))
    joins = (
        all(has_data(constant) for constant in constants)
        and not x.is_constant
        and is_plain_float(inner)
        and fused_activation(inner.op) is Activation.NONE
        and node.input(0).has_one_use
        and node.output.type.shape == x.type.shape
    )
    if not joins:
        return False
    first, second = (constant.data.astype(np.float64) for constant in constants)
    joined = first + second if isinstance(op, Add) else first * second
    constant = rewriter.constant(joined.astype(constants[0].data.dtype), constants[1].name)
    rewriter.replace(node, op, x, constant, absorbing=[inner])
    return True


def _join_as_depthwise(node: Node[Op], affine: AffineNode, rewriter: Rewriter) -> bool:
    """Turn a product followed by a sum of an NCHW feature map into a 1x1 depthwise convolution."""
    inner = affine.operand.producer
    if inner is None or not isinstance(node.op, Add) or not isinstance(inner.op, Mul):
        return False
    if affine.axis != 1 or affine.operand.type.rank != 4 or not affine.operand.has_one_use:
        return False
    product = as_affine(inner, 1)
    if product is None or fused_activation(inner.op) is not Activation.NONE:
        return False
    both = Affine(product.map.scale, affine.map.shift)
    made = apply_depthwise(node, AffineNode(product.operand, 1, both), rewriter)
    made.location = made.location.merge(inner.location)
    rewriter.erase_if_unused(inner)
    return True
