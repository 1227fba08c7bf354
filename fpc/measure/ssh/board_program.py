"""Serves one task on a board: unpacks it, runs it in a process of its own, answers, leaves nothing.

`fpc.measure.ssh.board` sends the text of this file to the board's Python. It needs the standard
library only, and any Python 3.7 can read it, if only to say that it is too old.

On the standard input come a length in decimal, a line's end and a zip archive of that length: the
modules of fpc that measuring takes, and in `TASK` the folder of `fpc.measure.process.exchange`. The
input stays open for as long as the other side wants the answer: when it ends, so does the run. On
the standard output go `START`, whatever the shell printed before it, and a zip archive with
`OUTCOME` and the files of the answer.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

START = b"fpc measures on this board\n"
TASK = "task"
OUTCOME = "outcome.json"
PLAN = "plan.json"
ANSWER = ("result.json", "outputs.npz")
"""Names of `fpc.measure.process.exchange`, which cannot be imported before it is unpacked."""

_PROGRAM = "fpc.measure.litert.program"


def main() -> None:
    """Serve the task on the standard input."""
    output = sys.stdout.buffer
    output.write(START)
    output.flush()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    lacking = _lacking()
    output.write(_packed({"lacking": lacking}) if lacking else _served(sys.stdin.buffer))
    output.flush()


def _leave(number: int, _frame: object) -> None:
    """End by an exception, which cleans up on its way."""
    sys.exit(128 + number)


def _lacking() -> list[str]:
    """What this Python lacks for the task, as a user would install it."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the board's Python may be any
        return ["Python 3.11 or newer"]
    lacking = [] if find_spec("numpy") is not None else ["numpy"]
    if find_spec("ai_edge_litert") is None and find_spec("tflite_runtime") is None:
        lacking.append("ai-edge-litert")
    return lacking


def _served(task: BinaryIO) -> bytes:
    folder = Path(tempfile.mkdtemp(prefix="fpc-measure-"))
    try:
        content = task.read(int(task.readline()))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        status = _run(folder)
        return _packed({"lacking": [], "status": status}, folder / TASK)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path) -> int | None:
    """The exit status of the program, negative for a signal; None when its time was over."""
    timeout_s = json.loads((folder / TASK / PLAN).read_text())["config"]["timeout_s"]
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    child = subprocess.Popen(
        [sys.executable, "-m", _PROGRAM, TASK],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        child.kill()
        child.wait()


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the input, not through its buffer, which the end of Python would lock."""
    os.read(0, 1)
    child.kill()


def _packed(outcome: dict[str, object], task: Path | None = None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(OUTCOME, json.dumps(outcome))
        if task is not None:
            for path in filter(Path.exists, (task / name for name in ANSWER)):
                archive.write(path, path.name)
    return packed.getvalue()


if __name__ == "__main__":
    main()
