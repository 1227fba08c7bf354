"""Kernels of a network with data of it: what tiles are compared on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fpc.backends.tvm.assembler import Plan, Stored
from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.program import Program, Slot
from fpc.backends.tvm.tuning.tile_space import tile_space, untiled
from fpc.ir.constant import Array
from fpc.ir.graph import Value

_PRODUCTS_AN_ELEMENT = 16
"""How many products take as long as moving one element, roughly."""


@dataclass(frozen=True)
class Case:
    """A kernel as a network calls it: `operands` and `expected` as stored, and its parameters.

    `calls` says how often the network calls it.
    """

    kernel: AnyKernel
    operands: tuple[Array, ...]
    parameters: tuple[Array, ...]
    expected: Array
    calls: int

    @property
    def work(self) -> int:
        """Products of all calls, and a price for elements: a guess at how long they take.

        Every parameter of a channel is multiplied once for every element of the result.
        """
        channels = self.expected.shape[1]
        products = self.expected.size * self.parameters[0].size // channels
        elements = self.expected.size + sum(operand.size for operand in self.operands)
        return self.calls * (products + _PRODUCTS_AN_ELEMENT * elements)

    def program(self, candidates: Sequence[AnyKernel], isa: Isa) -> Program:
        """All of `candidates`, which take the case's arguments, and no calls of them."""
        return Program(
            isa=isa.name,
            inputs=self.kernel.operands,
            parameters=tuple(map(Parameter.of, self.parameters)),
            kernels=tuple(candidates),
            calls=(),
            outputs=(),
        )


def tilable(plan: Plan, isa: Isa) -> dict[AnyKernel, int]:
    """For every distinct kernel with a choice of tiles, one call of it in the plan's program.

    Kernels on intermediate tensors that are no values of the graph are left out.
    """
    found: dict[AnyKernel, int] = {}
    for index, call in enumerate(plan.program.calls):
        places = _places(plan, index)
        if all(place.slot.place == "parameter" or place in plan.held for place in places):
            found.setdefault(untiled(plan.program.kernels[call.kernel]), index)
    return {key: index for key, index in found.items() if len(list(tile_space(key, isa))) > 1}


def needed(plan: Plan, calls: Sequence[int]) -> set[Value]:
    """The values of the graph that `cases` needs for these calls."""
    places = {place for index in calls for place in _places(plan, index)}
    return {plan.held[place] for place in places if place in plan.held}


def cases(plan: Plan, calls: Sequence[int], values: Mapping[Value, Array]) -> Iterator[Case]:
    """The cases that `calls` make, given arrays for what is `needed`."""
    counts = Counter(untiled(plan.program.kernels[call.kernel]) for call in plan.program.calls)

    def matrix(place: Stored) -> Array:
        if place.slot.place == "parameter":
            return plan.parameters[place.slot.index]
        return place.buffer.stored(values[plan.held[place]])

    for index in calls:
        call = plan.program.calls[index]
        kernel = plan.program.kernels[call.kernel]
        *operands, result = _places(plan, index)
        yield Case(
            kernel=kernel,
            operands=tuple(map(matrix, operands)),
            parameters=tuple(plan.parameters[s.index] for s in call.arguments[len(operands) :]),
            expected=matrix(result),
            calls=counts[untiled(kernel)],
        )


def _places(plan: Plan, index: int) -> tuple[Stored, ...]:
    """Where the operands and the result of a call lie."""
    call = plan.program.calls[index]
    kernel = plan.program.kernels[call.kernel]
    operands = zip(call.arguments, kernel.operands, strict=False)
    return (*(Stored(*each) for each in operands), Stored(Slot("result", index), kernel.result))
