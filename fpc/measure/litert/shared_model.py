"""LiteRT models for several threads at once."""

from __future__ import annotations

from collections.abc import Sequence

from fpc.interp.runner import Runner
from fpc.ir.constant import Array
from fpc.measure.litert.model import LiteRtModel


def shared_model(content: bytes, *, threads: int = 1) -> Runner:
    """As a `LiteRtModel`, for several callers at once: each has an interpreter while it runs."""
    idle = [LiteRtModel(content, threads=threads)]

    def run(inputs: Sequence[Array]) -> tuple[Array, ...]:
        try:
            model = idle.pop()
        except IndexError:
            model = LiteRtModel(content, threads=threads)
        outputs = model(inputs)
        idle.append(model)
        return outputs

    return run
