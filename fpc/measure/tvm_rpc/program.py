"""Measures one network compiled by TVM on a board, and leaves.

`python -m fpc.measure.tvm_rpc.program HOST PORT MATCH_KEY KEY FOLDER`: the board as its tracker
gave it away, what it calls itself, and the task. TVM's client cannot be interrupted while it waits.
"""

from __future__ import annotations

import sys

from fpc.measure.process.exchange import Plan
from fpc.measure.process.timed_program import measure_and_leave
from fpc.measure.tvm.model import import_runtime_only
from fpc.measure.tvm_rpc.model import BoardSession, RemoteTvmModel
from fpc.measure.tvm_rpc.tracker import RegisteredBoard


def main() -> None:
    """Do the task in the folder."""
    import_runtime_only()
    board, key = RegisteredBoard.of_words(sys.argv[1:4]), sys.argv[4]

    def load(content: bytes, plan: Plan) -> RemoteTvmModel:
        return RemoteTvmModel(BoardSession(board, key, plan.config.timeout_s), content)

    measure_and_leave(load, RemoteTvmModel.machine)


if __name__ == "__main__":
    main()
