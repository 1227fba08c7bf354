"""Measures one network compiled by TVM on a board, and leaves.

`python -m fpc.measure.tvm_rpc_program HOST PORT MATCH_KEY KEY FOLDER`: the board as its tracker
gave it away, what it calls itself, and the task. TVM's client cannot be interrupted while it waits.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from fpc.measure.exchange import Plan
from fpc.measure.timed_program import measure_and_leave
from fpc.measure.tvm_rpc import RemoteTvmModel
from fpc.measure.tvm_tracker import RegisteredBoard


def main() -> None:
    """Do the task in the folder."""
    modules: dict[str, Any] = sys.modules
    modules["torch"] = None  # TVM would import it where it finds it, which takes a second
    os.environ["TVM_USE_RUNTIME_LIB"] = "1"  # nor does a client need TVM's compiler
    host, port, match_key, key = sys.argv[1:5]
    board = RegisteredBoard(host, int(port), match_key)

    def load(content: bytes, plan: Plan) -> RemoteTvmModel:
        return RemoteTvmModel(board, key, content, plan.config.timeout_s)

    measure_and_leave(load, RemoteTvmModel.machine)


if __name__ == "__main__":
    main()
