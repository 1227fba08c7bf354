"""legalise: operators rewritten into the forms that a target runs best.

- hard_sigmoid = clip(a x + b, 0, 1): slope and offset go into the weights before it, and the clip
  costs nothing once it is the saturation of an integer; without such weights relu6(x + 3) / 6
- hard_swish = x * relu6(x + 3) / 6, the sixth going into the weights after it
- silu = x * sigmoid(x)
- avg_pool = depthwise convolution with equal weights (XNNPACK has no int8 average pool: in LiteRT
  on x86-64 a 3 x 3 pool of a 56 x 56 x 128 map takes 7.9 ms, as a convolution 0.6 ms)
- the mean over windows whose padding does not count, where the padding is not TensorFlow's SAME:
  the mean with zeros, times how much of each window is inside
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op
from fpc.ir.ops import Add, AvgPool, Clip, Conv2d, HardSigmoid, HardSwish, Mul, Sigmoid, Silu
from fpc.passes.affine import as_affine, likely_channel_axis
from fpc.passes.affine_folding import fold_after
from fpc.passes.affine_forward import fold_before
from fpc.passes.sharing import is_plain_float
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter

_DEPTHWISE_TAPS = 25


class Form(enum.Enum):
    """What becomes of an operator that can be spelt out."""

    KEEP = "keep"
    DECOMPOSE = "decompose"


class AveragePool(enum.Enum):
    """What becomes of an average over windows."""

    KEEP = "keep"
    DEPTHWISE = "depthwise"


@dataclass(frozen=True)
class Legalise(RewritePass):
    """Rewrites float operators that the target lacks, or runs badly, as the options say.

    `avg_pool=depthwise` takes windows of up to 25 taps. `uneven_mean` is the mean over windows
    whose padding neither counts nor is TensorFlow's SAME, which few runtimes have.
    """

    name: ClassVar[str] = "legalise"
    roots: ClassVar[tuple[type[Op], ...]] = (HardSigmoid, HardSwish, Silu, AvgPool)

    hard_sigmoid: Form = Form.DECOMPOSE
    hard_swish: Form = Form.KEEP
    silu: Form = Form.DECOMPOSE
    avg_pool: AveragePool = AveragePool.KEEP
    uneven_mean: Form = Form.DECOMPOSE

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Rewrite `node` as the options say."""
        if not is_plain_float(node):
            return None
        op = node.op
        match op:
            case HardSigmoid() if self.hard_sigmoid is Form.DECOMPOSE:
                _hard_sigmoid(node, op, rewriter)
            case HardSwish() if self.hard_swish is Form.DECOMPOSE:
                _hard_swish(node, rewriter)
            case Silu() if self.silu is Form.DECOMPOSE:
                x = node.input(0)
                gate = rewriter.insert(Sigmoid(), x, before=node, name=f"{node.output.name}.gate")
                rewriter.replace(node, Mul(), x, gate.output)
            case AvgPool():
                return self._avg_pool(node, op, rewriter)
            case _:
                pass
        return None

    def _avg_pool(self, node: Node[Op], op: AvgPool, rewriter: Rewriter) -> Declined | None:
        _, channels, height, width = op.layout.split(node.input(0).type.shape)
        uneven = any(op.pads) and not op.count_include_pad
        taps = math.prod(op.kernel)
        wide = taps > _DEPTHWISE_TAPS
        convolves = self.avg_pool is AveragePool.DEPTHWISE and not wide
        lacks = self.uneven_mean is Form.DECOMPOSE and not _is_same(op, height, width)
        if uneven and (convolves or lacks):
            _count_padding(node, op, rewriter)
            return None
        if not convolves:
            refused = wide and self.avg_pool is AveragePool.DEPTHWISE
            return Declined(f"it has {taps} taps") if refused else None
        weights = np.full(op.layout.shape(channels, 1, *op.kernel), 1.0 / taps, np.float32)
        conv = Conv2d(op.strides, op.pads, groups=channels, layout=op.layout)
        kernel = rewriter.constant(weights, f"{node.output.name}.weights")
        rewriter.replace(node, conv, node.input(0), kernel)
        return None


def _hard_sigmoid(node: Node[Op], op: HardSigmoid, rewriter: Rewriter) -> None:
    x, name = node.input(0), node.output.name
    slope = rewriter.insert(
        Mul(), x, _number(op.alpha, x, rewriter), before=node, name=f"{name}.slope"
    )
    offset = rewriter.insert(
        Add(), slope.output, _number(op.beta, x, rewriter), before=node, name=f"{name}.offset"
    )
    clip = rewriter.replace(node, Clip(0.0, 1.0), offset.output)
    if _fold_after(slope, rewriter):
        _fold_after(_producer(clip), rewriter)
        return
    if math.isclose(op.alpha * 6.0, 1.0, rel_tol=1e-6) and op.beta == 0.5:
        gate = _relu6_of_x_plus_3(x, clip, f"{name}.gate", rewriter)
        sixth = _number(1.0 / 6.0, x, rewriter)
        scaled = rewriter.replace(clip, Mul(), gate.output, sixth, absorbing=[offset])
        _fold_before(scaled, rewriter)


def _hard_swish(node: Node[Op], rewriter: Rewriter) -> None:
    x, name = node.input(0), node.output.name
    gate = _relu6_of_x_plus_3(x, node, f"{name}.gate", rewriter)
    product = rewriter.insert(Mul(), x, gate.output, before=node, name=f"{name}.times_6")
    scaled = rewriter.replace(node, Mul(), product.output, _number(1.0 / 6.0, x, rewriter))
    _fold_before(scaled, rewriter)


def _relu6_of_x_plus_3(x: Value, before: Node[Op], name: str, rewriter: Rewriter) -> Node[Add]:
    three = _number(3.0, x, rewriter)
    return rewriter.insert(Add(Activation.RELU6), x, three, before=before, name=name)


def _fold_after(node: Node[Op], rewriter: Rewriter) -> bool:
    affine = as_affine(node, likely_channel_axis(node))
    return affine is not None and fold_after(node, affine, rewriter) is None


def _fold_before(node: Node[Op], rewriter: Rewriter) -> bool:
    affine = as_affine(node, likely_channel_axis(node))
    return affine is not None and fold_before(node, affine, rewriter) is None


def _producer(node: Node[Op]) -> Node[Op]:
    producer = node.input(0).producer
    assert producer is not None
    return producer


def _number(number: float, like: Value, rewriter: Rewriter) -> Value:
    return rewriter.constant(np.array(number, like.type.dtype.numpy), "number")


def _is_same(op: AvgPool, height: int, width: int) -> bool:
    """Whether the padding that windows reach is TensorFlow's SAME."""
    sides = zip((height, width), op.kernel, op.strides, op.pads[:2], op.pads[2:], strict=True)
    for size, kernel, stride, before, after in sides:
        count = (size + before + after - kernel) // stride + 1
        total = max(0, (count - 1) * stride + kernel - size)
        if count != -(-size // stride) or before != total // 2:
            return False
    return True


def _count_padding(node: Node[Op], op: AvgPool, rewriter: Rewriter) -> None:
    """Write a mean without padding as one with padding, scaled by how much is inside."""
    x, name = node.input(0), node.output.name
    _, _, height, width = op.layout.split(x.type.shape)
    _, _, out_height, out_width = op.layout.split(node.output.type.shape)
    rows = _inside(out_height, op.strides[0], op.kernel[0], op.pads[0], height)
    columns = _inside(out_width, op.strides[1], op.kernel[1], op.pads[1], width)
    share = math.prod(op.kernel) / np.outer(rows, columns)
    shape = op.layout.shape(1, 1, out_height, out_width)
    factor = rewriter.constant(share.reshape(shape).astype(x.type.dtype.numpy), f"{name}.share")
    counted = replace(op, count_include_pad=True)
    mean = rewriter.insert(counted, x, before=node, name=f"{name}.mean")
    rewriter.replace(node, Mul(), mean.output, factor)


def _inside(count: int, stride: int, kernel: int, before: int, size: int) -> NDArray[np.intp]:
    """How many taps of each window along one side fall on the map."""
    starts = np.arange(count) * stride - before
    return np.minimum(starts + kernel, size) - np.maximum(starts, 0)
