"""Which element of a smaller operand belongs to an element of the result."""

from __future__ import annotations

from fpc.backends.tvm.library import Expression


def operand_index(
    shape: tuple[int, ...], of_operand: tuple[int, ...], row: Expression, column: Expression
) -> tuple[Expression, Expression]:
    """Row and column of a stored operand for those of a stored result of `shape`.

    The operand's shape follows numpy's rules. Columns that pad the result read columns that pad the
    operand.
    """
    wide = (1,) * (len(shape) - len(of_operand)) + of_operand
    if len(shape) == 0:
        return row, column
    if wide[:-1] == shape[:-1]:
        at = row
    else:
        at, inner, stride = 0, 1, 1
        for extent, own in zip(reversed(shape[:-1]), reversed(wide[:-1]), strict=True):
            if own > 1:
                at = at + row // inner % extent * stride
                stride *= own
            inner *= extent
    return at, 0 if wide[-1] == 1 and shape[-1] > 1 else column
