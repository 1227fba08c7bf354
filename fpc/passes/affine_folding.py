"""Rewrites that make affine maps of channels disappear, shared by the passes that fold them."""

from __future__ import annotations

from dataclasses import replace

from fpc.ir.constant import Array
from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import Add, Conv2d, Mul
from fpc.passes.affine import (
    WEIGHTED,
    AffineNode,
    channel_axis,
    scale_outputs,
    weights_known,
)
from fpc.passes.clamps import Clamp
from fpc.passes.sharing import shared_with
from fpc.rewrite.rewriter import Rewriter


def fold_after(node: Node[Op], affine: AffineNode, rewriter: Rewriter) -> str | None:
    """Fold the affine `node` into the weighted operator before it; the answer says why not.

    A positive scale without shift passes through a fused ReLU; the clamp of `node` itself is kept.
    """
    producer = affine.operand.producer
    if producer is None or not isinstance(producer.op, WEIGHTED):
        return "no weights come before it"
    if not weights_known(producer):
        return f"the weights of {producer!r} are not float constants"
    if channel_axis(producer.op, affine.operand.type.rank) != affine.axis:
        return f"it maps another axis than the channels of {producer!r}"
    shared = shared_with(affine.operand, node)
    if shared is not None:
        return shared
    clamp = producer.op.activation
    own = fused_activation(node.op)
    if clamp is not Activation.NONE:
        positive = affine.map.is_positive and not affine.map.moves_zero
        both = Clamp.of_activation(clamp).then(Clamp.of_activation(own)).as_activation()
        if clamp is not Activation.RELU or not positive or both is None:
            return f"{clamp.value} comes between it and the weights before it"
        own = both
    weights, bias = scale_outputs(producer, affine.map)
    rewriter.replace(
        node,
        replace(producer.op, activation=own),
        producer.input(0),
        *_constants(producer, weights, bias, rewriter),
        absorbing=[producer],
    )
    return None


def apply_depthwise(node: Node[Op], affine: AffineNode, rewriter: Rewriter) -> Node[Conv2d]:
    """Replace an affine `node` over NCHW feature maps by a 1x1 depthwise convolution."""
    channels = affine.operand.type.shape[affine.axis]
    dtype = affine.operand.type.dtype.numpy
    weights = affine.map.scale.astype(dtype).reshape(channels, 1, 1, 1)
    bias = affine.map.shift.astype(dtype)
    name = node.output.name
    return rewriter.replace(
        node,
        Conv2d(groups=channels, activation=fused_activation(node.op)),
        affine.operand,
        rewriter.constant(weights, f"{name}.scale"),
        rewriter.constant(bias, f"{name}.shift"),
    )


def apply_mul_add(node: Node[Op], affine: AffineNode, rewriter: Rewriter) -> None:
    """Replace an affine `node` by a product and a sum with constants."""
    kind = affine.operand.type
    shape = tuple(extent if axis == affine.axis else 1 for axis, extent in enumerate(kind.shape))
    name = node.output.name
    scale = affine.map.scale.astype(kind.dtype.numpy).reshape(shape)
    shift = affine.map.shift.astype(kind.dtype.numpy).reshape(shape)
    product = rewriter.insert(
        Mul(), affine.operand, rewriter.constant(scale, f"{name}.scale"), before=node, name=name
    )
    rewriter.replace(
        node,
        Add(fused_activation(node.op)),
        product.output,
        rewriter.constant(shift, f"{name}.shift"),
    )


def _constants(
    node: Node[Op], weights: Array, bias: Array | None, rewriter: Rewriter
) -> tuple[Value, Value | None]:
    old_bias = node.optional_input(2)
    name = node.output.name
    return (
        rewriter.constant(weights, node.input(1).name),
        None
        if bias is None
        else rewriter.constant(bias, old_bias.name if old_bias is not None else f"{name}.bias"),
    )
