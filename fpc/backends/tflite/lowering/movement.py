"""Operators that move values."""

from __future__ import annotations

from collections.abc import Sequence

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import (
    constant_like,
    pad_with,
    pad_with_zeros,
    padded_shape,
    paddings,
    reshape_to,
    transpose_to,
)
from fpc.backends.tflite.lowering.site import Site
from fpc.backends.tflite.model import MirrorPadMode
from fpc.ir.dtype import DType
from fpc.ir.ops import (
    Concat,
    DepthOrder,
    DepthToSpace,
    Pad,
    PadMode,
    Reshape,
    Transpose,
)

_LARGEST_MIRROR_RANK = 5


def concat(site: Site[Concat]) -> None:
    """`Concat`; integers are joined only when all stand for the same reals."""
    operands, y = site.operands(), site.result()
    for x in operands:
        if x.type.quant != y.type.quant:
            raise site.unsupported(
                f"CONCATENATION needs one quantisation, %{x.name} has another",
                "requantise the operands to the result's scale and zero point",
            )
    fields = {"axis": site.op.axis}
    site.emit("CONCATENATION", operands, table="ConcatenationOptions", fields=fields)


def pad(site: Site[Pad]) -> None:
    """`Pad`: PAD, PADV2 or MIRROR_PAD; edges are repeated by mirroring one row at a time."""
    op, x, y = site.op, site.operand(), site.result()
    widths = list(zip(op.before, op.after, strict=True))
    match op.mode:
        case PadMode.CONSTANT if op.value == 0.0:
            pad_with_zeros(site, x, widths, y)
        case PadMode.CONSTANT:
            pad_with(site, x, widths, constant_like(site, x, op.value), y)
        case PadMode.REFLECT:
            _mirror(site, x, y, widths, MirrorPadMode.REFLECT)
        case PadMode.EDGE:
            _repeat_edges(site, x, widths)


def _repeat_edges(site: Site[Pad], x: Operand, widths: list[tuple[int, int]]) -> None:
    rounds = max((*site.op.before, *site.op.after, 1))
    for done in range(rounds):
        step = [(int(low > done), int(high > done)) for low, high in widths]
        last = done == rounds - 1
        shape = padded_shape(x, step)
        y = site.result() if last else site.intermediate("edge", x.type.with_shape(shape))
        _mirror(site, x, y, step, MirrorPadMode.SYMMETRIC)
        x = y


def _mirror(
    site: Site[Pad], x: Operand, y: Operand, widths: Sequence[tuple[int, int]], mode: MirrorPadMode
) -> None:
    if x.type.rank > _LARGEST_MIRROR_RANK:
        raise site.unsupported(
            f"MIRROR_PAD takes ranks up to {_LARGEST_MIRROR_RANK}",
            "merge axes with a reshape before and after",
        )
    operands = [x, paddings(site, widths)]
    site.emit("MIRROR_PAD", operands, [y], "MirrorPadOptions", {"mode": mode})


def reshape(site: Site[Reshape]) -> None:
    """`Reshape`."""
    reshape_to(site, site.operand(), site.result())


def transpose(site: Site[Transpose]) -> None:
    """`Transpose`."""
    transpose_to(site, site.operand(), site.result(), site.op.permutation)


def depth_to_space(site: Site[DepthToSpace]) -> None:
    """`DepthToSpace`: DEPTH_TO_SPACE, after putting the blocks of CRD order first.

    There is no 16-bit DEPTH_TO_SPACE; it is a TRANSPOSE of the map cut into blocks.
    """
    x, block = site.operand(), site.op.block
    if site.op.order is DepthOrder.CRD:
        x = _blocks_first(site, x, block * block)
    if x.type.dtype is not DType.I16:
        fields = {"block_size": block}
        site.emit("DEPTH_TO_SPACE", [x], table="DepthToSpaceOptions", fields=fields)
        return
    batch, height, width, channels = x.type.shape
    cut = (batch * height, width, block, channels // block)
    blocks = site.intermediate("blocks", x.type.with_shape(cut))
    rows_shape = (cut[0], block, width, cut[3])
    rows = site.intermediate("rows", x.type.with_shape(rows_shape))
    reshape_to(site, x, blocks)
    transpose_to(site, blocks, rows, (0, 2, 1, 3))
    reshape_to(site, rows, site.result())


def _blocks_first(site: Site[DepthToSpace], x: Operand, blocks: int) -> Operand:
    batch, height, width, channels = x.type.shape
    pixels, depth = batch * height * width, channels // blocks
    factored = site.intermediate("factored", x.type.with_shape((pixels, depth, blocks)))
    swapped = site.intermediate("swapped", x.type.with_shape((pixels, blocks, depth)))
    ordered = site.intermediate("ordered", x.type)
    reshape_to(site, x, factored)
    transpose_to(site, factored, swapped, (0, 2, 1))
    reshape_to(site, swapped, ordered)
    return ordered
