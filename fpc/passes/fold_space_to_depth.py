"""fold-space-to-depth: a convolution of interleaved pieces of a map becomes one of the map itself.

The Focus layer (YOLOv5, YOLOX) cuts a map into b x b pieces of every b-th row and column and stacks
their channels. A k x k convolution of the stack multiplies the pixels of a bk x bk window of the
map, with steps b times as long: as many products, and no pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fpc.ir.constant import Array
from fpc.ir.graph import Node, Value
from fpc.ir.op import Layout, Op
from fpc.ir.ops import Concat, Conv2d, Slice
from fpc.passes.affine import weights_known
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The map that was cut, into `block` x `block` pieces, and where each piece starts."""

    x: Value
    block: int
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FoldSpaceToDepth(RewritePass):
    """Folds the pieces of a Focus layer into the convolutions that read their concatenation."""

    name: ClassVar[str] = "fold-space-to-depth"
    roots: ClassVar[tuple[type[Op], ...]] = (Concat,)

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Let every reader of the concatenation convolve the map instead."""
        pieces = _pieces(node)
        if pieces is None:
            return None
        for use in node.output.uses:
            reader = use.user
            if not isinstance(reader, Node):
                return Declined(f"%{node.output.name} is the graph's output")
            if use.position != 0 or not _takes_pieces(reader):
                return Declined(f"{reader!r} is no plain convolution with known weights")
        slices = tuple(v.producer for v in node.operands if v.producer is not None)
        for reader in node.output.users:
            _convolve_whole(reader, pieces, (node, *slices), rewriter)
        return None


def _pieces(node: Node[Op]) -> _Pieces | None:
    if not isinstance(node.op, Concat) or node.op.axis != 1 or node.output.type.rank != 4:
        return None
    first = node.input(0).producer
    if first is None or not isinstance(first.op, Slice):
        return None
    x, block = first.input(0), first.op.steps[2]
    batch, channels, height, width = x.type.shape
    if block < 2 or height % block or width % block:
        return None
    offsets: list[tuple[int, int]] = []
    for value in node.operands:
        producer = value.producer
        if producer is None or not isinstance(producer.op, Slice) or producer.input(0) is not x:
            return None
        op = producer.op
        row, column = op.starts[2:]
        whole = (batch, channels, height // block, width // block)
        if op.steps != (1, 1, block, block) or value.type.shape != whole:
            return None
        offsets.append((row, column))
    wanted = {(row, column) for row in range(block) for column in range(block)}
    if len(offsets) != len(wanted) or set(offsets) != wanted:
        return None
    return _Pieces(x, block, tuple(offsets))


def _takes_pieces(reader: Node[Op]) -> bool:
    op = reader.op
    return (
        isinstance(op, Conv2d)
        and weights_known(reader)
        and op.groups == 1
        and op.dilations == (1, 1)
        and op.layout is Layout.NCHW
    )


def _convolve_whole(
    reader: Node[Op], pieces: _Pieces, absorbing: tuple[Node[Op], ...], rewriter: Rewriter
) -> None:
    op, block = reader.op, pieces.block
    assert isinstance(op, Conv2d)
    top, left, bottom, right = (block * pad for pad in op.pads)
    weights = _interleaved(reader.input(1).data, pieces)
    rewriter.replace(
        reader,
        replace(
            op,
            strides=(block * op.strides[0], block * op.strides[1]),
            pads=(top, left, bottom, right),
        ),
        pieces.x,
        rewriter.constant(weights, reader.input(1).name),
        reader.optional_input(2),
        absorbing=absorbing,
    )


def _interleaved(weights: Array, pieces: _Pieces) -> Array:
    """Filters [O, C, b kh, b kw] of the map, from filters [O, b b C, kh, kw] of its pieces."""
    units, _, height, width = weights.shape
    block, channels = pieces.block, pieces.x.type.shape[1]
    whole = np.empty((units, channels, block * height, block * width), weights.dtype)
    for index, (row, column) in enumerate(pieces.offsets):
        piece = weights[:, index * channels : (index + 1) * channels]
        whole[:, :, row::block, column::block] = piece
    return whole
