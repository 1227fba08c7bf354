"""A device that answers at once: what a network costs is computed from its kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.xnnpack_features import AMX
from fpc.diagnostics.errors import MeasureError
from fpc.driver.measure.models import MeasureOptions, known_as
from fpc.ir.graph import Graph
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing
from fpc.measure.samples.network_text import shape_only_text

PRICES = AMX.prior * 1e-3


def prepare(model: Path | Graph) -> Request:
    """A request without a file: the runner looks at the network alone."""
    assert isinstance(model, Graph)
    return replace(known_as(model, MeasureOptions()), graph=shape_only_text(model))


@dataclass
class ComputingRunner:
    """Prices of a machine with AMX tiles. Networks whose names start with `failing` fail.

    After `patience` answers the user loses his.
    """

    failing: tuple[str, ...] = ()
    patience: int = 1_000_000
    device: str = "a board"
    asked: list[str] = field(default_factory=list)

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        for request in requests:
            if len(self.asked) == self.patience:
                raise KeyboardInterrupt
            self.asked.append(request.name)
            if request.name.startswith(self.failing):
                yield Failure(request.name, MeasureError("runner-died", "it is dead", help="pray"))
            else:
                yield self._timing(request, config)

    def _timing(self, request: Request, config: MeasureConfig) -> Timing:
        return Timing(
            name=request.name,
            model_sha256=request.model_sha256,
            precision=request.precision,
            runs=(_latency_ms(request.graph),),
            unit="ms",
            evidence="measured",
            condition=Condition(self.device, "LiteRT 9.9", config.threads),
            date="2026-01-02T03:04:05+00:00",
        )


@cache
def _latency_ms(graph: str) -> float:
    works = [kernel.work for kernel in kernels_of(Graph.parse(graph))]
    return float(AMX.of_network(works) @ PRICES)
