"""Programs become libraries, in a child process that may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from fpc.backends.tvm.build_program import LIBRARY, PROGRAM
from fpc.backends.tvm.program import Program
from fpc.backends.tvm.requirements import require_tvm
from fpc.diagnostics.errors import BackendError

TIME_LIMIT_S = 600.0
COMMAND = (sys.executable, "-m", "fpc.backends.tvm.build_program")
_SHOWN_LINES = 12


def build(
    program: Program,
    *,
    command: tuple[str, ...] = COMMAND,
    time_limit_s: float = TIME_LIMIT_S,
) -> bytes:
    """The shared library that runs `program`.

    `MissingBackendError` where TVM is not installed as fpc needs it; `BackendError`
    (`backend.tvm-died`, `backend.tvm-failed`, `backend.tvm-timeout`) when it gives no library.
    """
    require_tvm()
    with tempfile.TemporaryDirectory(prefix="fpc-tvm-") as name:
        folder = Path(name)
        (folder / PROGRAM).write_text(program.to_json(), encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, name],
                capture_output=True,
                check=False,
                timeout=time_limit_s,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except subprocess.TimeoutExpired:
            raise BackendError(
                "tvm-timeout",
                f"TVM did not finish in {time_limit_s:g} s",
                help="use --backend tflite for this model",
            ) from None
        if done.returncode != 0 or not (folder / LIBRARY).is_file():
            raise _failure(done.returncode, done.stderr)
        return (folder / LIBRARY).read_bytes()


def _failure(status: int, written: bytes) -> BackendError:
    lines = [line for line in written.decode(errors="replace").splitlines() if line.strip()]
    notes = lines[-_SHOWN_LINES:]
    if status < 0:
        return BackendError(
            "tvm-died",
            f"the process that compiles with TVM was ended by {_signal_name(-status)}",
            notes=notes,
            help="LLVM ends the process on code it cannot compile: this is a defect of fpc's "
            "kernels; --backend tflite goes another way",
        )
    return BackendError(
        "tvm-failed",
        "TVM could not compile the kernels",
        notes=notes,
        help="this is a defect of fpc's kernels; --backend tflite goes another way",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
