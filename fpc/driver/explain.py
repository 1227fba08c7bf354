"""Looking inside a compilation: the graph after any pass, and which pass is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fpc.diagnostics.errors import UsageError, VerifyError
from fpc.diagnostics.render import render, suggest
from fpc.driver.phases.watch import deviation, random_inputs
from fpc.interp import executor
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.verifier import verify
from fpc.passes.presets import pipeline_of
from fpc.rewrite.pipeline import PassRecord, Pipeline
from fpc.rewrite.spec import print_pass
from fpc.targets.description import Target


@dataclass(frozen=True)
class Verdict:
    """What one pass did to the network's function, measured on one random input."""

    text: str
    modified: bool
    relative_error: float
    """Largest change of an output since the pass before, in parts of its range."""
    problem: str | None

    @property
    def is_guilty(self) -> bool:
        """Whether the pass broke the graph or changed its function."""
        return self.problem is not None


def pipeline_for(target: Target, text: str | None) -> Pipeline:
    """The passes to explain: the user's, or the target's own."""
    if text is not None:
        return pipeline_of(text)
    stages = (target.pipelines.optimise, target.pipelines.legalise)
    return Pipeline(tuple(step for stage in stages for step in pipeline_of(stage).passes))


def graph_after(graph: Graph, pipeline: Pipeline, name: str | None) -> Graph:
    """A copy of `graph` after the last pass called `name` (None: after all).

    `name` may carry a number, `dce#2`, for the second of several. `UsageError` for an unknown one.
    """
    result = graph.clone()
    if name is None:
        pipeline.run(result)
        return result
    wanted, counted, number = name.partition("#")
    places = [i for i, step in enumerate(pipeline.passes) if step.name == wanted]
    if not places:
        raise UsageError(
            "unknown-pass",
            f"the pipeline has no pass `{wanted}`",
            help=suggest(wanted, {step.name for step in pipeline.passes}, what="passes"),
        )
    occurrence = number if counted else str(len(places))
    if occurrence not in map(str, range(1, len(places) + 1)):
        raise UsageError(
            "unknown-pass",
            f"there is no `{name}`: the pipeline runs {wanted} {len(places)} times",
            help=f"write `{wanted}#1` to `{wanted}#{len(places)}`, or `{wanted}` for the last",
        )
    Pipeline(pipeline.passes[: places[int(occurrence) - 1] + 1]).run(result)
    return result


def records_of(graph: Graph, pipeline: Pipeline) -> tuple[PassRecord, ...]:
    """What every pass does to `graph`, and what it declines."""
    return pipeline.run(graph.clone())


def blame(
    graph: Graph, pipeline: Pipeline, inputs: Sequence[Array] | None = None
) -> tuple[Verdict, ...]:
    """Run pass after pass, comparing outputs after each with those before it.

    The walk ends at the first pass that breaks the graph, since nothing after it can be judged.
    """
    work = graph.clone()
    feeds = random_inputs(work) if inputs is None else inputs
    before = executor.run(work, feeds)
    verdicts: list[Verdict] = []
    for step in pipeline.passes:
        text = print_pass(step)
        modified = step.run(work).modified
        try:
            verify(work)
        except VerifyError as error:
            verdicts.append(Verdict(text, modified, float("nan"), render(error)))
            break
        after = executor.run(work, feeds) if modified else before
        found = deviation(work, before, after)
        problem = None
        if found is not None and not step.changes_function:
            problem = f"output `{found.output}` changed by {found.relative_error:.2g} of its range"
        error = 0.0 if found is None else found.relative_error
        verdicts.append(Verdict(text, modified, error, problem))
        before = after
    return tuple(verdicts)
