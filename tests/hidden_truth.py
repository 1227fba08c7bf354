"""A device without a clock: its latencies are those of a cost model with other prices."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fpc.costmodel.kernels import Work
from fpc.costmodel.prediction import Pricing
from fpc.costmodel.residual import family_of
from fpc.diagnostics.errors import MeasureError
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing
from fpc.search.feedback import Kernels
from fpc.search.space.description import Space, Subnet
from fpc.search.space.encoding import decode, encode


def build(subnet: Subnet) -> Request:
    """A request without a file: the device looks at the name alone."""
    return Request(encode(subnet), b"", "0" * 64, "int8")


def drawn_factors(seed: int, low: float = 0.6, high: float = 1.5) -> Callable[[str], float]:
    """A factor for every family of kernels, drawn from its name."""

    def factor(family: str) -> float:
        return float(_random(seed, family).uniform(low, high))

    return factor


@dataclass
class HiddenTruth:
    """Times networks of `space` by `pricing` and a factor for each family, with noise.

    A turn's noise is that of the network and the turn, so that the order of turns is no matter.
    Networks that `fails` says yes to fail; in turns that `disturbs` says yes to, by their number
    among all, most runs wait for a neighbour. After `patience` answers the user loses his.
    """

    space: Space
    pricing: Pricing
    factor: Callable[[str], float]
    overhead_ms: float = 0.0
    noise: float = 0.005
    fails: Callable[[str], bool] = lambda _: False
    disturbs: Callable[[int], bool] = lambda _: False
    patience: int = 1_000_000
    device: str = "a board"
    asked: list[str] = field(default_factory=list)

    def latency_ms(self, subnet: Subnet) -> float:
        """The truth."""
        works: Sequence[Work] = self._kernels(subnet)
        factors = np.array([self.factor(family_of(work)) for work in works])
        return float(self.pricing(works) @ factors) + self.overhead_ms

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        for request in requests:
            if len(self.asked) == self.patience:
                raise KeyboardInterrupt
            turn = Counter(self.asked)[request.name]
            self.asked.append(request.name)
            if self.fails(request.name):
                yield Failure(request.name, MeasureError("runner-died", "it is dead", help="pray"))
            else:
                yield self._timing(request, turn, config)

    @cached_property
    def _kernels(self) -> Kernels:
        return Kernels(self.space)

    def _timing(self, request: Request, turn: int, config: MeasureConfig) -> Timing:
        random = _random(turn, request.name)
        middle = self.latency_ms(decode(request.name)) * random.normal(1.0, self.noise)
        runs = middle * random.normal(1.0, self.noise, 9)
        if self.disturbs(len(self.asked)):
            runs[2:] *= random.uniform(2.0, 5.0)
        return Timing(
            name=request.name,
            model_sha256=request.model_sha256,
            precision=request.precision,
            runs=tuple(runs.tolist()),
            unit="ms",
            evidence="measured",
            condition=Condition(self.device, "LiteRT 9.9", config.threads),
            date="2026-01-02T03:04:05+00:00",
        )


def _random(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8]))
