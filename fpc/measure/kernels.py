"""Comparing kernels of a library, in a process that may die of them.

The process finds a folder: `library.so`, `arrays.npz` (arguments, then the result that all must
give) and `task.json`; it writes `result.json`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from fpc.ir.constant import Array
from fpc.measure.child import died, timed_out
from fpc.measure.exchange import write_arrays

LIBRARY, ARRAYS, TASK, RESULT = "library.so", "arrays.npz", "task.json", "result.json"
MODULE = "fpc.measure.kernel_program"
_TIMEOUT_S = 300.0

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

        `MeasureError`, of which `measure.runner-died`, `measure.timeout` and `measure.board-lost`
        may be the kernels' fault.
        """
        ...


def run_kernel_program(
    command: Sequence[str],
    task: KernelTask,
    *,
    is_timed: bool = True,
    environment: Mapping[str, str] | None = None,
) -> tuple[KernelCosts, range]:
    """What `command` says, which gets the task's folder as its last word, and where the code lay.

    Kernels that are not timed have no costs: they are called for an emulator that counts, with a
    mark before one call of every right one and a mark at the end. `MeasureError`
    (`measure.runner-died`, `measure.timeout`).
    """
    with tempfile.TemporaryDirectory(prefix="fpc-kernels-") as place:
        folder = Path(place)
        (folder / LIBRARY).write_bytes(task.library)
        write_arrays(folder / ARRAYS, (*task.arguments, task.expected))
        document = {
            "functions": list(task.names),
            "columns": [task.own.start, task.own.stop],
            "is_timed": is_timed,
        }
        (folder / TASK).write_text(json.dumps(document), encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, place],
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise timed_out(_TIMEOUT_S) from None
        if done.returncode != 0 or not (folder / RESULT).is_file():
            raise died(done.returncode, done.stderr)
        found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return KernelCosts(found["costs"], found["different"]), range(*found["code"])
