"""How much work networks are on ARM, compiled by TVM and beside it in ARM's LiteRT.

    python -m benchmarks.tvm.arm [--arm-root FOLDER] [NETWORK ...]

Both run fpc's int8 network for a Cortex-A72, emulated: instructions are counted, and the cycles of
that processor simulated, without its caches (`fpc.measure.emulation.llvm_mca`). Ratios below 1 are
in favour of TVM.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import NamedTuple

from benchmarks.tvm.networks import NETWORKS, artifact
from fpc.measure.emulation.emulator import LITERT, PROCESSOR, TVM, ArmEmulator, GuestProgram
from fpc.measure.emulation.executed_blocks import executed_instructions
from fpc.measure.emulation.llvm_mca import LlvmMca
from fpc.measure.emulation.runner import QemuRunner
from fpc.measure.protocol import MeasureConfig, Request


class Work(NamedTuple):
    """What one inference takes."""

    instructions: float
    cycles: float


def work(content: bytes, root: Path, program: GuestProgram) -> Work:
    """The work of a compiled network."""
    request = Request(name="", content=content, model_sha256="", precision="int8")
    executed = QemuRunner(root, program=program).executed(request, MeasureConfig(timeout_s=600))
    return Work(executed_instructions(executed), LlvmMca(PROCESSOR).cycles(executed))


def ratios(name: str, root: Path) -> Work:
    """The ratios of both, printed."""
    ours = work(artifact(name, "tvm", "rpi4-arm"), root, TVM)
    theirs = work(artifact(name, "tflite", "rpi4-arm"), root, LITERT)
    found = Work(*(a / b for a, b in zip(ours, theirs, strict=True)))
    print(
        f"{name:24} M instructions: TVM {ours.instructions / 1e6:6.1f}  "
        f"LiteRT {theirs.instructions / 1e6:6.1f}  ratio {found.instructions:.3f}  "
        f"M cycles: TVM {ours.cycles / 1e6:6.1f}  LiteRT {theirs.cycles / 1e6:6.1f}  "
        f"ratio {found.cycles:.3f}",
        flush=True,
    )
    return found


def main() -> None:
    """Print every ratio and their geometric means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--arm-root", type=Path, default=ArmEmulator.at_hand().root)
    options = parser.parse_args()
    found = [ratios(name, options.arm_root) for name in options.networks]
    instructions, cycles = (statistics.geometric_mean(each) for each in zip(*found, strict=True))
    print(
        "simulated, emulated Cortex-A72, int8: geometric means of ratios "
        f"{instructions:.3f} (instructions), {cycles:.3f} (cycles)"
    )


if __name__ == "__main__":
    main()
