"""Dot products as TVM takes them: the text that is the same for every instruction set."""

from __future__ import annotations

from fpc.backends.tvm.isa.description import ColumnDot, DotProduct, Intrinsic

_UPDATE = """\
        for i in T.serial(0, {lanes}):
            for k in T.serial(0, {depth}):
                with T.sblock("update"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    C[vi] = C[vi] + T.cast(A[{term}], "int32") * T.cast(B[vi, vk], "int32")
"""

_FUNCTION = """
@T.prim_func(s_tir=True)
def {name}(
    A: T.Buffer({terms}, "{activation}", offset_factor=1),
    B: T.Buffer(({lanes}, {depth}), "{weight}", offset_factor=1),
    C: T.Buffer(({lanes},), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:{lanes}], A[{every_term}], B[0:{lanes}, 0:{depth}])
        T.writes(C[0:{lanes}])
{body}"""


def dot_product(name: str, types: tuple[str, str], lanes: int, depth: int, body: str) -> DotProduct:
    """An instruction that adds to each of `lanes` sums C the products of `depth` terms.

    `types` are the element types of the terms A, which all units share, and of the weights B
    [lanes, depth]. `body` is the call in TVMScript, indented as in a function's `with`.
    """
    intrinsic = _intrinsic(name, types, lanes, (depth,), "vk", body)
    return DotProduct(lanes, depth, (lanes, depth), (0, 1), intrinsic)


def column_dot(name: str, types: tuple[str, str], lanes: int, columns: int, body: str) -> ColumnDot:
    """The same for channels that have terms of their own: A is [columns, lanes]."""
    intrinsic = _intrinsic(name, types, lanes, (columns, lanes), "vk, vi", body)
    return ColumnDot(lanes, columns, intrinsic)


def interleaved(rows: int, columns: int) -> list[int]:
    """Where the elements of a matrix [rows, columns] lie, in the order of its transpose."""
    return [row * columns + column for column in range(columns) for row in range(rows)]


def _intrinsic(
    name: str, types: tuple[str, str], lanes: int, terms: tuple[int, ...], term: str, body: str
) -> Intrinsic:
    activation, weight = types
    words = {
        "name": "{name}",
        "body": "{body}",
        "activation": activation,
        "weight": weight,
        "lanes": lanes,
        "depth": terms[0],
        "terms": terms,
        "every_term": ", ".join(f"0:{extent}" for extent in terms),
        "term": term,
    }
    return Intrinsic.framed(name, _FUNCTION.format(**words), _UPDATE.format(**words), body)
