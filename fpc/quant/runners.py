"""How quantisation runs graphs, before and after."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.interp.runner import RunnerFactory


@dataclass(frozen=True)
class Runners:
    """Makers of runners.

    floating: for float graphs. integer: for graphs with quantised values; its runners take and give
    arrays of exactly the graph's types, integers where those are quantised. Two threads at once may
    call the runners of either.
    """

    floating: RunnerFactory
    integer: RunnerFactory
