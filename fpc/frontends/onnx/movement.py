"""Operators that move values: shapes, slices, gathers, pads, copies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import MappingProxyType

import numpy as np

from fpc.frontends.onnx.context import Handler, NodeContext, Operand, Unsupported
from fpc.frontends.onnx.indexing import (
    flattened_shape,
    reshape_target,
    slice_bounds,
    split_sizes,
    squeezed_shape,
    unsqueezed_shape,
)
from fpc.ir.constant import Array
from fpc.ir.graph import Value
from fpc.ir.op import ShapeMismatch, broadcast
from fpc.ir.ops import (
    Concat,
    DepthOrder,
    DepthToSpace,
    Mul,
    Pad,
    PadMode,
    Reshape,
    Resize,
    Slice,
    Split,
    Transpose,
)

_PADS_AS_OPERAND = 11
_MAX_PIECES = 64
"""A gather or tile of more pieces than this is not worth a concat of slices."""


def reshape(node: NodeContext) -> Value:
    """Reshape."""
    return _reshaped(node, reshape_target(node, node.shape(0)))


def flatten(node: NodeContext) -> Value:
    """Flatten."""
    return _reshaped(node, flattened_shape(node, node.shape(0)))


def squeeze(node: NodeContext) -> Value:
    """Squeeze."""
    return _reshaped(node, squeezed_shape(node, node.shape(0)))


def unsqueeze(node: NodeContext) -> Value:
    """Unsqueeze."""
    return _reshaped(node, unsqueezed_shape(node, node.shape(0)))


def transpose(node: NodeContext) -> Value:
    """Transpose; axes reversed unless given."""
    rank = len(node.shape(0))
    permutation = node.attributes.integers("perm") or tuple(reversed(range(rank)))
    return node.emit(Transpose(permutation), node.value(0))


def concat(node: NodeContext) -> Value:
    """Concat; empty operands contribute nothing."""
    axis = node.axis(node.attributes.integer("axis", 0), len(node.shape(0)))
    values = tuple(value for value in node.values() if value.type.shape[axis] > 0)
    return values[0] if len(values) == 1 else node.emit(Concat(axis), *values)


def split(node: NodeContext) -> tuple[Value, ...]:
    """Split into equal pieces or given ones."""
    x = node.value(0)
    axis = node.axis(node.attributes.integer("axis", 0), x.type.rank)
    sizes = split_sizes(node, x.type.shape[axis])
    return (x,) if len(sizes) == 1 else node.emit_all(Split(axis, sizes), x)


def slice_of(node: NodeContext) -> Value:
    """Slice with positive steps, or negative ones over short extents."""
    x = node.value(0)
    bounds = [
        range(*bound.indices(extent))
        for bound, extent in zip(slice_bounds(node, x.type.shape), x.type.shape, strict=True)
    ]
    for axis, taken in enumerate(bounds):
        if taken.step < 0 and len(taken) > 1:
            x = _gathered(node, x, axis, tuple(taken))
            bounds[axis] = range(len(taken))
        elif len(taken) == 1:
            bounds[axis] = range(taken[0], taken[0] + 1)
    return _boxed(node, x, tuple(bounds))


def gather(node: NodeContext) -> Value:
    """Gather with known indices: slices, joined where the indices jump."""
    x = node.value(0)
    axis = node.axis(node.attributes.integer("axis", 0), x.type.rank)
    indices = node.require_known(1, "indices")
    flat = node.require_integers(1, "indices")
    extent = x.type.shape[axis]
    if indices.size and not (-extent <= indices.min() and indices.max() < extent):
        raise Unsupported(f"its indices leave the extent of {extent}")
    taken = _gathered(node, x, axis, tuple(index % extent for index in flat))
    shape = (*x.type.shape[:axis], *indices.shape, *x.type.shape[axis + 1 :])
    return taken if taken.type.shape == shape else node.emit(Reshape(shape), taken)


def pad(node: NodeContext) -> Value:
    """Pad; negative pads cut."""
    x = node.value(0)
    before, after, filler = _pads(node, x.type.rank)
    mode = node.attributes.text("mode", "constant")
    try:
        pad_mode = PadMode(mode)
    except ValueError:
        raise Unsupported(f"its mode is '{mode}'", "use constant, reflect or edge") from None
    if min((*before, *after), default=0) < 0:
        bounds = tuple(
            range(max(0, -low), extent - max(0, -high))
            for low, high, extent in zip(before, after, x.type.shape, strict=True)
        )
        x = _boxed(node, x, bounds)
        before = tuple(max(0, low) for low in before)
        after = tuple(max(0, high) for high in after)
    if not any((*before, *after)):
        return x
    return node.emit(Pad(before, after, filler, pad_mode), x)


def expand(node: NodeContext) -> Value:
    """Expand to a known shape."""
    x = node.value(0)
    wanted = node.require_integers(1, "shape")
    try:
        shape = broadcast(x.type.shape, wanted)
    except ShapeMismatch as mismatch:
        raise Unsupported(str(mismatch)) from None
    if shape == x.type.shape:
        return x
    aligned = (1,) * (len(shape) - x.type.rank) + x.type.shape
    if aligned != x.type.shape:
        x = node.step(Reshape(aligned), x)
    if len(shape) == 4 and aligned[2:] == (1, 1) and aligned[:2] == shape[:2]:
        return node.emit(Resize((shape[2], shape[3])), x)
    repeats = tuple(wide if narrow == 1 else 1 for narrow, wide in zip(aligned, shape, strict=True))
    if sum(repeat for repeat in repeats if repeat > 1) <= _MAX_PIECES:
        return _tiled(node, x, repeats)
    node.charge(shape)
    ones = np.ones(shape, np.float32)
    return node.emit(Mul(), x, node.constant(ones, "ones"))


def tile(node: NodeContext) -> Value:
    """Tile by known repeats."""
    repeats = node.require_integers(1, "repeats")
    if len(repeats) != len(node.shape(0)) or min(repeats, default=1) < 1:
        raise Unsupported(f"its repeats are {list(repeats)}")
    if sum(repeat for repeat in repeats if repeat > 1) > _MAX_PIECES:
        raise Unsupported(f"it makes more than {_MAX_PIECES} copies")
    return _tiled(node, node.value(0), repeats)


def depth_to_space(node: NodeContext) -> Value:
    """DepthToSpace."""
    order = DepthOrder(node.attributes.text("mode", "DCR").lower())
    return node.emit(DepthToSpace(node.attributes.integer("blocksize", 1), order), node.value(0))


def space_to_depth(node: NodeContext) -> Value:
    """SpaceToDepth: [N, C, H/b, b, W/b, b] with the blocks brought before the channels."""
    x = node.value(0)
    block = node.attributes.integer("blocksize", 1)
    batch, channels, height, width = x.type.shape
    if block < 1 or height % block or width % block:
        raise Unsupported(f"a {height} x {width} map has no blocks of {block} x {block}")
    rows, columns = height // block, width // block
    blocks = node.step(Reshape((batch, channels, rows, block, columns, block)), x)
    moved = node.step(Transpose((0, 3, 5, 1, 2, 4)), blocks)
    return node.emit(Reshape((batch, channels * block * block, rows, columns)), moved)


def shape_of(node: NodeContext) -> Array:
    """Shape, which static shapes make a constant; `start` and `end` since opset 15."""
    shape = node.shape(0)
    start = node.attributes.integer("start", 0)
    end = node.attributes.integer("end", len(shape))
    return np.array(shape[start:end], np.int64)


def size_of(node: NodeContext) -> Array:
    """Size."""
    return np.array(math.prod(node.shape(0)), np.int64)


def identity(node: NodeContext) -> Operand:
    """Identity, and Dropout outside training."""
    return node.present(0)


def dropout(node: NodeContext) -> Operand:
    """Dropout, which does nothing at inference."""
    training = node.known(2)
    if training is not None and training.any():
        raise Unsupported(
            "it is in training mode", "call model.eval() (or set training=False) before exporting"
        )
    return node.present(0)


def _reshaped(node: NodeContext, shape: tuple[int, ...]) -> Value:
    x = node.value(0)
    return x if x.type.shape == shape else node.emit(Reshape(shape), x)


def _boxed(node: NodeContext, x: Value, bounds: tuple[range, ...]) -> Value:
    """The box of `x` that ranges with positive steps select."""
    if all(
        bound.start == 0 and bound.step == 1 and len(bound) == extent
        for bound, extent in zip(bounds, x.type.shape, strict=True)
    ):
        return x
    starts = tuple(
        min(bound.start, extent) for bound, extent in zip(bounds, x.type.shape, strict=True)
    )
    ends = tuple(
        max(start, min(bound.stop, extent))
        for start, bound, extent in zip(starts, bounds, x.type.shape, strict=True)
    )
    return node.emit(Slice(starts, ends, tuple(bound.step for bound in bounds)), x)


def _gathered(node: NodeContext, x: Value, axis: int, indices: tuple[int, ...]) -> Value:
    """The slices of `x` at `indices` of `axis`, in that order."""
    runs = list(_runs(indices))
    if len(runs) > _MAX_PIECES:
        raise Unsupported(
            f"its {len(indices)} indices jump {len(runs)} times",
            f"up to {_MAX_PIECES} runs of evenly spaced indices are supported",
        )
    whole = tuple(range(extent) for extent in x.type.shape)
    pieces = [_boxed(node, x, (*whole[:axis], run, *whole[axis + 1 :])) for run in runs]
    return pieces[0] if len(pieces) == 1 else node.emit(Concat(axis), *pieces)


def _runs(indices: tuple[int, ...]) -> Iterator[range]:
    """`indices` cut into ranges with positive steps, greedily; one empty range for none."""
    if not indices:
        yield range(0)
    position = 0
    while position < len(indices):
        start = indices[position]
        step = 1
        if position + 1 < len(indices) and indices[position + 1] > start:
            step = indices[position + 1] - start
        count = 1
        while position + count < len(indices) and indices[position + count] == start + count * step:
            count += 1
        yield range(start, start + (count - 1) * step + 1, step)
        position += count


def _pads(node: NodeContext, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], float]:
    if node.opset < _PADS_AS_OPERAND:
        pads = node.attributes.integers("pads") or ()
        filler = node.attributes.number("value", 0.0)
        axes = tuple(range(rank))
    else:
        pads = node.require_integers(1, "pads")
        known = node.require_known(2, "fill value") if node.operand(2) is not None else None
        filler = 0.0 if known is None or not known.size else float(known.reshape(-1)[0])
        given = node.require_integers(3, "axes") if node.operand(3) is not None else None
        axes = tuple(range(rank)) if given is None else given
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"it has {len(pads)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        before[node.axis(axis, rank)] = pads[position]
        after[node.axis(axis, rank)] = pads[position + len(axes)]
    return tuple(before), tuple(after), filler


def _tiled(node: NodeContext, x: Value, repeats: tuple[int, ...]) -> Value:
    for axis, repeat in enumerate(repeats):
        if repeat > 1:
            x = node.emit(Concat(axis), *(x,) * repeat)
    return x


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "Reshape": reshape,
        "Flatten": flatten,
        "Squeeze": squeeze,
        "Unsqueeze": unsqueeze,
        "Transpose": transpose,
        "Concat": concat,
        "Split": split,
        "Slice": slice_of,
        "Gather": gather,
        "Pad": pad,
        "Expand": expand,
        "Tile": tile,
        "DepthToSpace": depth_to_space,
        "SpaceToDepth": space_to_depth,
        "Shape": shape_of,
        "Size": size_of,
        "Identity": identity,
        "Dropout": dropout,
    }
)
