"""The `fpc` program: commands put together, and every failure turned into a message and a status.

Exit status: 0 success, 1 failure, 2 wrong usage, 3 an optional back end is missing, 70 a defect of
fpc, 130 interrupted.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, Exit, TyperException

from fpc.cli import (
    calibrate,
    check,
    compare,
    compile,  # noqa: A004 - the name of the command
    explain,
    fit,
    golden,
    import_weights,
    measure,
    predict,
    search,
    targets,
    tune,
    zoo,
)
from fpc.cli.console import report_failure
from fpc.diagnostics.errors import INTERRUPTED_EXIT_STATUS, FpcError

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1
"""Parameters of glibc's mallopt (malloc.h): how many heaps there are, from which size on memory is
taken from the kernel for one array alone, and how much a heap may keep."""

app = typer.Typer(
    name="fpc",
    help="Optimise, quantise and compile CNNs for small devices: ONNX in, trustworthy int8 out.",
    no_args_is_help=True,
    # Drawing boxes costs as much as everything else in `fpc --help`: only a terminal gets them.
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compile")(compile.run)
app.command("check")(check.run)
app.command("explain")(explain.run)
app.command("compare")(compare.run)
app.command("predict")(predict.run)
app.command("measure")(measure.run)
app.command("tune")(tune.run)
app.command("fit")(fit.run)
app.command("calibrate-target")(calibrate.run)
app.command("search")(search.run)
app.command("import-weights")(import_weights.run)
app.command("targets")(targets.run)
app.add_typer(golden.app, name="golden")
app.add_typer(zoo.app, name="zoo")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(installed_version("fpc"))
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its status; a request to terminate counts as an interrupt."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Runtimes do the bulk of the work, on every core. Between the many small products of numpy
    # OpenBLAS would let threads of its own spin and take the processor from them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _keep_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names of nodes and files may hold what the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    status = run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        status = report_failure(error, ())
    sys.stderr.flush()
    # Tearing the interpreter down would take a tenth of a second, and after an interrupt that
    # struck inside exec() CPython would kill itself by SIGINT, whatever the status.
    os._exit(status)


def _keep_memory() -> None:
    """Let threads allocate from one heap, and that keep what is freed (glibc's malloc).

    What a thread of a runtime frees is of use to the others then, and a compilation's peak is lower
    by a fifth; large arrays come and go without the kernel clearing their pages anew each time.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_M_ARENA_MAX, 1)
        tune(_M_MMAP_THRESHOLD, 32 << 20)
        tune(_M_TRIM_THRESHOLD, 256 << 20)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program on `arguments` (default: those of the process); the answer is its status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(words, prog_name="fpc", standalone_mode=False)
    except Exit as leave:
        result = leave.exit_code
    except Abort:
        return report_failure(KeyboardInterrupt(), words)
    except TyperException as error:
        shown: Any = error
        shown.show()
        return error.exit_code
    except (FpcError, KeyboardInterrupt, BrokenPipeError) as error:
        return report_failure(error, words)
    except Exception as error:  # noqa: BLE001 - the last resort: a defect must not print a traceback
        return report_failure(error, words)
    if result == INTERRUPTED_EXIT_STATUS:
        return report_failure(KeyboardInterrupt(), words)
    return result if isinstance(result, int) else 0
