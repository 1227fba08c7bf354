"""How many instructions networks take on ARM, compiled by TVM and beside it in ARM's LiteRT.

    python -m benchmarks.tvm.arm [--arm-root FOLDER] [NETWORK ...]

Both run fpc's int8 network for a Cortex-A72, emulated. Instructions are counted, not time. Ratios
below 1 are in favour of TVM.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path

from benchmarks.tvm.networks import NETWORKS, artifact
from fpc.measure.emulation import LITERT, TVM, ArmEmulator, GuestProgram
from fpc.measure.protocol import Failure, MeasureConfig, Request
from fpc.measure.qemu_runner import QemuRunner


def instructions(content: bytes, root: Path, program: GuestProgram) -> float:
    """The instructions of one inference."""
    request = Request(name="", content=content, model_sha256="", precision="int8")
    [answer] = QemuRunner(root, program=program).run([request], MeasureConfig(timeout_s=600))
    if isinstance(answer, Failure):
        raise answer.error
    return answer.median


def ratio(name: str, root: Path) -> float:
    """The ratio of instructions, printed."""
    ours = instructions(artifact(name, "tvm", "rpi4-arm"), root, TVM)
    theirs = instructions(artifact(name, "tflite", "rpi4-arm"), root, LITERT)
    print(
        f"{name:24} TVM {ours / 1e6:7.1f} M  LiteRT {theirs / 1e6:7.1f} M  "
        f"ratio {ours / theirs:.3f}",
        flush=True,
    )
    return ours / theirs


def main() -> None:
    """Print every ratio and their geometric mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--arm-root", type=Path, default=ArmEmulator.at_hand().root)
    options = parser.parse_args()
    ratios = [ratio(name, options.arm_root) for name in options.networks]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    print(f"simulated, emulated Cortex-A72, int8: geometric mean of ratios {mean:.3f}")


if __name__ == "__main__":
    main()
