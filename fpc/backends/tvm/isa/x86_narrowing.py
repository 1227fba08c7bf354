"""AVX2 and AVX512: up to four vectors of 32-bit sums become bytes together.

`vpackssdw` and `vpackuswb` narrow two registers to one and saturate, by 128 bits each; `vpermd`
brings the bytes into order (Intel SDM). With the conversions that takes 18 instructions for four
vectors, and 10 for two, where one at a time would take 7 each, or 10 without AVX512.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpc.backends.tvm.isa.description import Intrinsic, Narrowing

_LANES_OF_AVX512 = 16

_FUNCTION = """
@T.prim_func(s_tir=True)
def {name}(sums: T.handle, scale: T.handle, limits: T.handle, result: T.handle) -> None:
    of_sums, of_result = T.int32(), T.int32()
    S = T.match_buffer(sums, ({shape}), "int32", offset_factor=1, strides=[{sum_strides}])
    F = T.match_buffer(scale, ({channels},), "float32", offset_factor=1)
    L = T.match_buffer(limits, (2,), "int32", offset_factor=1)
    R = T.match_buffer(result, ({shape}), "uint8", offset_factor=1, strides=[{result_strides}])
    with T.sblock("root"):
        T.reads(S[{every}], F[0:{channels}], L[0:2])
        T.writes(R[{every}])
{body}"""

# What `fpc.backends.tvm.kernels.requantise` says of a sum whose range is that of its type.
_DESCRIPTION = """\
        for {loops} in T.grid({shape}):
            with T.sblock("narrow"):
                {indices} = T.axis.remap("{kinds}", [{loops}])
                T.reads(S[{indices}], F[v0], L[0:2])
                T.writes(R[{indices}])
                R[{indices}] = T.Cast("uint8", T.min(T.Cast("uint32", T.reinterpret("int32",
                    T.max(T.Cast("float32", S[{indices}]) * F[v0], T.Cast("float32", L[1]))
                    + T.float32(12582912.0)) + L[0] - 1262485504), T.uint32(255)))
"""


def _call(instruction: str, dtype: str, *operands: str) -> str:
    given = ", ".join(operands)
    found = f'T.llvm_lookup_intrinsic_id("llvm.{instruction}")'
    return f'T.call_llvm_pure_intrin({found}, {given}, dtype="{dtype}")'


def _bytes(lanes: int, places: Sequence[tuple[int, ...]]) -> str:
    """The results of two or four vectors of sums that begin at `places`, one by one."""
    isa, bits = ("avx512", ".512") if lanes == _LANES_OF_AVX512 else ("avx2", "")
    steps = [
        _call(
            "lrint",
            f"int32x{lanes}",
            f'T.Cast("float32x{lanes}", S.vload({[*place]}, "int32x{lanes}")) '
            f'* F.vload([{place[-1]}], "float32x{lanes}")',
        )
        for place in places
    ]
    words = f"int16x{2 * lanes}"
    zero_point = f'T.broadcast(T.Cast("int16", L[0]), {2 * lanes})'
    pairs = [
        _call(
            "sadd.sat", words, _call(f"x86.{isa}.packssdw{bits}", words, first, second), zero_point
        )
        for first, second in zip(steps[::2], steps[1::2], strict=True)
    ]
    packed = _call(f"x86.{isa}.packuswb{bits}", f"uint8x{4 * lanes}", pairs[0], pairs[-1])
    quads = [4 * quad + vector for vector in range(len(places)) for quad in range(lanes // 4)]
    return f"T.Shuffle([{packed}], {[quad * 4 + byte for quad in quads for byte in range(4)]})"


def _fenced(vector: str, elements: int) -> str:
    """A `vector` that LLVM does not compute once more for each part that is stored."""
    floats = f"float32x{elements // 4}"
    fenced = _call("arithmetic.fence", floats, f'T.reinterpret({vector}, dtype="{floats}")')
    return f'T.reinterpret({fenced}, dtype="uint8x{elements}")'


def _narrowing(lanes: int, vectors: int, positions: int) -> Narrowing:
    channels = vectors * lanes // positions
    # A single position is no axis: loops of one turn are simplified away.
    shape = (positions, channels) if positions > 1 else (channels,)
    rows = [(position,) if positions > 1 else () for position in range(positions)]
    results = _bytes(lanes, [(*row, at) for row in rows for at in range(0, channels, lanes)])
    everything = _fenced(results, positions * channels)
    body = "".join(
        f"        R[{', '.join(map(str, (*row, f'T.ramp(0, 1, {channels})')))}] = "
        f"T.Shuffle([{everything}], {list(range(number * channels, (number + 1) * channels))})\n"
        for number, row in enumerate(rows)
    )
    rank = len(shape)
    words = {
        "shape": ", ".join(map(str, shape)) + ",",
        "channels": channels,
        "every": ", ".join(f"0:{extent}" for extent in shape),
        "sum_strides": ", ".join(("of_sums", "1")[-rank:]),
        "result_strides": ", ".join(("of_result", "1")[-rank:]),
        "loops": ", ".join(("i1", "i0")[-rank:]),
        "indices": ", ".join(("v1", "v0")[-rank:]),
        "kinds": "S" * rank,
    }
    return Narrowing(
        positions,
        channels,
        Intrinsic.framed(
            f"fpc.packs.{32 * lanes}.{positions}x{channels}",
            _FUNCTION.format(name="{name}", body="{body}", **words),
            _DESCRIPTION.format(**words),
            body,
        ),
    )


def narrowings(lanes: int) -> tuple[Narrowing, ...]:
    """For four vectors of channels of a position, two of two positions or one of four; for two."""
    counts = ((4, 1), (4, 2), (4, 4), (2, 1), (2, 2))
    return tuple(_narrowing(lanes, vectors, positions) for vectors, positions in counts)
