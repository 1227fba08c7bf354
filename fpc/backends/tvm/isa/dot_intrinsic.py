"""Dot products as TVM takes them: the text that is the same for every instruction set."""

from __future__ import annotations

from fpc.backends.tvm.isa.description import DotProduct, Intrinsic

_UPDATE = """\
        for i in T.serial(0, {lanes}):
            for k in T.serial(0, {depth}):
                with T.sblock("update"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    C[vi] = C[vi] + T.cast(A[vk], "int32") * T.cast(B[vi, vk], "int32")
"""

_FUNCTION = """
@T.prim_func(s_tir=True)
def {name}(
    A: T.Buffer(({depth},), "{activation}", offset_factor=1),
    B: T.Buffer(({lanes}, {depth}), "{weight}", offset_factor=1),
    C: T.Buffer(({lanes},), "int32", offset_factor=1),
) -> None:
    with T.sblock("root"):
        T.reads(C[0:{lanes}], A[0:{depth}], B[0:{lanes}, 0:{depth}])
        T.writes(C[0:{lanes}])
{body}"""


def dot_product(name: str, types: tuple[str, str], lanes: int, depth: int, body: str) -> DotProduct:
    """An instruction that adds to each of `lanes` sums C the products of `depth` terms.

    `types` are the element types of the terms A, which all units share, and of the weights B
    [lanes, depth]. `body` is the call in TVMScript, indented as in a function's `with`.
    """
    shape = {"lanes": lanes, "depth": depth}
    activation, weight = types
    frame = _FUNCTION.format(
        name="{name}", body="{body}", activation=activation, weight=weight, **shape
    )
    intrinsic = Intrinsic.framed(name, frame, _UPDATE.format(**shape), body)
    return DotProduct(lanes, depth, (lanes, depth), (0, 1), intrinsic)
