"""Measures one model in LiteRT and leaves: `python -m fpc.measure.litert.program FOLDER`."""

from __future__ import annotations

from fpc.measure.litert.model import LiteRtModel
from fpc.measure.process.exchange import Plan
from fpc.measure.process.timed_program import measure_and_leave


def main() -> None:
    """Do the task in the folder."""
    measure_and_leave(_load)


def _load(content: bytes, plan: Plan) -> LiteRtModel:
    return LiteRtModel(content, threads=plan.config.threads, kernels=plan.kernels)


if __name__ == "__main__":
    main()
