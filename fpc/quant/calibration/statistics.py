"""What activations look like on calibration samples, gathered in passes over streamed samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd, inf, isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import QuantError
from fpc.interp.runner import RunnerFactory, Samples
from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Quantisation
from fpc.quant.analysis.saturation import Bounds, clamp_bounds, clamped_to
from fpc.quant.calibration.activations import Activations, activations
from fpc.quant.calibration.distribution import HISTOGRAM_BINS, Distribution, Histogram, count_bins

_HISTOGRAM_ELEMENTS = 1 << 16
_FIRST_LOOKS = 8
"""How many samples to look at whole when nobody says which; fewer are not worth another runner."""


class Listener(Protocol):
    """Somebody who wants to hear of values while calibration runs the graph anyway."""

    @property
    def values(self) -> Iterable[Value]:
        """What it wants to hear of."""
        ...

    def wants(self, position: int) -> bool:
        """Whether it wants to hear of the sample at `position`."""
        ...

    def hear(self, arrays: Mapping[Value, Array]) -> None:
        """Take the values of the next sample that it wants, in the order of samples."""
        ...


class Statistics(Mapping[Value, Distribution]):
    """The distribution of every observed activation of one graph.

    Histograms are gathered by a second pass over the samples when somebody first asks for one.
    """

    def __init__(self, distributions: Mapping[Value, Distribution]) -> None:
        self._distributions = dict(distributions)

    def __getitem__(self, value: Value) -> Distribution:
        return self._distributions[value]

    def __iter__(self) -> Iterator[Value]:
        return iter(self._distributions)

    def __len__(self) -> int:
        return len(self._distributions)


def observed_values(graph: Graph) -> tuple[Value, ...]:
    """The float activations whose statistics tell the range of every other one.

    Left out are results of ops that only move or select values, and of clamps that alone read a
    computed value.
    """
    return tuple(
        value
        for value in graph.values()
        if value.type.dtype is DType.F32 and not value.is_constant and not _follows(value)
    )


def _follows(value: Value) -> bool:
    """Whether the range of `value` follows from the ranges of its producer's operands."""
    node = value.producer
    if node is None:
        return False
    if node.op.quantisation is Quantisation.SAME:
        return all(operand.type.dtype is DType.F32 for operand in node.operands)
    return clamp_bounds(node.op) is not None and node.input(0).has_one_use


def collect(
    graph: Graph,
    samples: Samples,
    make_runner: RunnerFactory,
    *,
    values: Iterable[Value] | None = None,
    listener: Listener | None = None,
    on_sample: Callable[[], None] | None = None,
) -> Statistics:
    """The statistics of `values` (default: `observed_values(graph)`) over `samples`.

    Runs the graph once a sample, and keeps nothing of it but running extremes: memory does not
    depend on the number of samples. What has reached both ends of a clamp tells nothing new, and is
    not computed any more after the samples that the listener wants. Runners are called by two
    threads at once. `on_sample` is
    called after each sample, for progress bars. `QuantError` when there are no samples, one does
    not fit the graph's inputs, or a value is not finite.
    """
    wanted = tuple(observed_values(graph) if values is None else dict.fromkeys(values))
    observation = _Observation(graph, samples, wanted, make_runner)
    return Statistics(observation.distributions(listener, on_sample))


class _Observation:
    """The values of one graph on one set of samples, and the histograms once gathered."""

    def __init__(
        self, graph: Graph, samples: Samples, values: Sequence[Value], make_runner: RunnerFactory
    ) -> None:
        self._graph = graph
        self._samples = samples
        self._values = values
        self._make_runner = make_runner
        self._extremes: dict[Value, _Extremes] = {}
        self._histograms: dict[Value, Histogram] | None = None

    def distributions(
        self, listener: Listener | None, on_sample: Callable[[], None] | None
    ) -> dict[Value, Distribution]:
        """What a first pass over the samples tells."""
        self._extremes = {value: _Extremes(clamped_to(value)) for value in self._values}
        count = 0
        for seen, heard in two_at_once(_Look.take, self._looks(listener)):
            for value, (low, high) in seen.items():
                self._extremes[value].add(low, high)
            if listener is not None and heard:
                listener.hear(heard)
            count += 1
            if on_sample is not None:
                on_sample()
        if count == 0:
            raise QuantError(
                "no-samples",
                "there is no calibration sample",
                help="give at least one; a hundred typical inputs are a good number",
            )
        return {
            value: Distribution(
                low=seen.low, high=seen.high, source=partial(self._histogram, value)
            )
            for value, seen in self._extremes.items()
        }

    def _looks(self, listener: Listener | None) -> Iterator[_Look]:
        """First the samples that the listener wants, of which everything is computed.

        Of the others nothing but what can still change the extremes, if that is much less.
        """
        positions = range(len(self._samples))
        also: tuple[Value, ...] = ()
        first: Sequence[int] = positions[:_FIRST_LOOKS]
        if listener is not None:
            also, first = tuple(listener.values), tuple(filter(listener.wants, positions))
        run = activations(self._graph, (*self._values, *also), self._make_runner)
        for position in first:
            yield _Look(run, position, self._samples[position], self._open_ends(), also)
        others = sorted(set(positions).difference(first))
        if len(others) >= _FIRST_LOOKS and self._much_is_settled():
            run = activations(self._graph, self._open_ends(), self._make_runner)
        for position in others:
            yield _Look(run, position, self._samples[position], self._open_ends())

    def _open_ends(self) -> dict[Value, tuple[bool, bool]]:
        """The values that may still come lower or higher than seen, and which of the two."""
        ends = {value: seen.open_ends for value, seen in self._extremes.items()}
        return {value: open_ends for value, open_ends in ends.items() if any(open_ends)}

    def _much_is_settled(self) -> bool:
        still_open = sum(value.type.size for value in self._open_ends())
        return 2 * still_open <= sum(value.type.size for value in self._values)

    def _histogram(self, value: Value) -> Histogram:
        if self._histograms is None:
            self._histograms = self._count()
        return self._histograms[value]

    def _count(self) -> dict[Value, Histogram]:
        bounds = {value: (seen.low, seen.high) for value, seen in self._extremes.items()}
        run = activations(self._graph, self._values, self._make_runner)

        def count(numbered: tuple[int, tuple[Array, ...]]) -> dict[Value, NDArray[np.float64]]:
            position, sample = numbered
            return {
                value: count_bins(_thinned(array, position), *bounds[value])
                for value, array in run(position, sample).items()
            }

        counts = {value: np.zeros(HISTOGRAM_BINS) for value in self._values}
        for found in two_at_once(count, enumerate(self._samples)):
            for value in self._values:
                counts[value] += found[value]
        return {value: Histogram(*bounds[value], counts[value]) for value in self._values}


@dataclass
class _Extremes:
    """Running extremes of one value, which its producer keeps within `bounds`."""

    bounds: Bounds
    low: float = inf
    high: float = -inf

    def add(self, low: float, high: float) -> None:
        """Take the extremes of one more array into account."""
        self.low, self.high = min(self.low, low), max(self.high, high)

    @property
    def open_ends(self) -> tuple[bool, bool]:
        """Whether a lower and whether a higher value than those seen can come."""
        return self.low > self.bounds[0], self.high < self.bounds[1]


@dataclass(frozen=True)
class _Look:
    """A run on one sample.

    open_ends: the values whose extremes to find, and which of the two; also: what to return whole.
    """

    run: Activations
    position: int
    sample: tuple[Array, ...]
    open_ends: Mapping[Value, tuple[bool, bool]]
    also: tuple[Value, ...] = ()

    def take(self) -> tuple[dict[Value, tuple[float, float]], dict[Value, Array]]:
        """The extremes, and the values to return whole."""
        arrays = self.run(self.position, self.sample)
        seen = {
            value: _extremes(arrays[value], value, ends) for value, ends in self.open_ends.items()
        }
        return seen, {value: arrays[value] for value in self.also}


def _extremes(array: Array, value: Value, ends: tuple[bool, bool]) -> tuple[float, float]:
    """The least and the greatest element of `value` as far as they are wanted, if there is any."""
    if array.size == 0:
        return inf, -inf
    low = float(array.min()) if ends[0] else 0.0
    high = float(array.max()) if ends[1] else 0.0
    if not (isfinite(low) and isfinite(high)):
        raise _not_finite(value)
    return (low if ends[0] else inf), (high if ends[1] else -inf)


def _thinned(array: Array, round_: int) -> Array:
    """An even selection of at most about 65,536 elements, another one every round."""
    flat = array.ravel()
    stride = -(-flat.size // _HISTOGRAM_ELEMENTS)
    while stride > 1 and gcd(stride, flat.size) != 1:
        stride += 1
    return flat[round_ % stride :: stride]


def _not_finite(value: Value) -> QuantError:
    where = "an input" if value.producer is None else value.producer.op.mnemonic
    return QuantError(
        "not-finite",
        f"the float model gives NaN or infinity at %{value.name} ({where}) on a calibration sample",
        location=value.location,
        help="check the samples' preprocessing and the model's weights; a float run must be finite",
    )
