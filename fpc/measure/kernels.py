"""Timing kernels of a library beside one another, in a process that may die of them.

The process finds a folder: `library.so`, `arrays.npz` (arguments, then the result that all must
give) and `task.json`; it writes `result.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpc.ir.constant import Array
from fpc.measure.child import died, timed_out
from fpc.measure.exchange import write_arrays

LIBRARY, ARRAYS, TASK, RESULT = "library.so", "arrays.npz", "task.json", "result.json"
PROGRAM = (sys.executable, "-m", "fpc.measure.kernel_program")
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class KernelTimes:
    """Seconds a call of every kernel that computes the right result, by its name.

    `different` counts the elements that the others got wrong.
    """

    seconds: Mapping[str, float]
    different: Mapping[str, int]


def time_kernels(
    library: bytes,
    names: Sequence[str],
    arguments: Sequence[Array],
    expected: Array,
    own: slice,
    *,
    program: tuple[str, ...] = PROGRAM,
) -> KernelTimes:
    """The times of the functions called `names`, of which the first is compared with all others.

    They take `arguments` and a result, whose columns `own` must be as those of `expected`; one that
    gives another is never timed. `MeasureError` (`measure.runner-died`, `measure.timeout`).
    """
    with tempfile.TemporaryDirectory(prefix="fpc-kernels-") as place:
        folder = Path(place)
        (folder / LIBRARY).write_bytes(library)
        write_arrays(folder / ARRAYS, (*arguments, expected))
        task = {"functions": list(names), "reference": names[0], "columns": [own.start, own.stop]}
        (folder / TASK).write_text(json.dumps(task), encoding="utf-8")
        try:
            done = subprocess.run(
                [*program, place], capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise timed_out(_TIMEOUT_S) from None
        if done.returncode != 0 or not (folder / RESULT).is_file():
            raise died(done.returncode, done.stderr)
        found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return KernelTimes(found["seconds"], found["different"])
