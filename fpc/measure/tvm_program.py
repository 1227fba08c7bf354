"""Measures one network compiled by TVM and leaves: `python -m fpc.measure.tvm_program FOLDER`."""

from __future__ import annotations

import os
import sys
from typing import Any

from fpc.measure.exchange import Plan
from fpc.measure.timed_program import measure_and_leave
from fpc.measure.tvm import TvmModel


def main() -> None:
    """Do the task in the folder."""
    modules: dict[str, Any] = sys.modules
    modules["torch"] = None  # TVM would import it where it finds it, which takes a second
    os.environ["TVM_USE_RUNTIME_LIB"] = "1"  # nor does running need TVM's compiler
    measure_and_leave(_load)


def _load(content: bytes, plan: Plan) -> TvmModel:
    return TvmModel(content, threads=plan.config.threads)


if __name__ == "__main__":
    main()
