"""Compares kernels of one library and leaves: `python -m fpc.measure.kernels.program FOLDER`.

`fpc.measure.kernels.exchange` says what the folder holds. A kernel that is wrong may end the
process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from fpc.measure.device import Machine, device_name
from fpc.measure.kernels.comparison import compare
from fpc.measure.kernels.exchange import KernelAnswer, read_order, write_kernel_answer
from fpc.measure.tvm.model import import_runtime_only, tvm_runtime


def main() -> None:
    """Do the task in the folder."""
    import_runtime_only()
    os.environ["TVM_NUM_THREADS"] = "1"
    folder = Path(sys.argv[-1])
    order = read_order(folder)
    runtime = tvm_runtime()
    library = runtime.load_module(str(order.library))
    given = [*map(runtime.tensor, (*order.arguments, np.zeros_like(order.expected)))]
    found = compare(order, library, runtime.cpu(), given)
    answer = KernelAnswer(found, Machine(device_name()), _mapped_code(order.library))
    write_kernel_answer(folder, answer)


def _mapped_code(library: Path) -> range:
    """Where the code of a library lies in this process."""
    lines = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    [place] = [words[0] for words in lines if words[-1] == str(library) and "x" in words[1]]
    begin, _, end = place.partition("-")
    return range(int(begin, 16), int(end, 16))


if __name__ == "__main__":
    main()
