"""From operand types to result types, with messages that name the operator."""

from __future__ import annotations

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.location import UNKNOWN, Location
from fpc.ir.op import Op, ShapeMismatch, operand_spec
from fpc.ir.types import TensorType


def infer_types(
    op: Op, operands: tuple[TensorType | None, ...], location: Location = UNKNOWN
) -> tuple[TensorType, ...]:
    """The result types of `op`; `VerifyError` naming the operator when operands do not fit."""
    spec = operand_spec(type(op))
    for index in range(spec.required):
        if index >= len(operands) or operands[index] is None:
            raise VerifyError(
                "operand-count",
                f"{op.mnemonic} needs the operand `{spec.name(index)}`",
                location=location,
            )
    if not spec.accepts(len(operands)):
        raise VerifyError(
            "operand-count",
            f"{op.mnemonic} takes operands ({', '.join(spec.names)}), got {len(operands)}",
            location=location,
        )
    try:
        return op.infer_all(operands)
    except ShapeMismatch as mismatch:
        raise VerifyError(
            "shape-mismatch", f"{op.mnemonic}: {mismatch}", location=location
        ) from None


def checked_results(
    op: Op,
    inferred: tuple[TensorType, ...],
    given: tuple[TensorType, ...],
    location: Location,
) -> tuple[TensorType, ...]:
    """The `given` result types, which must be the `inferred` ones but for their quantisation."""
    same = len(inferred) == len(given) and all(
        a.dtype is b.dtype and a.shape == b.shape for a, b in zip(inferred, given, strict=True)
    )
    if not same:
        raise VerifyError(
            "result-type",
            f"{op.mnemonic} gives {', '.join(map(str, inferred))}, "
            f"not {', '.join(map(str, given))}",
            location=location,
        )
    return given
