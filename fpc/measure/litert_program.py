"""Measures one model in LiteRT and leaves: `python -m fpc.measure.litert_program FOLDER`."""

from __future__ import annotations

from fpc.measure.exchange import Plan
from fpc.measure.litert import LiteRtModel
from fpc.measure.timed_program import measure_and_leave


def main() -> None:
    """Do the task in the folder."""
    measure_and_leave(_load)


def _load(content: bytes, plan: Plan) -> LiteRtModel:
    return LiteRtModel(content, threads=plan.config.threads, kernels=plan.kernels)


if __name__ == "__main__":
    main()
