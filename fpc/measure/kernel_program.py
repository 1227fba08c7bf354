"""Compares kernels of one library and leaves: `python -m fpc.measure.kernel_program FOLDER`.

`fpc.measure.kernels` says what the folder holds. A kernel that is wrong may end the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
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
    os.environ["TVM_NUM_THREADS"] = "1"
    folder = Path(sys.argv[-1])
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    *arguments, expected = read_arrays(folder / ARRAYS)
    runtime = tvm_runtime()
    # The file is the graph that calls the kernels; the kernels are its import.
    [library] = runtime.load_module(str(folder / LIBRARY)).imports
    given = [*map(runtime.tensor, arguments), runtime.tensor(np.zeros_like(expected))]
    own = slice(*task["columns"])
    different: dict[str, int] = {}
    for name in task["functions"]:
        library[name](*given)
        different[name] = wrong_elements(given[-1].numpy(), expected, own)
    right = [name for name, wrong in different.items() if wrong == 0]
    costs: dict[str, float] = {}
    if task["is_timed"]:
        runs = {name: _timed(library, name, runtime.cpu(), given) for name in right}
        seconds = best_of_rounds(runs, task["functions"][0])
        costs = {name: second * 1e6 for name, second in seconds.items()}
    else:
        for name in right:
            mark()
            library[name](*given)
        mark()
    answer = {"costs": costs, "different": different, "code": _mapped_code(folder / LIBRARY)}
    (folder / RESULT).write_text(json.dumps(answer))


def wrong_elements(found: Array, expected: Array, own: slice) -> int:
    """How many elements of the columns `own` differ."""
    return int(np.count_nonzero(found[:, own] != expected[:, own]))


def _timed(library: Any, name: str, device: Any, given: list[Any]) -> Callable[[int], float]:
    def run(number: int) -> float:
        """Seconds of a call, the mean of so many in a row."""
        return float(library.time_evaluator(name, device, number=number)(*given).mean)

    return run


def _mapped_code(library: Path) -> tuple[int, int]:
    """Where the code of a library begins and ends in this process."""
    lines = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    [place] = [words[0] for words in lines if words[-1] == str(library) and "x" in words[1]]
    begin, _, end = place.partition("-")
    return int(begin, 16), int(end, 16)


if __name__ == "__main__":
    main()
