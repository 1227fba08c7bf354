"""Running a property over many generated examples, in parts that test workers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from fpc.ir.graph import Graph
from fpc.ir.printer import print_graph

T = TypeVar("T")


def for_all(
    strategy: SearchStrategy[T], check: Callable[[T], None], *, part: int, examples: int
) -> None:
    """Call `check` with `examples` values of `strategy`, the same ones whenever a `part` runs.

    Hypothesis mixes constants of the project's own source into what it draws, so that the examples
    are others after an edit anywhere in it.

    A failing example is shown as found: shrinking graphs takes minutes. Add `Phase.shrink` to
    look for a smaller one.
    """

    @seed(part)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(example: T) -> None:
        try:
            check(example)
        except Exception as error:
            if isinstance(example, Graph):
                error.add_note(print_graph(example))
            raise

    run()
