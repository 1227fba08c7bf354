"""Compares kernels of one library and leaves: `python -m fpc.measure.kernel_program FOLDER`.

`fpc.measure.kernels` says what the folder holds. A kernel that is wrong may end the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fpc.ir.constant import Array
from fpc.measure.exchange import mark, read_arrays
from fpc.measure.kernel_rounds import best_of_rounds
from fpc.measure.kernels import ARRAYS, LIBRARY, RESULT, TASK
from fpc.measure.tvm import tvm_runtime


def main() -> None:
    """Do the task in the folder."""
    modules: dict[str, Any] = sys.modules
    modules["torch"] = None  # TVM would import it where it finds it, which takes a second
    os.environ["TVM_USE_RUNTIME_LIB"] = "1"  # nor does running need TVM's compiler
    folder = Path(sys.argv[-1])
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    *arguments, expected = read_arrays(folder / ARRAYS)
    runtime = tvm_runtime()
    # The file is the graph that calls the kernels; the kernels are its import.
    [library] = runtime.load_module(str(folder / LIBRARY)).imports
    given = [*map(runtime.tensor, arguments), runtime.tensor(np.zeros_like(expected))]
    own = slice(*task["columns"])
    different: dict[str, int] = {}
    runs: dict[str, Callable[[int], float]] = {}
    for name in task["functions"]:
        library[name](*given)
        different[name] = wrong_elements(given[-1].numpy(), expected, own)
        if different[name] == 0:
            runs[name] = _timed(library, name, runtime.cpu(), given)
    costs: dict[str, float] = {}
    if task["is_timed"]:
        seconds = best_of_rounds(runs, task["functions"][0])
        costs = {name: second * 1e6 for name, second in seconds.items()}
    else:
        _run_marked(runs.values())
    (folder / RESULT).write_text(json.dumps({"different": different, "costs": costs}))


def wrong_elements(found: Array, expected: Array, own: slice) -> int:
    """How many elements of the columns `own` differ."""
    return int(np.count_nonzero(found[:, own] != expected[:, own]))


def _run_marked(runs: Iterable[Callable[[int], float]]) -> None:
    for run in runs:
        for calls in (1, 2):
            mark()
            run(calls)
    mark()


def _timed(library: Any, name: str, device: Any, given: list[Any]) -> Callable[[int], float]:
    def run(number: int) -> float:
        """Seconds of a call, the mean of so many in a row."""
        return float(library.time_evaluator(name, device, number=number)(*given).mean)

    return run


if __name__ == "__main__":
    main()
