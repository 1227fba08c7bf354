"""The collapse guard: the float and the integer network side by side on held-out samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpc.diagnostics.errors import QuantError
from fpc.interp.runner import Runner, Samples
from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.quant.calibration.output_ranges import gives_scores
from fpc.quant.quality.verdict import Deviation, Quality, decibels, judge
from fpc.quant.refinement.layerwise import to_graph_type, to_reals
from fpc.quant.runners import Runners


def compare(graph: Graph, integer: Graph, samples: Samples, runners: Runners) -> Quality:
    """The quality of `integer`, the integer form of `graph`, on float `samples`.

    `QuantError` without samples.
    """
    return Guard(graph, samples, runners).quality(integer)


class Guard:
    """The float network's answers on held-out samples, kept to judge integer networks by."""

    def __init__(self, graph: Graph, samples: Samples, runners: Runners) -> None:
        if len(samples) == 0:
            raise QuantError(
                "no-holdout",
                "there is no sample left to compare the float and the integer network on",
                help="give at least two calibration samples, or evaluation samples of their own",
            )
        self._graph = graph
        self._samples = samples
        self._runners = runners
        self._answers = list(two_at_once(runners.floating(graph), samples))

    @property
    def samples(self) -> int:
        """How many samples are compared."""
        return len(self._answers)

    def quality(self, integer: Graph) -> Quality:
        """The quality of an integer form of the graph."""
        runner = self._runners.integer(integer)
        deviations = [Deviation() for _ in integer.outputs]
        classifiers = [
            index for index, value in enumerate(self._graph.outputs) if gives_scores(value.type)
        ]
        agreeing = 0
        integer_answers = two_at_once(
            lambda sample: tuple(run_on_reals(runner, integer, sample)), self._samples
        )
        for given, answers in zip(integer_answers, self._answers, strict=True):
            for deviation, wanted, got in zip(deviations, answers, given, strict=True):
                deviation.add(wanted, got)
            agreeing += all(np.argmax(answers[i]) == np.argmax(given[i]) for i in classifiers)
        noise = float(np.mean([deviation.noise_share for deviation in deviations]))
        cosine = min(deviation.cosine for deviation in deviations)
        agreement = 100.0 * agreeing / self.samples if classifiers else None
        return judge(self.samples, decibels(noise), cosine, agreement)


def run_on_reals(runner: Runner, graph: Graph, sample: Sequence[Array]) -> Iterator[Array]:
    """The outputs of an integer graph for real inputs, as reals, one after the other."""
    inputs = [to_graph_type(a, v) for a, v in zip(sample, graph.inputs, strict=True)]
    outputs = runner(inputs)
    return (to_reals(a, v) for a, v in zip(outputs, graph.outputs, strict=True))
