"""What every command prints with: tables and progress on standard error, failures in one shape."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from fpc.diagnostics.errors import INTERNAL_EXIT_STATUS, INTERRUPTED_EXIT_STATUS, FpcError
from fpc.diagnostics.progress import Progress, silent
from fpc.diagnostics.render import render

if TYPE_CHECKING:
    from rich.console import Console


_ENDLESS = 100_000
"""Columns of what is no terminal: a line of a file or pipe is never broken or cut."""


def standard_output() -> Console:
    """Where results go. Text is printed as it is: a node may be called `[bold]`."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _ENDLESS
    return Console(highlight=False, markup=False, emoji=False, width=width)


def standard_error() -> Console:
    """Where everything that is not a result goes."""
    from rich.console import Console

    width = None if sys.stderr.isatty() else _ENDLESS
    return Console(stderr=True, highlight=False, markup=False, emoji=False, width=width)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, text: int = 1) -> None:
    """Print a table whose first `text` columns hold words, the rest numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < text else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    standard_output().print(table)


def print_note(text: str) -> None:
    """Tell the user something on standard error that is not a failure."""
    from rich.text import Text

    standard_error().print(Text.assemble(("note: ", "yellow"), text))


@contextmanager
def progress_bars(*, enabled: bool) -> Generator[Progress]:
    """Bars with the time left, on a terminal only."""
    if not enabled or not sys.stderr.isatty():
        yield silent
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    with RichProgress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=standard_error(),
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


def print_json(document: str) -> None:
    """The one thing that `--json` puts on standard output, in ASCII where that is no UTF-8."""
    if (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8"):
        document = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], document)
    sys.stdout.write(document if document.endswith("\n") else document + "\n")
    sys.stdout.flush()


def print_document(document: object) -> None:
    """Plain data as the result of `--json`.

    Numbers that JSON lacks are the strings `Infinity`, `-Infinity` and `NaN`, as in `report.json`.
    """
    print_json(json.dumps(_expressible(document), indent=2, allow_nan=False))


def _expressible(document: object) -> object:
    match document:
        case float() if not math.isfinite(document):
            return "NaN" if math.isnan(document) else f"{'-' if document < 0 else ''}Infinity"
        case dict():
            items = cast("dict[str, object]", document)
            return {key: _expressible(value) for key, value in items.items()}
        case list() | tuple():
            return [_expressible(value) for value in cast("Sequence[object]", document)]
        case _:
            return document


def report_failure(error: BaseException, words: Sequence[str]) -> int:
    """Tell the user what went wrong; the answer is the exit status."""
    as_json = "--json" in words
    match error:
        case FpcError():
            _say(render(error))
            if as_json:
                print_json(_as_json(error.code, error.message, error))
            return error.exit_status
        case KeyboardInterrupt():
            _say("interrupted: no artifact was left half written")
            return INTERRUPTED_EXIT_STATUS
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        case _:
            where = _save_traceback(error)
            message = f"{type(error).__name__}: {error}"
            _say(
                f"error[internal]: {message}\n"
                f"   = note: this is a defect of fpc, not of your model; details are in {where}\n"
                "   = help: please report it with that file and, if you may, the model"
            )
            if as_json:
                print_json(_as_json("internal", message, None))
            return INTERNAL_EXIT_STATUS


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _as_json(code: str, message: str, error: FpcError | None) -> str:
    problem: dict[str, object] = {"code": code, "message": message}
    if error is not None:
        problem |= {
            "nodes": list(error.location.names),
            "model": error.model,
            "notes": list(error.notes),
            "help": error.help,
        }
    return json.dumps({"error": problem}, indent=2)


def _save_traceback(error: BaseException) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="fpc-defect-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exception(error, file=file)
        return file.name
