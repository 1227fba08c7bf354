"""`fpc search`: the best network of a space under a latency budget."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import (
    print_json,
    print_note,
    print_table,
    progress_bars,
    standard_output,
)
from fpc.cli.options import Json, TargetName, one_of
from fpc.cli.quantities import Quantity
from fpc.cli.runners import BoardPython
from fpc.cli.search_feedback import (
    JobCount,
    JournalFile,
    Measure,
    Resume,
    Rounds,
    Samples,
    feedback_options,
    print_feedback,
    search_and_measure,
)
from fpc.cli.search_limits import DelegateOnly, MaxMacs, MaxMemory, MaxSize, limits_of

if TYPE_CHECKING:
    from fpc.report.search_schema import SearchReport
    from fpc.search.exact import Objective

_BUDGET = Quantity(
    "--budget",
    "latency",
    MappingProxyType({"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}),
    "94ms",
)
_OBJECTIVES: tuple[Objective, ...] = ("lower", "top1")


def _show_space(name: str | None) -> None:
    if name is not None:
        from fpc.search.catalog import source

        typer.echo(source(name), nl=False)
        raise typer.Exit


def run(
    budget: Annotated[
        str, typer.Option(help="The most that one inference may take: `94ms`, `0.1s`.")
    ],
    max_size: MaxSize = None,
    max_macs: MaxMacs = None,
    max_memory: MaxMemory = None,
    delegate_only: DelegateOnly = False,
    target: TargetName = "rpi4-arm",
    space: Annotated[
        str, typer.Option(help="The space of networks: its name or a TOML file.")
    ] = "fox-nas",
    accuracy: Annotated[
        str | None,
        typer.Option(
            help="A table of subnets and their top-1 (.csv; once-for-all's settings and net.config "
            "files will do), or a command that evaluates one, instead of the regression that comes "
            "with fpc.",
        ),
    ] = None,
    evaluations: Annotated[
        int, typer.Option(help="Call the command for so many networks at most.", min=10)
    ] = 200,
    evaluation_timeout: Annotated[
        float, typer.Option(help="Seconds that the command may take for one network.", min=0.001)
    ] = 3600.0,
    maximise: Annotated[
        str, typer.Option(help="`lower`, the lower end of top-1's interval, or `top1` itself.")
    ] = "lower",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Directory for the network, compiled, and the front."),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile the network to int8 with -o.")
    ] = True,
    swap_activation: Annotated[
        bool, typer.Option(help="Let network.py have ReLU6 in place of hard-swish and SiLU.")
    ] = True,
    runtime: Annotated[
        str | None, typer.Option(help="Runtime of the condition, such as `tflite 2.7`.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the condition.", min=1)] = None,
    cost_model: Annotated[
        Path | None, typer.Option(help="A cost model file instead of the shipped ones.")
    ] = None,
    measure: Measure = None,
    rounds: Rounds = 4,
    journal: JournalFile = None,
    resume: Resume = False,
    jobs: JobCount = "1",
    database: Samples = None,
    board_python: BoardPython = "python3",
    plot: Annotated[
        Path | None, typer.Option(help="Draw the front: a .png, .svg or .pdf file.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="List what each choice buys in points and costs.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the evolution, and of the weights that -o writes.", min=0)
    ] = 0,
    show_space: Annotated[  # noqa: ARG001 - its callback has done the work
        str | None,
        typer.Option(
            help="Print this space as TOML, to begin one's own with, and leave.",
            is_eager=True,
            callback=_show_space,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Find the most accurate network of a space within a latency budget, exactly."""
    from fpc.driver.artifact import check_writable, write_file
    from fpc.driver.search.best_network import SearchOptions, search
    from fpc.report.plots import plot_front, require_plots

    options = SearchOptions(
        budget_ms=_BUDGET.parse(budget),
        limits=limits_of(max_size, max_macs, max_memory, delegate_only=delegate_only),
        target=target,
        space=space,
        accuracy=accuracy,
        evaluations=evaluations,
        timeout_s=evaluation_timeout,
        seed=seed,
        objective=one_of("maximise", maximise, _OBJECTIVES),
        runtime=runtime,
        threads=threads,
        cost_model=cost_model,
    )
    if output is not None:
        check_writable(output)
    require_plots(plot)
    feedback = feedback_options(
        measure, rounds, journal, jobs, database, board_python, resume=resume, output=output
    )
    with progress_bars(enabled=not json) as progress:
        if feedback is None:
            found = search(options, progress)
        else:
            found = search_and_measure(options, feedback, progress)
        report = found.report
        if output is not None:
            from fpc.driver.search.artifact import write_search

            report = write_search(
                found,
                output,
                seed=seed,
                compiled=compiled,
                swap_activation=swap_activation,
                progress=progress,
            )
    if plot is not None:
        write_file(plot, plot_front(plot, report))
    if json:
        print_json(report.to_json())
    else:
        _print(report, output, explain=explain)
        if feedback is not None:
            print_feedback(report, feedback.journal)


def _print(report: SearchReport, output: Path | None, *, explain: bool) -> None:
    from fpc.report.search_summary import (
        EFFECT_HEADINGS,
        FRONT_HEADINGS,
        effect_rows,
        front_rows,
        search_lines,
    )

    console = standard_output()
    for line in search_lines(report):
        console.print(line)
    print_table(FRONT_HEADINGS, front_rows(report.front))
    if explain:
        print_table(EFFECT_HEADINGS, effect_rows(report.effects), text=2)
    if output is not None:
        console.print(f"written    {output}")
    for note in report.notes:
        print_note(note)
