"""The folder through which a runner and the program that measures one model speak.

The runner writes `model` (the file, or the archive of an artifact of several), `inputs.npz` (arrays
`0`, `1`, ...; none when the outputs are not looked at) and `plan.json`; the program writes
`outputs.npz` in the same form, and last `result.json`. The program may be another process, under an
emulator or on another machine.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.protocol import MeasureConfig

MODEL, INPUTS, PLAN = "model", "inputs.npz", "plan.json"
OUTPUTS, RESULT = "outputs.npz", "result.json"

WAITING = "-"
"""Instead of the folder: the program makes itself ready, and reads it from its standard input."""

MARK = 0x66706373
"""No process has this number: Linux gives out less than 2**22 (PID_MAX_LIMIT)."""

_DECIMALS_OF_MS = 6

Kernels: TypeAlias = Literal["default", "reference"]


@dataclass(frozen=True)
class Plan:
    """What the program is to do.

    Without `is_timed` it gives the outputs and, after them, does `marked_runs` more, for an
    emulator that counts instructions: it calls `mark`, does everything that belongs to a run but
    the run, calls `mark`, does everything, and so on, with a last `mark` at the end.
    """

    config: MeasureConfig
    kernels: Kernels = "default"
    is_timed: bool = True
    marked_runs: int = 0


@dataclass(frozen=True)
class Result:
    """What the program found: milliseconds of every run, and the frames of all workers a second.

    `device` is what the machine that ran it calls itself; an emulated one has no clock of its own.
    """

    runtime: str
    runs: tuple[float, ...] = ()
    frames_per_second: float | None = None
    device: str = ""
    is_emulated: bool = False


def mark() -> None:
    """Ask for the group of a process that cannot be: a call that an emulator can watch for."""
    with suppress(ProcessLookupError):
        os.getpgid(MARK)


def write_task(folder: Path, content: bytes, inputs: Sequence[Array], plan: Plan) -> None:
    """Put everything into the folder that the program reads."""
    (folder / MODEL).write_bytes(content)
    write_arrays(folder / INPUTS, inputs)
    (folder / PLAN).write_text(json.dumps(asdict(plan)))


def read_task(folder: Path) -> tuple[bytes, tuple[Array, ...], Plan]:
    """What `write_task` wrote."""
    document = json.loads((folder / PLAN).read_text())
    config = document["config"]
    config["processors"] = tuple(config["processors"])
    plan = Plan(
        MeasureConfig(**config), document["kernels"], document["is_timed"], document["marked_runs"]
    )
    return (folder / MODEL).read_bytes(), read_arrays(folder / INPUTS), plan


def write_answer(folder: Path, outputs: Sequence[Array], result: Result) -> None:
    """Put the program's answer into the folder, times to the nanosecond that clocks tell."""
    write_arrays(folder / OUTPUTS, outputs)
    result = replace(result, runs=tuple(round(run, _DECIMALS_OF_MS) for run in result.runs))
    (folder / RESULT).write_text(json.dumps(asdict(result)))


def write_error(folder: Path, error: MeasureError) -> None:
    """Put what went wrong into the folder instead of an answer."""
    problem = {
        "code": error.code.removeprefix(f"{error.family}."),
        "message": error.message,
        "notes": list(error.notes),
        "help": error.help,
    }
    (folder / RESULT).write_text(json.dumps({"error": problem}))


def raise_error(document: Mapping[str, Any]) -> None:
    """`MeasureError` for an answer that `write_error` wrote."""
    if "error" in document:
        problem = document["error"]
        raise MeasureError(
            problem["code"], problem["message"], notes=problem["notes"], help=problem["help"]
        )


def read_answer(folder: Path) -> tuple[tuple[Array, ...], Result]:
    """What the program wrote; `MeasureError` for its error, or for an answer that is none."""
    try:
        document = json.loads((folder / RESULT).read_text())
        raise_error(document)
        result = _result(document)
        return read_arrays(folder / OUTPUTS), result
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeasureError(
            "runner-answer",
            "the measuring program ended without a readable answer",
            notes=[f"{type(error).__name__}: {error}"],
            help="is the disk full, or the program of another version of fpc?",
        ) from None


def _result(document: dict[str, object]) -> Result:
    runs = tuple(float(run) for run in cast("list[float]", document["runs"]))
    frames = document["frames_per_second"]
    if not all(math.isfinite(run) and run > 0 for run in runs):
        raise ValueError("a run that takes no time, or no finite time")
    return Result(
        str(document["runtime"]),
        runs,
        None if frames is None else float(str(frames)),
        str(document["device"]),
        bool(document["is_emulated"]),
    )


def write_arrays(path: Path, arrays: Sequence[Array]) -> None:
    """A file as of `numpy.savez`, arrays called `0`, `1`, ..., and never with pickles.

    `numpy.savez` has its own way to forbid those, which numpy 1 does not have.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for index, array in enumerate(arrays):
            with archive.open(f"{index}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def read_arrays(path: Path) -> tuple[Array, ...]:
    """What `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return tuple(archive[str(index)] for index in range(len(archive.files)))
