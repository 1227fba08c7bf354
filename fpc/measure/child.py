"""Running the program that measures one model, and outliving it."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.exchange import Plan, Result, read_answer, write_task

_SHOWN_LINES = 10


def run_program(
    command: Sequence[str],
    content: bytes,
    inputs: Sequence[Array],
    plan: Plan,
    environment: Mapping[str, str] | None = None,
) -> tuple[tuple[Array, ...], Result]:
    """The outputs and the result of `command`, which gets the task's folder as its last word.

    `MeasureError`: `measure.runner-died`, `measure.timeout`, `measure.runner-answer`, or what the
    program itself reports.
    """
    with tempfile.TemporaryDirectory(prefix="fpc-measure-") as name:
        folder = Path(name)
        write_task(folder, content, inputs, plan)
        try:
            done = subprocess.run(
                [*command, name],
                capture_output=True,
                timeout=plan.config.timeout_s,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise MeasureError(
                "timeout",
                f"no answer after {plan.config.timeout_s:g} s",
                help="a model this slow needs a longer --timeout; one that hangs, another runtime",
            ) from None
        if done.returncode != 0:
            raise _died(done.returncode, done.stderr)
        return read_answer(folder)


def _died(status: int, written: bytes) -> MeasureError:
    lines = written.decode(errors="replace").strip().splitlines()
    return MeasureError(
        "runner-died",
        f"the process that ran the model ended with {_cause(status)}",
        notes=[line.strip() for line in lines[-_SHOWN_LINES:] if line.strip()],
        help="the runtime cannot run this file; `fpc check` says which operators leave the fast "
        "path",
    )


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
