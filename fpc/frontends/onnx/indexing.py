"""Shapes, axes and bounds as ONNX writes them: by attribute in old opsets, by operand in new ones.

Shared by the evaluation of known arrays and the import of network values, so that both read the
specification once.
"""

from __future__ import annotations

import math

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import MAX_INTEGERS, NodeContext

_AXES_AS_OPERAND = 13
_REDUCE_AXES_AS_OPERAND = 18


def axes_of(node: NodeContext, rank: int) -> tuple[int, ...]:
    """The sorted axes of a reduction; all of them unless given or `noop_with_empty_axes`."""
    since = _AXES_AS_OPERAND if node.op_type == "ReduceSum" else _REDUCE_AXES_AS_OPERAND
    axes = _operand_or_attribute(node, since, "axes")
    if not axes:
        if node.attributes.integer("noop_with_empty_axes", 0):
            return ()
        return tuple(range(rank))
    return tuple(sorted({node.axis(axis, rank) for axis in axes}))


def squeezed_shape(node: NodeContext, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after Squeeze."""
    axes = _operand_or_attribute(node, _AXES_AS_OPERAND, "axes")
    if axes is None:
        return tuple(extent for extent in shape if extent != 1)
    dropped = {node.axis(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in dropped):
        raise _misfit(node, f"cannot drop axes {sorted(dropped)} of shape {list(shape)}")
    return tuple(extent for axis, extent in enumerate(shape) if axis not in dropped)


def unsqueezed_shape(node: NodeContext, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after Unsqueeze."""
    axes = _operand_or_attribute(node, _AXES_AS_OPERAND, "axes") or ()
    rank = len(shape) + len(axes)
    inserted = {node.axis(axis, rank) for axis in axes}
    if len(inserted) != len(axes):
        raise _misfit(node, f"axes {list(axes)} repeat")
    extents = iter(shape)
    return tuple(1 if axis in inserted else next(extents) for axis in range(rank))


def flattened_shape(node: NodeContext, shape: tuple[int, ...]) -> tuple[int, int]:
    """The shape after Flatten."""
    axis = node.attributes.integer("axis", 1)
    axis = node.axis(axis, len(shape)) if axis < 0 else min(axis, len(shape))
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def reshape_target(node: NodeContext, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that Reshape asks for, 0 (keep) and -1 (the rest) resolved."""
    wanted = node.require_integers(1, "shape")
    size = math.prod(shape)
    if not node.attributes.integer("allowzero", 0):
        if any(extent == 0 and axis >= len(shape) for axis, extent in enumerate(wanted)):
            raise _misfit(node, f"shape {list(wanted)} keeps an axis that {list(shape)} lacks")
        wanted = tuple(shape[axis] if extent == 0 else extent for axis, extent in enumerate(wanted))
    if wanted.count(-1) == 1:
        known = math.prod(extent for extent in wanted if extent != -1)
        if known > 0 and size % known == 0:
            wanted = tuple(size // known if extent == -1 else extent for extent in wanted)
    if min(wanted, default=0) < 0 or math.prod(wanted) != size:
        raise _misfit(node, f"{size} elements of shape {list(shape)} do not fill {list(wanted)}")
    return wanted


def slice_bounds(node: NodeContext, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The Python slices, one an axis, that a Slice means (clamped later by `slice.indices`)."""
    if node.opset < 10:
        starts = node.attributes.integers("starts") or ()
        ends = node.attributes.integers("ends") or ()
        axes = node.attributes.integers("axes")
        steps = None
    else:
        starts = node.require_integers(1, "starts")
        ends = node.require_integers(2, "ends")
        axes = node.require_integers(3, "axes") if node.operand(3) is not None else None
        steps = node.require_integers(4, "steps") if node.operand(4) is not None else None
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise _misfit(node, "starts, ends, axes and steps do not belong together")
    bounds = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        bounds[node.axis(axis, len(shape))] = slice(start, end, step)
    return tuple(bounds)


def split_sizes(node: NodeContext, extent: int) -> tuple[int, ...]:
    """The sizes of the pieces that Split makes of `extent`."""
    sizes = _operand_or_attribute(node, _AXES_AS_OPERAND, "split")
    if sizes is None:
        count = node.attributes.integer("num_outputs", len(node.output_names))
        if not 1 <= count <= MAX_INTEGERS:
            raise _misfit(node, f"{count} pieces")
        piece = -(-extent // count)
        sizes = (piece,) * (count - 1) + (extent - piece * (count - 1),)
    if sum(sizes) != extent or min(sizes, default=-1) < 0 or len(sizes) < len(node.output_names):
        raise _misfit(node, f"pieces of {list(sizes)} do not make up {extent}")
    return sizes


def _operand_or_attribute(node: NodeContext, since: int, name: str) -> tuple[int, ...] | None:
    """Integers that are operand 1 from opset `since` on, and an attribute before."""
    if node.opset < since:
        return node.attributes.integers(name)
    return node.require_integers(1, name) if node.operand(1) is not None else None


def _misfit(node: NodeContext, reason: str) -> ModelError:
    return ModelError(
        "bad-node",
        f"{node.op_type} does not fit its operand: {reason}",
        location=node.location,
        help="export the model again, or check --input-shape against what the network expects",
    )
