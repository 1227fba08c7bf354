"""Running the program that measures one model, and outliving it.

It may be started before there is a model: it loads its runtime then, and waits.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.process.exchange import WAITING, Plan, Result, read_answer, write_task

TIMEOUT = "timeout"
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
        run_to_its_end((*command, name), plan.config.timeout_s, environment)
        return read_answer(folder)


def run_to_its_end(
    command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> bytes:
    """What `command` wrote to its standard error.

    `MeasureError`: `measure.runner-died` where it failed, `measure.timeout`.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout_s, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise timed_out(timeout_s) from None
    _require_success(done.returncode, done.stderr)
    return done.stderr


@dataclass(frozen=True)
class WaitingProgram:
    """A program at work that waits for its one task."""

    process: subprocess.Popen[bytes]

    def run(
        self, content: bytes, inputs: Sequence[Array], plan: Plan
    ) -> tuple[tuple[Array, ...], Result]:
        """As `run_program`."""
        with tempfile.TemporaryDirectory(prefix="fpc-measure-") as name:
            folder = Path(name)
            write_task(folder, content, inputs, plan)
            try:
                _, written = self.process.communicate(name.encode(), plan.config.timeout_s)
            except subprocess.TimeoutExpired:
                raise timed_out(plan.config.timeout_s) from None
            _require_success(self.process.returncode, written)
            return read_answer(folder)


@contextmanager
def waiting_program(command: Sequence[str]) -> Generator[WaitingProgram]:
    """`command` started, to be given its task; it is ended with the body."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, WAITING], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield WaitingProgram(process)
        finally:
            process.kill()


def _require_success(status: int, written: bytes) -> None:
    if status != 0:
        raise died(status, written)


def timed_out(timeout_s: float) -> MeasureError:
    """The error for a model that said nothing for so many seconds."""
    return MeasureError(
        TIMEOUT,
        f"no answer after {timeout_s:g} s",
        help="a model this slow needs a longer --timeout; one that hangs, another runtime",
    )


def died(status: int, written: bytes) -> MeasureError:
    """The error for a program that ended with `status`, negative for a signal, saying `written`."""
    return MeasureError(
        "runner-died",
        f"the process that ran the model ended with {_cause(status)}",
        notes=last_lines(written),
        help="the runtime cannot run this file; `fpc check` says which operators leave the fast "
        "path",
    )


def last_lines(written: bytes) -> list[str]:
    """The end of what a program wrote to its standard error."""
    lines = written.decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()][-_SHOWN_LINES:]


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
