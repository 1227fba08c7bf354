"""Compares kernels on a board, and leaves.

`python -m fpc.measure.kernels.board_program HOST PORT MATCH_KEY KEY TIMEOUT_S FOLDER`: the board
as its tracker gave it away, what it calls itself, when it is to end the session, and the task.
TVM's client cannot be interrupted while it waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fpc.diagnostics.errors import MeasureError
from fpc.measure.kernels.comparison import compare
from fpc.measure.kernels.exchange import KernelAnswer, read_order, write_kernel_answer
from fpc.measure.kernels.protocol import KernelCosts
from fpc.measure.process.exchange import write_error
from fpc.measure.tvm.model import import_runtime_only
from fpc.measure.tvm_rpc.model import BoardSession
from fpc.measure.tvm_rpc.tracker import RegisteredBoard


def main() -> None:
    """Do the task in the folder; without kernels it is to say what the board is."""
    import_runtime_only()
    board, key, timeout_s = RegisteredBoard.of_words(sys.argv[1:4]), sys.argv[4], sys.argv[5]
    folder = Path(sys.argv[-1])
    order = read_order(folder)
    try:
        session = BoardSession(board, key, float(timeout_s))
        found = KernelCosts({}, {})
        if order.names:
            with session.remotely():
                library = session.load(order.library)
                given = session.tensors((*order.arguments, np.zeros_like(order.expected)))
                found = compare(order, library, session.device, given)
        write_kernel_answer(folder, KernelAnswer(found, session.machine()))
    except MeasureError as error:
        write_error(folder, error)


if __name__ == "__main__":
    main()
