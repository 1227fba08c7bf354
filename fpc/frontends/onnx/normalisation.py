"""Normalisations; those with statistics of the input at hand are spelt out in arithmetic."""

from __future__ import annotations

import math
from types import MappingProxyType

from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.frontends.onnx.reduction import sum_over
from fpc.ir.graph import Value
from fpc.ir.ops import (
    Add,
    BatchNorm,
    Div,
    Function,
    LocalResponseNorm,
    Maximum,
    Mul,
    ReduceMean,
    Reshape,
    Sub,
    Unary,
)

_SCALE_A_CHANNEL = 21
_EXPORT_FOR_INFERENCE = "call model.eval() (or set training=False) before exporting"


def batch_normalization(node: NodeContext) -> Value:
    """BatchNormalization with frozen statistics."""
    if node.attributes.integer("training_mode", 0) or len(node.output_names) > 1:
        raise Unsupported("it is in training mode", _EXPORT_FOR_INFERENCE)
    if not node.attributes.integer("spatial", 1):
        raise Unsupported("it normalises every pixel apart (spatial=0)")
    op = BatchNorm(node.attributes.number("epsilon", 1e-5))
    return node.emit(op, *(node.value(index) for index in range(5)))


def local_response_normalization(node: NodeContext) -> Value:
    """LRN."""
    attributes = node.attributes
    op = LocalResponseNorm(
        attributes.integer("size", 1),
        attributes.number("alpha", 1e-4),
        attributes.number("beta", 0.75),
        attributes.number("bias", 1.0),
    )
    return node.emit(op, node.value(0))


def instance_normalization(node: NodeContext) -> Value:
    """InstanceNormalization: every channel of every image by its own mean and variance."""
    x = node.value(0)
    axes = tuple(range(2, x.type.rank))
    normal = _standardised(node, x, axes, node.attributes.number("epsilon", 1e-5))
    return _affine(node, normal, 1, 2, (-1, *(1,) * len(axes)))


def layer_normalization(node: NodeContext) -> Value:
    """LayerNormalization over the axes from `axis` on."""
    if len(node.output_names) > 1:
        raise Unsupported("its statistics are used", _EXPORT_FOR_INFERENCE)
    x = node.value(0)
    first = node.axis(node.attributes.integer("axis", -1), x.type.rank)
    axes = tuple(range(first, x.type.rank))
    normal = _standardised(node, x, axes, node.attributes.number("epsilon", 1e-5))
    return _affine(node, normal, 1, 2, None)


def rms_normalization(node: NodeContext) -> Value:
    """RMSNormalization (opset 23): x / sqrt(mean(x^2) + epsilon) * scale."""
    x = node.value(0)
    first = node.axis(node.attributes.integer("axis", -1), x.type.rank)
    axes = tuple(range(first, x.type.rank))
    power = node.step(ReduceMean(axes), node.step(Mul(), x, x))
    normal = node.step(Div(), x, _root(node, power, node.attributes.number("epsilon", 1e-5)))
    return node.emit(Mul(), normal, node.value(1))


def group_normalization(node: NodeContext) -> Value:
    """GroupNormalization: scale and bias one a group before opset 21, one a channel since."""
    x = node.value(0)
    batch, channels, *spatial = x.type.shape
    groups = node.attributes.integer("num_groups", 1)
    if groups < 1 or channels % groups:
        raise Unsupported(f"{channels} channels do not make {groups} groups")
    grouped = node.step(Reshape((batch, groups, math.prod(x.type.shape[1:]) // groups)), x)
    normal = _standardised(node, grouped, (2,), node.attributes.number("epsilon", 1e-5))
    if node.opset < _SCALE_A_CHANNEL:
        normal = _affine(node, normal, 1, 2, (-1, 1))
        return node.emit(Reshape(x.type.shape), normal)
    normal = node.step(Reshape(x.type.shape), normal)
    return _affine(node, normal, 1, 2, (-1, *(1,) * len(spatial)))


def mean_variance_normalization(node: NodeContext) -> Value:
    """MeanVarianceNormalization."""
    axes = node.attributes.integers("axes") or (0, 2, 3)
    x = node.value(0)
    sorted_axes = tuple(sorted(node.axis(axis, x.type.rank) for axis in axes))
    return _standardised(node, x, sorted_axes, 1e-9)


def lp_normalization(node: NodeContext) -> Value:
    """LpNormalization with p = 2: x by its length along an axis."""
    if node.attributes.integer("p", 2) != 2:
        raise Unsupported("its norm is not the Euclidean one")
    x = node.value(0)
    axis = node.axis(node.attributes.integer("axis", -1), x.type.rank)
    square = sum_over(node, node.step(Mul(), x, x), (axis,), keep_dims=True)
    length = node.step(Unary(Function.SQRT), square)
    floor = node.constant(1e-12, "floor")
    return node.emit(Div(), x, node.step(Maximum(), length, floor))


def _standardised(node: NodeContext, x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    """(x - mean) / sqrt(variance + epsilon) with both moments over `axes`."""
    distance = node.step(Sub(), x, node.step(ReduceMean(axes), x))
    variance = node.step(ReduceMean(axes), node.step(Mul(), distance, distance))
    return node.step(Div(), distance, _root(node, variance, epsilon))


def _root(node: NodeContext, variance: Value, epsilon: float) -> Value:
    raised = node.step(Add(), variance, node.constant(epsilon, "epsilon"))
    return node.step(Unary(Function.SQRT), raised)


def _affine(
    node: NodeContext,
    x: Value,
    scale_index: int,
    bias_index: int,
    parameter_shape: tuple[int, ...] | None,
) -> Value:
    """x * scale + bias, the parameters brought to `parameter_shape` first (-1: their length)."""

    def parameter(index: int) -> Value:
        value = node.value(index)
        if parameter_shape is None:
            return value
        shape = tuple(value.type.size if extent == -1 else extent for extent in parameter_shape)
        known = node.known(index)
        if known is not None:
            return node.constant(known.reshape(shape), "parameter")
        return node.step(Reshape(shape), value)

    if node.operand(bias_index) is None:
        return node.emit(Mul(), x, parameter(scale_index))
    return node.emit(Add(), node.step(Mul(), x, parameter(scale_index)), parameter(bias_index))


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "BatchNormalization": batch_normalization,
        "LRN": local_response_normalization,
        "InstanceNormalization": instance_normalization,
        "LayerNormalization": layer_normalization,
        "RMSNormalization": rms_normalization,
        "GroupNormalization": group_normalization,
        "MeanVarianceNormalization": mean_variance_normalization,
        "LpNormalization": lp_normalization,
    }
)
