"""The options of `fpc search` that measure, and what is printed of the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_note, print_table, standard_output
from fpc.cli.runners import clock, interrupted, require_runner
from fpc.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from fpc.diagnostics.progress import Progress
    from fpc.driver.search.best_network import Found, SearchOptions
    from fpc.driver.search.rounds import FeedbackOptions
    from fpc.driver.search.workers import Jobs
    from fpc.measure.protocol import Runner
    from fpc.report.search_schema import SearchReport

_COUNTER, _RECORD, _CLUSTER = "qemu", "replay", "ray"
_JOURNAL = ".journal.jsonl"

Measure = Annotated[
    list[str] | None,
    typer.Option(
        help="Measure networks near the budget and correct the prices by them: `host` on this "
        "machine, `ssh:USER@HOST:PORT` on a board (several times for several boards), `replay` "
        "looks them up in --db.",
        metavar="RUNNER",
    ),
]
Rounds = Annotated[
    int, typer.Option(help="Search, measure and correct so many times at most.", min=1)
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        help=f"Keep every finished measurement in this file (default: DIRECTORY{_JOURNAL} beside "
        "that of -o)."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the journal of a search that was stopped.")
]
JobCount = Annotated[
    str,
    typer.Option(help="Build networks in so many processes; `ray` on a Ray cluster.", metavar="N"),
]
Samples = Annotated[
    Path | None,
    typer.Option(
        "--db",
        help="Sample database: finished measurements are added at once, `replay` looks in it.",
    ),
]


def feedback_options(
    measure: Sequence[str] | None,
    rounds: int,
    journal: Path | None,
    jobs: str,
    database: Path | None,
    board_python: str,
    *,
    resume: bool,
    output: Path | None,
) -> FeedbackOptions | None:
    """How to measure; None where nothing is to be measured."""
    if not measure:
        if resume or journal is not None:
            raise UsageError(
                "measure",
                "there is no journal of a search that measures nothing",
                help="say what to measure on: --measure host",
            )
        return None
    from fpc.driver.search.rounds import FeedbackOptions

    path = _journal(journal, output)
    if resume and path is None:
        raise UsageError(
            "journal",
            "--resume needs a journal",
            help="name it with --journal, or the directory that it is beside with -o",
        )
    _require_distinct(measure)
    runners = {on: _runner(on, database, board_python) for on in measure}
    options = FeedbackOptions(
        runners, rounds, journal=path, resume=resume, jobs=_jobs(jobs), database=database
    )
    return replace(options, turns=1, database=None) if _RECORD in runners else options


def search_and_measure(
    options: SearchOptions, feedback: FeedbackOptions, progress: Progress
) -> Found:
    """What is found by measuring; whoever interrupts it is told how to go on."""
    from fpc.driver.search.rounds import search_by_measuring
    from fpc.search.journal import measurements

    try:
        return search_by_measuring(options, feedback, progress)
    except KeyboardInterrupt:
        if feedback.journal is None:
            raise
        finished = measurements(feedback.journal)
        raise interrupted(
            finished, feedback.journal, "add --resume to the same command: it goes on from there"
        ) from None


def print_feedback(report: SearchReport, journal: Path | None) -> None:
    """What was measured, round by round."""
    from fpc.report.feedback_summary import feedback_lines, round_headings, round_rows

    if report.feedback is None:
        return
    print_table(round_headings(report.feedback), round_rows(report.feedback), text=2)
    for line in feedback_lines(report.feedback):
        standard_output().print(line)
    if journal is None:
        print_note("no journal was kept: with --journal FILE a stopped search can be resumed")


def _journal(journal: Path | None, output: Path | None) -> Path | None:
    if journal is not None or output is None:
        return journal
    return output.with_name(output.name + _JOURNAL)


def _require_distinct(measure: Sequence[str]) -> None:
    if len(set(measure)) < len(measure):
        raise UsageError(
            "measure",
            "a runner is given twice",
            help="one machine measures one network at a time: name several boards",
        )
    if _RECORD in measure and len(measure) > 1:
        raise UsageError(
            "measure",
            f"--measure {_RECORD} looks up what was measured, and goes with no other runner",
            help=f"leave out `{_RECORD}` or the others",
        )


def _runner(on: str, database: Path | None, board_python: str) -> Runner:
    if on == _COUNTER:
        raise UsageError(
            "measure",
            "instructions that an emulator counts are no latency, and no budget in ms is met by "
            "them",
            help="measure on a board: --measure ssh:USER@HOST; `fpc measure FILE --on qemu` runs "
            "what was found in ARM's LiteRT and checks its outputs",
        )
    require_runner(on, _RECORD, option="measure")
    return _replay(database) if on == _RECORD else clock(on, board_python)


def _replay(database: Path | None) -> Runner:
    from fpc.measure.samples.database import SampleDatabase
    from fpc.measure.samples.replay import ReplayRunner

    if database is None:
        raise UsageError(
            "db", "--measure replay needs samples to replay", help="name their file with --db"
        )
    with SampleDatabase(database) as samples:
        return ReplayRunner(samples.samples())


def _jobs(text: str) -> Jobs:
    if text == _CLUSTER:
        return _CLUSTER
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(
            "jobs", f"--jobs cannot be `{text}`", help="give a number of processes, or `ray`"
        )
    return int(text)
