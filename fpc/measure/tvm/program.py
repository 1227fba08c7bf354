"""Measures one network compiled by TVM and leaves: `python -m fpc.measure.tvm.program FOLDER`."""

from __future__ import annotations

from fpc.measure.process.exchange import Plan
from fpc.measure.process.timed_program import measure_and_leave
from fpc.measure.tvm.model import TvmModel, import_runtime_only


def main() -> None:
    """Do the task in the folder."""
    import_runtime_only()
    measure_and_leave(_load)


def _load(content: bytes, plan: Plan) -> TvmModel:
    return TvmModel(content, threads=plan.config.threads)


if __name__ == "__main__":
    main()
