"""FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from fpc.backends.tflite.lowering.convolution import bias_of
from fpc.backends.tflite.lowering.site import Site, fused
from fpc.backends.tflite.model import FieldValue
from fpc.ir.ops import Dense, MatMul

_LARGEST_MATMUL_RANK = 5


def dense(site: Site[Dense]) -> None:
    """`Dense`; leading extents are kept, not flattened into one."""
    x = site.operand(0)
    fields: dict[str, FieldValue] = {
        "fused_activation_function": fused(site.op.activation),
        "keep_num_dims": x.type.rank != 2,
    }
    site.emit(
        "FULLY_CONNECTED",
        [x, site.operand(1), bias_of(site, x.type)],
        table="FullyConnectedOptions",
        fields=fields,
    )


def matmul(site: Site[MatMul]) -> None:
    """`MatMul`."""
    if site.result().type.rank > _LARGEST_MATMUL_RANK:
        raise site.unsupported(
            f"BATCH_MATMUL takes ranks up to {_LARGEST_MATMUL_RANK}",
            "merge leading axes with a reshape before and after",
        )
    site.emit("BATCH_MATMUL", [site.operand(0), site.operand(1)], table="BatchMatMulOptions")
