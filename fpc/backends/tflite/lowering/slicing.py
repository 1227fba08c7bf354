"""Slices: boxes cut out of tensors, and every n-th element."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import cut_box, pad_with_zeros, reshape_to
from fpc.backends.tflite.lowering.site import Site
from fpc.ir.op import Op
from fpc.ir.ops import Slice, Split


def split(site: Site[Split]) -> None:
    """`Split`, one STRIDED_SLICE for every piece that is read (XNNPACK has no SPLIT_V)."""
    x, start = site.operand(), 0
    for index, size in enumerate(site.op.sizes):
        if site.node.outputs[index].use_count:
            starts, ends = [0] * x.type.rank, list(x.type.shape)
            starts[site.op.axis], ends[site.op.axis] = start, start + size
            cut_box(site, x, site.result(index), starts, ends)
        start += size


def slice_(site: Site[Slice]) -> None:
    """`Slice`."""
    op = site.op
    if all(step == 1 for step in op.steps):
        cut_box(site, site.operand(), site.result(), op.starts, op.ends)
    else:
        take_steps(site, op.starts, op.steps)


def take_steps(site: Site[Op], starts: Sequence[int], steps: Sequence[int]) -> None:
    """Let the result be every `steps`-th element of the operand from `starts` on.

    STRIDED_SLICE with steps is outside XNNPACK and several times slower than what it is made of
    here: a box of whole steps, and for every axis with steps a view in which the elements of one
    step lie side by side, of which a plain slice takes one.
    """
    y = site.result()
    whole = [count * step for count, step in zip(y.type.shape, steps, strict=True)]
    x = _grown_to(site, site.operand(), whole)
    begins = [
        min(start, extent - length)
        for start, extent, length in zip(starts, x.type.shape, whole, strict=True)
    ]
    x = _box(site, x, begins, whole)
    shape = whole
    for axis, step in enumerate(steps):
        if step > 1:
            before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
            shape = [*shape[:axis], shape[axis] // step, *shape[axis + 1 :]]
            views = (before, shape[axis], step, after)
            x = _one_of_each_step(site, x, views, starts[axis] - begins[axis])
    reshape_to(site, x, y)


def _grown_to(site: Site[Op], x: Operand, least: Sequence[int]) -> Operand:
    """`x` with zeros appended where an axis is shorter than `least`."""
    missing = [max(0, low - extent) for extent, low in zip(x.type.shape, least, strict=True)]
    if not any(missing):
        return x
    return pad_with_zeros(site, x, [(0, after) for after in missing])


def _box(site: Site[Op], x: Operand, begins: Sequence[int], extents: Sequence[int]) -> Operand:
    if tuple(extents) == x.type.shape:
        return x
    box = site.intermediate("box", x.type.with_shape(tuple(extents)))
    ends = [begin + extent for begin, extent in zip(begins, extents, strict=True)]
    cut_box(site, x, box, begins, ends)
    return box


def _one_of_each_step(
    site: Site[Op], x: Operand, views: tuple[int, int, int, int], phase: int
) -> Operand:
    """Of `x` seen as [before, count, step, after], element `phase` of every step."""
    before, count, step, after = views
    view = site.intermediate("steps", x.type.with_shape((before, count, step * after)))
    taken = site.intermediate("phase", x.type.with_shape((before, count, after)))
    reshape_to(site, x, view)
    cut_box(site, view, taken, (0, 0, phase * after), (before, count, (phase + 1) * after))
    return taken
