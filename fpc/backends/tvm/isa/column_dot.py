"""Dot products over neighbouring pixels as TVM takes them: the text that all instructions share."""

from __future__ import annotations

from fpc.backends.tvm.isa.description import ColumnDot, Intrinsic

_UPDATE = """\
        for i in T.serial(0, {lanes}):
            for k in T.serial(0, {columns}):
                with T.sblock("update"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    C[vi] = C[vi] + T.cast(A[vk, vi], "int32") * T.cast(B[vi, vk], "int32")
"""

_FUNCTION = """
@T.prim_func(s_tir=True)
def {name}(
    A: T.Buffer(({columns}, {lanes}), "{activation}", offset_factor=1),
    B: T.Buffer(({lanes}, {columns}), "{weight}", offset_factor=1),
    C: T.Buffer(({lanes},), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:{lanes}], A[0:{columns}, 0:{lanes}], B[0:{lanes}, 0:{columns}])
        T.writes(C[0:{lanes}])
{body}"""

_CALL = """\
        C[T.ramp(T.int32(0), 1, {lanes})] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("llvm.x86.avx512.{instruction}.{bits}"),
            C.vload([0], dtype="int32x{lanes}"),
            T.reinterpret(
                T.Shuffle(
                    [A.vload([0, 0], dtype="{activation}x{elements}")], {interleaved}
                ),
                dtype="{weight}x{elements}",
            ),
            B.vload([0, 0], dtype="{weight}x{elements}"),
            dtype="int32x{lanes}",
        )
"""


def permuted_dot(instruction: str, types: tuple[str, str], lanes: int) -> ColumnDot:
    """Pixels of `lanes` channels that fill a vector, permuted for VNNI's instruction to sum each.

    `types` are the element types of pixels and of weights, whose products VNNI sums up to 32 bits.
    """
    activation, weight = types
    columns = 4 if weight == "int8" else 2
    words = {
        "columns": columns,
        "lanes": lanes,
        "bits": 32 * lanes,
        "elements": lanes * columns,
        "activation": activation,
        "weight": weight,
        "instruction": instruction,
        "interleaved": [
            lanes * column + lane for lane in range(lanes) for column in range(columns)
        ],
    }
    description, implementation = (
        _FUNCTION.format(name=name, body=body.format(**words), **words)
        for name, body in (("description", _UPDATE), ("implementation", _CALL))
    )
    name = f"fpc.permuted.{instruction}.{32 * lanes}"
    return ColumnDot(lanes, columns, Intrinsic(name, description, implementation))
