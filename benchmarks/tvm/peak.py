"""What share of the processor's peak pointwise convolutions reach, one thread.

    python -m benchmarks.tvm.peak [--rounds N] [--kernels] [NETWORK ...]

The peak is that of `vpdpbusd` on registers only, timed anew before every turn of a kernel. Kernels
are those with more than one position and one tap, on noise; the fastest turn of each counts, and of
the peak the fastest of all. A network's share is weighted by time: the multiply-adds of all calls,
those of padded channels left out, by the time they take together and by the peak.

The bound is what the instructions for vectors allow, two a cycle: a dot product of 4 terms of 16
units is one, and a vector of sums that is requantised, or added to a residual, takes as many more
as `end_instructions` counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.tvm.networks import compiled
from benchmarks.tvm.options import parser_of
from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.build_program import LIBRARY
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.library import Library
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.tiles import end_instructions

_TURN_S = 5e-4
_CHAINS = 12
"""Sums that do not depend on each other: a dot product takes five cycles, of which two a cycle."""
_REPEATS = 2000
_PRODUCTS = 64
"""Of one instruction."""

_PEAK = f"""
@T.prim_func(s_tir=True)
def main(
    x: T.Buffer((64,), "uint8"), weights: T.Buffer((64,), "int8"),
    result: T.Buffer(({_CHAINS}, 16), "int32"),
) -> None:
    T.func_attr({{"tirx.noalias": True}})
    sums = T.alloc_buffer(({_CHAINS}, 16), "int32")
    for chain in T.unroll({_CHAINS}):
        sums[chain, T.ramp(0, 1, 16)] = T.broadcast(0, 16)
    for repeat in T.serial({_REPEATS}):
        for chain in T.unroll({_CHAINS}):
            sums[chain, T.ramp(0, 1, 16)] = T.call_llvm_pure_intrin(
                T.llvm_lookup_intrinsic_id("llvm.x86.avx512.vpdpbusd.512"),
                sums.vload([chain, 0], dtype="int32x16"),
                T.reinterpret(x.vload([0], dtype="uint8x64"), dtype="int8x64"),
                weights.vload([0], dtype="int8x64"), dtype="int32x16",
            )
    for chain in T.unroll({_CHAINS}):
        result[chain, T.ramp(0, 1, 16)] = sums.vload([chain, 0], dtype="int32x16")
"""

Timing = Callable[[], float]
"""Seconds of one call, the mean of a turn."""


@dataclass(frozen=True)
class Share:
    """A kernel that is called so often: its multiply-adds a second, and the most there can be."""

    kernel: Convolution
    calls: int
    seconds: float
    peak: float

    @property
    def products(self) -> int:
        """Of all calls."""
        return self.calls * self.kernel.products

    @property
    def total_s(self) -> float:
        """Of all calls."""
        return self.calls * self.seconds

    @property
    def peak_s(self) -> float:
        """All calls at the peak."""
        return self.products / self.peak

    @property
    def bound_s(self) -> float:
        """All calls at the bound."""
        isa, kernel = X86_AVX512_VNNI, self.kernel
        sums = kernel.stored.rows * kernel.units(isa) // isa.lanes
        instructions = sums * (kernel.depth(isa) / isa.dot.depth + end_instructions(kernel, isa))
        return self.calls * instructions * _PRODUCTS / self.peak

    def __str__(self) -> str:
        tile = self.kernel.tile
        shape = f"{self.kernel.stored.rows} x {self.kernel.operand.width} to "
        return (
            f"  {shape}{self.kernel.stored.width:<5} tile {tile.positions} x {tile.vectors:<2} "
            f"calls {self.calls}  {self.seconds * 1e6:7.2f} us  {share_of([self])}"
        )


def share_of(shares: list[Share]) -> str:
    """The share of the peak that kernels reach together, and the bound."""
    products, peak_s = sum(one.products for one in shares), sum(one.peak_s for one in shares)
    total_s, bound_s = sum(one.total_s for one in shares), sum(one.bound_s for one in shares)
    return (
        f"{2e-9 * products / total_s:6.0f} GOPS  {100 * peak_s / total_s:5.1f} % of the peak, "
        f"bound {100 * peak_s / bound_s:5.1f} %"
    )


def timing(library: Any, name: str, arguments: list[Any]) -> Timing:
    """How one call of a function is timed."""
    tvm = Library.load().tvm
    once = library.time_evaluator(name, tvm.cpu(), number=1)(*arguments).mean
    calls = max(1, round(_TURN_S / once))
    evaluate = library.time_evaluator(name, tvm.cpu(), number=calls)
    return lambda: float(evaluate(*arguments).mean)


def arguments_of(planned: Plan, kernel: Convolution, number: int) -> list[Any]:
    """Noise, the parameters of some call, and place for the result."""
    tensor = Library.load().tvm.runtime.tensor
    call = next(call for call in planned.program.calls if call.kernel == number)
    random = np.random.default_rng(0)
    operands = [random.integers(0, 255, each.shape, np.uint8) for each in kernel.operands]
    parameters = (planned.parameters[slot.index] for slot in call.arguments[len(operands) :])
    result = np.zeros(kernel.result.shape, np.uint8)
    return [*map(tensor, (*operands, *parameters, result))]


def peak_timing(isa: Isa) -> Timing:
    """How the loop that only multiplies is timed."""
    library = Library.load()
    module = library.tvm.IRModule({"peak": library.function(library.written(_PEAK), "peak")})
    built: Any = library.tvm.compile(module, target=library.target(isa.target))
    shapes = ((64,), np.uint8), ((64,), np.int8), ((_CHAINS, 16), np.int32)
    arguments = [library.tvm.runtime.tensor(np.ones(*each)) for each in shapes]
    return timing(built.mod, "peak", arguments)


def shares(name: str, rounds: int, peak: Timing) -> list[Share]:
    """The pointwise kernels of a network."""
    found = compiled(name, "tvm", "host")
    planned = plan(found.graph, X86_AVX512_VNNI)
    counts = Counter(call.kernel for call in planned.program.calls)
    pointwise = {
        number: kernel
        for number, kernel in enumerate(planned.program.kernels)
        if isinstance(kernel, Convolution) and kernel.window.taps == 1 and kernel.stored.rows > 1
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, LIBRARY)
        file.write_bytes(found.files[LIBRARY])
        [library] = Library.load().tvm.runtime.load_module(str(file)).imports
        names = planned.program.function_names
        timings = {
            number: timing(library, names[number], arguments_of(planned, kernel, number))
            for number, kernel in pointwise.items()
        }
        turns = [{n: (peak(), run()) for n, run in timings.items()} for _ in range(rounds)]
    fastest = min(second for turn in turns for second, _ in turn.values())
    rate = _CHAINS * _REPEATS * _PRODUCTS / fastest
    return [
        Share(kernel, counts[number], min(turn[number][1] for turn in turns), rate)
        for number, kernel in pointwise.items()
    ]


def main() -> None:
    """Print the shares of every network and of all of them together."""
    parser = parser_of(__doc__, rounds=60)
    parser.add_argument("--kernels", action="store_true", help="also a line for every kernel")
    options = parser.parse_args()
    sys.modules["torch"] = None  # pyright: ignore[reportArgumentType]
    os.environ["TVM_NUM_THREADS"] = "1"
    print(f"measured, 1 thread, machine: {machine()}")
    peak = peak_timing(X86_AVX512_VNNI)
    every: list[Share] = []
    for name in options.networks:
        found = shares(name, options.rounds, peak)
        print(f"{name:24} peak {2e-9 * found[0].peak:4.0f} GOPS  {share_of(found)}", flush=True)
        if options.kernels:
            print(*found, sep="\n", flush=True)
        every += found
    print(f"{'all':39} {share_of(every)}")


if __name__ == "__main__":
    main()
