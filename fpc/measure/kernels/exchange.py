"""The folder through which kernels and what is found of them are passed to a process and back.

It may die of them. It finds `library.so`, `arrays.npz` (arguments, then the result that all must
give) and `task.json`; it writes `result.json`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fpc.ir.constant import Array
from fpc.measure.device import Machine
from fpc.measure.kernels.protocol import KernelCosts, KernelTask
from fpc.measure.process.child import died, run_to_its_end
from fpc.measure.process.exchange import RESULT, raise_error, read_arrays, write_arrays

LIBRARY, ARRAYS, TASK = "library.so", "arrays.npz", "task.json"
TIMEOUT_S = 300.0
"""When a process that compares kernels is given up, if nothing else is said."""


@dataclass(frozen=True)
class KernelOrder:
    """A task as the process finds it: the library is a file.

    Kernels that are not timed are called for an emulator that counts: with a mark before one call
    of every right one, and a mark at the end.
    """

    library: Path
    names: list[str]
    arguments: Sequence[Array]
    expected: Array
    own: slice
    is_timed: bool

    def wrong_elements(self, found: Array) -> int:
        """How many elements of a result differ that are not padding."""
        return int((found[:, self.own] != self.expected[:, self.own]).sum())


@dataclass(frozen=True)
class KernelAnswer:
    """What the process found: on which machine, and where the library's code lay."""

    found: KernelCosts
    machine: Machine
    code: range = range(0)


def run_kernel_program(
    command: Sequence[str],
    task: KernelTask,
    *,
    is_timed: bool = True,
    timeout_s: float = TIMEOUT_S,
    environment: Mapping[str, str] | None = None,
) -> KernelAnswer:
    """What `command` answers, which gets the task's folder as its last word.

    `MeasureError` (`measure.runner-died`, `measure.timeout`, or what the program itself reports).
    """
    with tempfile.TemporaryDirectory(prefix="fpc-kernels-") as place:
        folder = Path(place)
        _write_task(folder, task, is_timed=is_timed)
        written = run_to_its_end((*command, place), timeout_s, environment)
        if not (folder / RESULT).is_file():
            raise died(0, written)
        return _read_answer(folder)


def _write_task(folder: Path, task: KernelTask, *, is_timed: bool) -> None:
    (folder / LIBRARY).write_bytes(task.library)
    write_arrays(folder / ARRAYS, (*task.arguments, task.expected))
    columns = [task.own.start, task.own.stop]
    document = {"functions": list(task.names), "columns": columns, "is_timed": is_timed}
    (folder / TASK).write_text(json.dumps(document), encoding="utf-8")


def read_order(folder: Path) -> KernelOrder:
    """What the folder asks for."""
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    *arguments, expected = read_arrays(folder / ARRAYS)
    own = slice(*task["columns"])
    return KernelOrder(
        folder / LIBRARY, task["functions"], arguments, expected, own, task["is_timed"]
    )


def write_kernel_answer(folder: Path, answer: KernelAnswer) -> None:
    """Put the answer into the folder."""
    document = {
        **asdict(answer.found),
        "machine": asdict(answer.machine),
        "code": [answer.code.start, answer.code.stop],
    }
    (folder / RESULT).write_text(json.dumps(document), encoding="utf-8")


def _read_answer(folder: Path) -> KernelAnswer:
    document = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    raise_error(document)
    return KernelAnswer(
        KernelCosts(document["costs"], document["different"]),
        Machine(**document["machine"]),
        range(*document["code"]),
    )
