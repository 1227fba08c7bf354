"""Running passes in order, watched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fpc.diagnostics.errors import FpcError, PassError
from fpc.ir.graph import Graph
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.spec import print_pass, print_pipeline

Watcher = Callable[[Pass, Graph], None]
"""Called with each pass that has just run and the graph it left: to verify, dump or compare."""


@dataclass(frozen=True)
class PassRecord:
    """What one pass of a pipeline did."""

    text: str
    modified: bool
    edits: int
    node_count: int
    duration_ms: float
    declined: tuple[Declined, ...]


@dataclass(frozen=True)
class Pipeline:
    """Passes applied one after the other."""

    passes: tuple[Pass, ...]

    def __str__(self) -> str:
        return print_pipeline(self.passes)

    def run(self, graph: Graph, watch: Watcher | None = None) -> tuple[PassRecord, ...]:
        """Apply every pass to `graph` in place and say what each did.

        An `FpcError` of a pass gains a note naming the pass and those before it; any other
        exception becomes a `PassError`.
        """
        records: list[PassRecord] = []
        for step in self.passes:
            started = time.perf_counter()
            try:
                result = step.run(graph)
                if watch is not None:
                    watch(step, graph)
            except FpcError as error:
                error.notes = (*error.notes, self._position(step, records))
                raise
            except RecursionError as error:
                raise PassError(
                    "recursion", f"{step.name} recursed too deeply on this graph"
                ) from error
            records.append(
                PassRecord(
                    print_pass(step),
                    result.modified,
                    result.edits,
                    len(graph),
                    (time.perf_counter() - started) * 1e3,
                    result.declined,
                )
            )
        return tuple(records)

    def _position(self, step: Pass, done: list[PassRecord]) -> str:
        before = ", ".join(record.text for record in done if record.modified)
        return f"in pass {print_pass(step)}" + (f", after {before}" if before else "")
