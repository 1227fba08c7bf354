"""Measures one network compiled by TVM and leaves: `python -m fpc.measure.tvm.program FOLDER`."""

from __future__ import annotations

import sys
from contextlib import suppress

from fpc.diagnostics.errors import MeasureError
from fpc.measure.process.exchange import WAITING, Plan
from fpc.measure.process.timed_program import measure_and_leave
from fpc.measure.tvm.model import TvmModel, import_runtime_only, tvm_runtime


def main() -> None:
    """Do the task in the folder."""
    import_runtime_only()
    if sys.argv[-1] == WAITING:
        with suppress(MeasureError):  # `_load` says it
            tvm_runtime()
    measure_and_leave(_load)


def _load(content: bytes, plan: Plan) -> TvmModel:
    return TvmModel(content, threads=plan.config.threads)


if __name__ == "__main__":
    main()
