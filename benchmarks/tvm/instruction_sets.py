"""How fast the kernels for every instruction set of this machine are.

    python -m benchmarks.tvm.instruction_sets [--rounds N] [NETWORK ...]

One integer network is compiled for all of them and run in turn with one thread, beside fpc's own
.tflite file of it in LiteRT, which takes whatever instructions the machine has.
"""

from __future__ import annotations

from benchmarks.machine import machine
from benchmarks.tvm.networks import artifact, compiled
from benchmarks.tvm.options import parser_of
from benchmarks.tvm.rounds import Timed, latencies_ms
from fpc.backends.tvm.emitter import emit
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import ISAS, runs_here
from fpc.driver.phases.backend import archive
from fpc.measure.litert.model import LiteRtModel
from fpc.measure.tvm.model import TvmModel


def models(name: str) -> dict[str, Timed]:
    """A network made ready to run, by instruction set; LiteRT last."""
    graph = compiled(name, "tvm", "host").graph
    isas = [isa for isa in ISAS.values() if runs_here(isa) and isa is not PLAIN]
    ours: dict[str, Timed] = {isa.name: TvmModel(archive(emit(graph, isa))) for isa in isas}
    return {**ours, "LiteRT": LiteRtModel(artifact(name, "tflite", "host"))}


def main() -> None:
    """Print all latencies in milliseconds."""
    options = parser_of(__doc__).parse_args()
    print(f"machine: {machine()}")
    for name in options.networks:
        found = latencies_ms(models(name), options.rounds)
        print(name, *(f"{which} {ms:.3f} ms" for which, ms in found.items()), sep="  ", flush=True)


if __name__ == "__main__":
    main()
