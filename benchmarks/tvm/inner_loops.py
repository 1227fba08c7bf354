"""Products a cycle of the innermost loops on a Cortex-A72, as llvm-mca counts them.

    python -m benchmarks.tvm.inner_loops

Needs llvm-mca (Debian: llvm). It knows pipes and latencies, but no caches. The inner loop of a
pointwise kernel sums and no more. That of a depthwise kernel has all taps written out and
requantises: of its two figures the first is that of the instructions that sum.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.kernels.depthwise import Depthwise
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Library
from fpc.backends.tvm.planning.tiles import depthwise_tile
from fpc.ir.dtype import DType
from fpc.measure.emulation.emulator import PROCESSOR
from fpc.measure.emulation.llvm_mca import LlvmMca

_LANES = 8
"""Products of one `smull` or `smlal`."""
_SUMMING = {"smull", "smlal", "smlal2", "saddw", "saddw2", "sadalp", "ldr", "ldp", "add", "subs"}


def buffer(positions: int, channels: int) -> Buffer:
    """A feature map whose channels fill whole vectors."""
    return Buffer(DType.I8, positions, channels, channels)


def assembly(kernel: Convolution | Depthwise) -> list[str]:
    """The kernel's lines."""
    library = Library.load()
    function = library.function(kernel.lower(library, NEON_MLAL), "kernel")
    module = library.tvm.IRModule({"kernel": function})
    built: Any = library.tvm.compile(module, target=library.target(NEON_MLAL.target))
    return built.mod.inspect_source("asm").splitlines()


def innermost_loop(lines: list[str]) -> list[str]:
    """The instructions of the loop without loops inside that multiplies most."""
    labels = {line.partition(":")[0]: at for at, line in enumerate(lines) if line.startswith(".L")}
    jumps = ((re.search(r"\tb\.ne\t(\.L\w+)", line), at) for at, line in enumerate(lines))
    loops = [(labels[jump[1]], at) for jump, at in jumps if jump and labels[jump[1]] < at]
    inner = [
        [line for line in lines[start + 1 : end + 1] if re.match(r"\t[a-z]", line)]
        for start, end in loops
        if not any(start < other < end for other, _ in loops)
    ]
    return max(inner, key=products)


def products(instructions: list[str]) -> int:
    """How many products instructions compute."""
    return _LANES * sum(mnemonic(line) in {"smull", "smlal", "smlal2"} for line in instructions)


def mnemonic(instruction: str) -> str:
    """The name of an instruction."""
    return instruction.split(maxsplit=1)[0]


def products_a_cycle(instructions: list[str]) -> float:
    """The products of a turn of a loop by its cycles."""
    [cycles] = LlvmMca(PROCESSOR).cycles_a_turn([instructions])
    return products(instructions) / cycles


def main() -> None:
    """Print the figures."""
    sys.modules["torch"] = None  # pyright: ignore[reportArgumentType]
    wide, narrow = buffer(196, 192), buffer(196, 96)
    pointwise = Convolution(wide, narrow, Window.over_rows(196), ConvolutionTile(2, 1, 2))
    loop = innermost_loop(assembly(pointwise))
    print(f"simulated: pointwise 192 to 96: {products_a_cycle(loop):.2f} without requantisation")
    for taps in (3, 5):
        around = Window(1, (14, 14), (14, 14), (taps, taps), pads=(taps // 2, taps // 2))
        tile = depthwise_tile(around, NEON_MLAL)
        kernel = Depthwise(narrow, narrow, around, tile, saturates=True)
        loop = innermost_loop(assembly(kernel))
        sums = [line for line in loop if mnemonic(line) in _SUMMING]
        print(
            f"simulated: depthwise {taps} x {taps}: {products_a_cycle(sums):.2f} without "
            f"requantisation, {products_a_cycle(loop):.2f} with it"
        )


if __name__ == "__main__":
    main()
