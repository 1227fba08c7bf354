"""Measures one network compiled by TVM and leaves: `python -m fpc.measure.tvm_program FOLDER`."""

from __future__ import annotations

from fpc.measure.exchange import Plan
from fpc.measure.timed_program import measure_and_leave
from fpc.measure.tvm import TvmModel, import_runtime_only


def main() -> None:
    """Do the task in the folder."""
    import_runtime_only()
    measure_and_leave(_load)


def _load(content: bytes, plan: Plan) -> TvmModel:
    return TvmModel(content, threads=plan.config.threads)


if __name__ == "__main__":
    main()
