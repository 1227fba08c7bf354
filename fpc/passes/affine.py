"""Affine maps of channels, y = scale * x + shift, and how weights absorb them.

After a weighted operator:  s (w * x + b) + t        = (s w) * x + (s b + t)
Before a weighted operator: w * (s x + t) + b        = (w s) * x + (b + sum(w t))
The second needs t = 0 or an operator that pads nothing, because padding is zero before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.ir.constant import Array
from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import (
    Add,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Div,
    Function,
    Mul,
    Sub,
    Unary,
)
from fpc.passes.sharing import has_data, is_plain_float

Vector: TypeAlias = NDArray[np.float64]
Weighted: TypeAlias = Conv2d | ConvTranspose2d | Dense
WEIGHTED = (Conv2d, ConvTranspose2d, Dense)


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale * x + shift, one scale and shift a channel, in float64."""

    scale: Vector
    shift: Vector

    @property
    def moves_zero(self) -> bool:
        """Whether the map of 0 is not 0 in some channel."""
        return bool(np.any(self.shift))

    @property
    def is_uniform(self) -> bool:
        """Whether every channel has the same scale and shift."""
        return all(bool(np.all(v == v[:1])) for v in (self.scale, self.shift))

    @property
    def is_positive(self) -> bool:
        """Whether the map is increasing in every channel."""
        return bool(np.all(self.scale > 0))

    def over(self, channels: int) -> Affine:
        """The map of `channels` channels; only a uniform one can change their number."""
        if channels == len(self.scale):
            return self
        return Affine(np.full(channels, self.scale[0]), np.full(channels, self.shift[0]))

    @property
    def is_finite(self) -> bool:
        """Whether every scale and shift is a finite float32."""
        limit = np.finfo(np.float32).max
        return all(bool(np.all(np.abs(v) <= limit)) for v in (self.scale, self.shift))


@dataclass(frozen=True, eq=False)
class AffineNode:
    """A node that applies `map` to the channels (along `axis`) of `operand`."""

    operand: Value
    axis: int
    map: Affine


def as_affine(node: Node[Op], axis: int) -> AffineNode | None:
    """`node` as an affine map of the channels along `axis`; None when it is something else.

    Constants that differ along another axis, or that make the result larger than the operand, do
    not qualify.
    """
    if not is_plain_float(node):
        return None
    op = node.op
    if isinstance(op, BatchNorm):
        return _of_batch_norm(node, op) if op.axis == axis else None
    if isinstance(op, Unary):
        if op.function is not Function.NEG:
            return None
        x = node.input(0)
        channels = x.type.shape[axis] if axis < x.type.rank else 1
        return AffineNode(x, axis, Affine(-np.ones(channels), np.zeros(channels)))
    if isinstance(op, Conv2d):
        return _of_depthwise(node, op) if op.layout.channel_axis == axis else None
    if isinstance(op, (Add, Sub, Mul, Div)):
        return _of_binary(node, op, axis)
    return None


def _of_batch_norm(node: Node[Op], op: BatchNorm) -> AffineNode | None:
    if not all(has_data(value) for value in node.operands[1:]):
        return None
    scale, bias, mean, variance = (v.data.astype(np.float64) for v in node.operands[1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = scale / np.sqrt(variance + op.epsilon)
    return AffineNode(node.input(0), op.axis, Affine(factor, bias - mean * factor))


def _of_depthwise(node: Node[Op], op: Conv2d) -> AffineNode | None:
    """A depthwise convolution of one tap maps each channel alone."""
    x, w = node.input(0), node.input(1)
    plain = op.strides == (1, 1) and not any(op.pads) and w.type.size == op.groups
    if not plain or w.type.shape[0] != op.groups or not weights_known(node):
        return None
    bias = node.optional_input(2)
    scale = w.data.reshape(-1).astype(np.float64)
    shift = np.zeros_like(scale) if bias is None else bias.data.astype(np.float64)
    return AffineNode(x, op.layout.channel_axis, Affine(scale, shift))


def _of_binary(node: Node[Op], op: Add | Sub | Mul | Div, axis: int) -> AffineNode | None:
    a, b = node.operands
    constant_first = a.is_constant
    x, constant = (b, a) if constant_first else (a, b)
    if x.is_constant or node.output.type.shape != x.type.shape:
        return None
    c = per_channel(constant, x.type.shape, axis)
    if c is None:
        return None
    ones, zeros = np.ones_like(c), np.zeros_like(c)
    match op:
        case Add():
            affine = Affine(ones, c)
        case Sub():
            affine = Affine(-ones, c) if constant_first else Affine(ones, -c)
        case Mul():
            affine = Affine(c, zeros)
        case Div():
            if constant_first or not np.all(c):
                return None
            affine = Affine(1.0 / c, zeros)
    return AffineNode(x, axis, affine)


def per_channel(constant: Value, shape: tuple[int, ...], axis: int) -> Vector | None:
    """A constant as one number an index of `axis` when broadcast to `shape`; None if it varies."""
    if not has_data(constant) or axis >= len(shape) or constant.type.rank > len(shape):
        return None
    data = constant.data.astype(np.float64)
    data = data.reshape((1,) * (len(shape) - data.ndim) + data.shape)
    if any(extent != 1 for index, extent in enumerate(data.shape) if index != axis):
        return None
    return np.broadcast_to(data.reshape(-1), (shape[axis],)).copy()


def channel_axis(op: Weighted, rank: int) -> int:
    """The axis of the channels in the operand and result of a weighted operator."""
    return rank - 1 if isinstance(op, Dense) else op.layout.channel_axis


def likely_channel_axis(node: Node[Op]) -> int:
    """The axis that holds the channels of what `node` works on."""
    for value in node.operands:
        producer = value.producer
        if producer is not None and isinstance(producer.op, WEIGHTED):
            return channel_axis(producer.op, value.type.rank)
    for reader in node.output.users:
        if isinstance(reader.op, WEIGHTED):
            return channel_axis(reader.op, node.output.type.rank)
    return 1 if node.output.type.rank == 4 else node.output.type.rank - 1


def weights_known(node: Node[Op]) -> bool:
    """Whether `node` is a float weighted operator with known weights and bias."""
    if not isinstance(node.op, WEIGHTED) or not is_plain_float(node):
        return False
    bias = node.optional_input(2)
    return has_data(node.input(1)) and (bias is None or has_data(bias))


def scale_outputs(node: Node[Op], affine: Affine) -> tuple[Array, Array | None]:
    """Weights and bias of a weighted `node` that computes `affine` of its result as well."""
    w = node.input(1).data
    factors = affine.scale.reshape(-1, *(1,) * (w.ndim - 1))
    weights = (w.astype(np.float64) * factors).astype(w.dtype)
    bias = node.optional_input(2)
    if bias is None:
        return weights, affine.shift.astype(w.dtype) if affine.moves_zero else None
    return weights, (bias.data.astype(np.float64) * affine.scale + affine.shift).astype(w.dtype)


def scale_inputs(node: Node[Op], affine: Affine) -> tuple[Array, Array | None]:
    """Weights and bias of a weighted `node` that computes `affine` of its operand first.

    The shift must be 0 or the operator pad nothing: `pads_nothing`.
    """
    w = node.input(1).data
    channels = _operand_channels(node, w)
    weights = w.astype(np.float64)
    bias = node.optional_input(2)
    b = None if bias is None else bias.data.astype(np.float64)
    if affine.moves_zero:
        added = (weights * affine.shift[channels]).reshape(w.shape[0], -1).sum(axis=1)
        b = added if b is None else b + added
    scaled = (weights * affine.scale[channels]).astype(w.dtype)
    return scaled, None if b is None else b.astype(w.dtype)


def pads_nothing(op: Weighted) -> bool:
    """Whether every tap of every window of `op` falls on its operand."""
    match op:
        case Dense():
            return True
        case Conv2d():
            return not any(op.pads)
        case ConvTranspose2d():
            return False


def _operand_channels(node: Node[Op], w: Array) -> Array:
    """For every weight, broadcastable to the weights, the operand's channel that it multiplies."""
    op = node.op
    if not isinstance(op, (Conv2d, ConvTranspose2d)):
        return np.arange(int(w.shape[1])).reshape(1, -1)
    units, group_channels, _, _ = op.layout.split(w.shape)
    group = np.arange(units) // (units // op.groups)
    channels = group[:, None] * group_channels + np.arange(group_channels)
    return channels.reshape(op.layout.shape(units, group_channels, 1, 1))
