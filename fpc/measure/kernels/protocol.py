"""What is asked of those that compare kernels, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from fpc.ir.constant import Array

KernelEvidence: TypeAlias = Literal["measured", "simulated"]

CostUnit: TypeAlias = Literal["us", "cycles", "emulated_us"]
"""What one call costs: time by a clock, simulated cycles, or what an emulator takes for time."""


@dataclass(frozen=True)
class KernelTask:
    """Functions of a shared library that are to be compared, of which the first is the reference.

    They take `arguments` and a result, whose columns `own` must be as those of `expected`.
    """

    library: bytes
    names: Sequence[str]
    arguments: Sequence[Array]
    expected: Array
    own: slice


@dataclass(frozen=True)
class KernelCosts:
    """What a call of every kernel costs that computes the right result, by its name.

    `different` counts the elements that each got wrong.
    """

    costs: Mapping[str, float]
    different: Mapping[str, int]

    @property
    def right(self) -> list[str]:
        """The kernels that compute what they must."""
        return [name for name, wrong in self.different.items() if wrong == 0]


@dataclass(frozen=True)
class KernelCondition:
    """What costs hold for: costs of different conditions are never compared.

    `versions` are those of programs that decide about them.
    """

    machine: str
    evidence: KernelEvidence
    unit: CostUnit
    versions: Mapping[str, str] = field(default_factory=dict[str, str])


class KernelRunner(Protocol):
    """Something that compares kernels and tells no cost of one that computes something wrong."""

    def condition(self) -> KernelCondition:
        """What its costs hold for; `FpcError` where something is missing that it needs."""
        ...

    def run(self, task: KernelTask) -> KernelCosts:
        """The costs.

        `MeasureError`, of which `measure.runner-died` and `measure.timeout` may be the kernels'
        fault.
        """
        ...
