"""Running kernels of a library that TVM has loaded, here or on a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fpc.measure.kernels.exchange import KernelOrder
from fpc.measure.kernels.protocol import KernelCosts
from fpc.measure.kernels.rounds import best_of_rounds
from fpc.measure.process.exchange import mark


def compare(order: KernelOrder, library: Any, device: Any, given: Sequence[Any]) -> KernelCosts:
    """What kernels compute and cost, in microseconds where they are timed.

    They are called on `given`, TVM's tensors on `device`, the result last.
    """
    different: dict[str, int] = {}
    for name in order.names:
        library[name](*given)
        different[name] = order.wrong_elements(given[-1].numpy())
    found = KernelCosts({}, different)
    if not order.is_timed:
        for name in found.right:
            mark()
            library[name](*given)
        mark()
        return found
    runs = {name: _timed(library, name, device, given) for name in found.right}
    seconds = best_of_rounds(runs, order.names[0]) if runs else {}
    return KernelCosts({name: second * 1e6 for name, second in seconds.items()}, different)


def _timed(library: Any, name: str, device: Any, given: Sequence[Any]) -> Callable[[int], float]:
    def run(number: int) -> float:
        """Seconds of a call, the mean of so many in a row."""
        return float(library.time_evaluator(name, device, number=number)(*given).mean)

    return run
