"""Operators that move values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.kernels import concat as concat_kernel
from fpc.backends.tvm.kernels import take
from fpc.backends.tvm.kernels import transpose as transpose_kernel
from fpc.backends.tvm.planning.site import Site
from fpc.interp.movement import fill_of
from fpc.ir.graph import Value
from fpc.ir.op import Op
from fpc.ir.ops import (
    Concat,
    DepthOrder,
    DepthToSpace,
    Pad,
    PadMode,
    Reshape,
    Slice,
    Split,
    Transpose,
)
from fpc.ir.types import TensorType

Sources = Mapping[int, NDArray[np.intp]]
"""For axes along which elements are taken: which ones, -1 for none."""


def reshape(site: Site[Reshape]) -> None:
    """`Reshape`: the same memory where the last axis stays as it is, else a copy."""
    made = site.assembler.copied(site.operand(), site.result)
    site.assembler.define(site.node.output, made)


def transpose(site: Site[Transpose]) -> None:
    """`Transpose`."""
    x = site.operand()
    kernel = transpose_kernel.Transpose(
        x.buffer, site.result, site.type().shape, site.op.permutation
    )
    site.emit(kernel, [x])


def concat(site: Site[Concat]) -> None:
    """`Concat`."""
    xs = [_in_bytes(site, index) for index in range(len(site.node.operands))]
    shapes = tuple(value.type.shape for value in site.node.operands)
    buffers = tuple(x.buffer for x in xs)
    site.emit(concat_kernel.Concat(buffers, site.result, shapes, site.op.axis), xs)


def _in_bytes(site: Site[Concat], index: int) -> Stored:
    """An operand wherever it lies, if only its elements are those of the result's storage."""
    found = site.operand_anywhere(index)
    same = (found.buffer.dtype, found.buffer.offset) == (site.result.dtype, site.result.offset)
    return found if same else site.operand(index)


def slice_(site: Site[Slice]) -> None:
    """`Slice`."""
    op, shape = site.op, site.type().shape
    whole = zip(op.starts, op.ends, op.steps, strict=True)
    sources = {
        axis: np.arange(*bounds)
        for axis, bounds in enumerate(whole)
        if bounds != (0, shape[axis], 1)
    }
    _take(site, site.node.output, sources)


def split(site: Site[Split]) -> None:
    """`Split`, as slices."""
    start = 0
    for value, size in zip(site.node.outputs, site.op.sizes, strict=True):
        _take(site, value, {site.op.axis: np.arange(start, start + size)})
        start += size


def pad(site: Site[Pad]) -> None:
    """`Pad`."""
    op, x = site.op, site.type()
    sources: dict[int, NDArray[np.intp]] = {}
    for axis, (extent, *widths) in enumerate(zip(x.shape, op.before, op.after, strict=True)):
        if not any(widths):
            continue
        inside = np.arange(extent)
        if op.mode is PadMode.CONSTANT:
            sources[axis] = np.pad(inside, widths, constant_values=-1)
        elif op.mode is PadMode.REFLECT:
            sources[axis] = np.pad(inside, widths, mode="reflect")
        else:
            sources[axis] = np.pad(inside, widths, mode="edge")
    _take(site, site.node.output, sources, fill_of(op, x))


def elements(site: Site[Op], result: TensorType, sources: Sources, fill: float = 0) -> Stored:
    """The elements of the first operand that `sources` name, the integer `fill` elsewhere."""
    x, stored = site.operand(), site.assembler.storage(result)
    last = result.rank - 1
    tables = {
        axis: np.pad(source, (0, stored.columns - source.size if axis == last else 0))
        for axis, source in sources.items()
    }
    kernel = take.Take(x.buffer, stored, site.type().shape, result.shape, tuple(tables))
    numbers = [table.astype(np.int32) for table in tables.values()]
    held = np.array([fill + stored.offset], stored.dtype.numpy)
    return site.assembler.call(kernel, [x], [*numbers, held])


def _take(site: Site[Op], result: Value, sources: Sources, fill: float = 0) -> None:
    part = _columns(site, sources)
    made = elements(site, result.type, sources, fill) if part is None else part
    site.assembler.define(result, made)


def _columns(site: Site[Op], sources: Sources) -> Stored | None:
    """Neighbouring columns of the operand where they lie, if they are all that is taken."""
    last = site.type().rank - 1
    if set(sources) != {last} or last < 1:
        return None
    columns = sources[last]
    first, width = int(columns[0]), columns.size
    if first < 0 or not np.array_equal(columns, np.arange(first, first + width)):
        return None
    x = site.operand()
    return Stored(x.slot, x.buffer.part(first, width))


def depth_to_space(site: Site[DepthToSpace]) -> None:
    """`DepthToSpace`: blocks become axes, which are moved beside height and width."""
    op, (batch, height, width, channels) = site.op, site.type().shape
    depth, b = channels // op.block**2, op.block
    if op.order is DepthOrder.DCR:
        cut, order = (batch, height, width, b, b, depth), (0, 1, 3, 2, 4, 5)
    else:
        cut, order = (batch, height, width, depth, b, b), (0, 1, 4, 2, 5, 3)
    made = site.assembler.copied(transposed(site, cut, order), site.result)
    site.assembler.define(site.node.output, made)


def transposed(
    site: Site[Op],
    shape: Sequence[int],
    permutation: Sequence[int],
    tensor: Stored | None = None,
) -> Stored:
    """The first operand, or another tensor of its type, as `shape`, transposed."""
    kind = site.type()
    cut = site.assembler.storage(kind.with_shape(tuple(shape)))
    moved = site.assembler.storage(kind.with_shape(tuple(shape[axis] for axis in permutation)))
    x = site.assembler.copied(tensor or site.operand(), cut)
    kernel = transpose_kernel.Transpose(cut, moved, tuple(shape), tuple(permutation))
    return site.assembler.call(kernel, [x])
