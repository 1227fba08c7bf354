"""fuse-pad: a pad becomes an attribute of the windowed operator after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import AvgPool, Conv2d, MaxPool, Pad, PadMode
from fpc.ir.signs import is_non_negative
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter

_Windowed: TypeAlias = Conv2d | MaxPool | AvgPool
_Pads: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class FusePad(RewritePass):
    """Fuses spatial zero padding into conv2d, avg_pool and (of values >= 0) max_pool.

    A max_pool takes padding by its least value too. Two pads of one value in a row become one.
    """

    name: ClassVar[str] = "fuse-pad"
    roots: ClassVar[tuple[type[Op], ...]] = (Conv2d, MaxPool, AvgPool, Pad)

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Fuse the pad before `node` into it."""
        producer = node.input(0).producer
        if producer is None or not isinstance(producer.op, Pad):
            return None
        pad = producer.op
        if pad.mode is not PadMode.CONSTANT:
            return None
        op = node.op
        if isinstance(op, Pad):
            return _fuse_pads(node, op, producer, pad, rewriter)
        if not isinstance(op, (Conv2d, MaxPool, AvgPool)):
            return None
        added = _spatial(pad, op)
        if added is None:
            return Declined(f"{producer!r} pads more than height and width")
        fused = _fused(op, added, pad.value, producer.input(0))
        if isinstance(fused, str):
            return Declined(fused)
        inputs = (producer.input(0), *node.inputs[1:])
        rewriter.replace(node, fused, *inputs, absorbing=[producer])
        return None


def _fuse_pads(
    node: Node[Op], op: Pad, producer: Node[Op], inner: Pad, rewriter: Rewriter
) -> Declined | None:
    if op.mode is not PadMode.CONSTANT or op.value != inner.value:
        return None
    before = tuple(a + b for a, b in zip(op.before, inner.before, strict=True))
    after = tuple(a + b for a, b in zip(op.after, inner.after, strict=True))
    joined = replace(op, before=before, after=after)
    rewriter.replace(node, joined, producer.input(0), absorbing=[producer])
    return None


def _spatial(pad: Pad, op: _Windowed) -> _Pads | None:
    """Top, left, bottom and right of a pad that touches nothing else."""
    height, width = op.layout.spatial_axes
    others = [axis for axis in range(4) if axis not in (height, width)]
    if any(pad.before[axis] or pad.after[axis] for axis in others):
        return None
    return pad.before[height], pad.before[width], pad.after[height], pad.after[width]


def _fused(op: _Windowed, added: _Pads, value: float, x: Value) -> _Windowed | str:
    """`op` with padding `added` to its own, or why it cannot be."""
    top, left, bottom, right = (own + more for own, more in zip(op.pads, added, strict=True))
    pads = (top, left, bottom, right)
    match op:
        case Conv2d():
            if value != 0.0:
                return f"conv2d pads with zeros, the pad with {value}"
            return replace(op, pads=pads)
        case AvgPool():
            if value != 0.0:
                return f"avg_pool pads with zeros, the pad with {value}"
            if any(op.pads) and not op.count_include_pad:
                return "the pool averages over some of its padding only"
            return replace(op, pads=pads, count_include_pad=True)
        case MaxPool():
            low = value == float("-inf") or (value <= 0.0 and is_non_negative(x))
            if not low:
                return f"values below the padding of {value} may win in max_pool"
            height, width = op.kernel
            too_wide = max(top, bottom) >= height or max(left, right) >= width
            if too_wide or op.dilations != (1, 1):
                return "a window of max_pool may hold padding only"
            return replace(op, pads=pads)
