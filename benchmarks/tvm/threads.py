"""What two threads give networks compiled by TVM, and LiteRT beside it.

    python -m benchmarks.tvm.threads [--rounds N] [--threads N] [NETWORK ...]

One process runs the same library with one thread and with several, and LiteRT, in turn; the round
in which each ran fastest counts. LiteRT's speed-up says what the machine gives.
"""

from __future__ import annotations

from benchmarks.machine import machine
from benchmarks.tvm.networks import artifact
from benchmarks.tvm.options import parser_of
from benchmarks.tvm.rounds import Timed, latencies_ms
from fpc.measure.litert.model import LiteRtModel
from fpc.measure.tvm.model import TvmModel


def compare(name: str, rounds: int, threads: int) -> None:
    """Print one network's line."""
    ours, theirs = artifact(name, "tvm", "host"), artifact(name, "tflite", "host")
    models: dict[str, Timed] = {
        "TVM 1": TvmModel(ours),
        "TVM": TvmModel(ours, threads=threads),
        "LiteRT 1": LiteRtModel(theirs),
        "LiteRT": LiteRtModel(theirs, threads=threads),
    }
    found = latencies_ms(models, rounds)
    columns = (
        f"{found[f'{runtime} 1']:9.3f} {found[runtime]:8.3f} "
        f"{found[f'{runtime} 1'] / found[runtime]:6.2f}"
        for runtime in ("TVM", "LiteRT")
    )
    print(f"{name:24}", *columns, flush=True)


def main() -> None:
    """Print latencies in milliseconds with one thread and with several, and the speed-ups."""
    parser = parser_of(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print(f"machine: {machine()}")
    headings = (f"{runtime}, 1 and {options.threads} threads" for runtime in ("TVM", "LiteRT"))
    print(f"{'measured, ms':24}", *(f"{heading:>25}" for heading in headings))
    for name in options.networks:
        compare(name, options.rounds, options.threads)


if __name__ == "__main__":
    main()
