"""Pictures of cost models and searches: predictions, where time goes, and fronts."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.diagnostics.errors import MissingBackendError, UsageError

if TYPE_CHECKING:
    from fpc.report.schema import PredictionPart
    from fpc.report.search_schema import SearchReport

_FORMATS = (".png", ".svg", ".pdf")
_BARS = 25
"""The kernels that have a bar of their own; the others share one."""
_LONGEST_NAME = 40


def require_plots(file: Path | None) -> None:
    """Refuse before the work what could not be drawn after it; None asks for no picture.

    `UsageError` for a name that says no format, `MissingBackendError` without matplotlib.
    """
    if file is None:
        return
    if file.suffix not in _FORMATS:
        raise UsageError(
            "plot",
            f"{file}: no picture has the format `{file.suffix}`",
            help=f"name a file that ends in {', '.join(_FORMATS)}",
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingBackendError(
            "missing",
            "matplotlib is not installed, and --plot draws with it",
            help="install it with fpc's extra `plot`: pip install 'fpc[plot]'",
        )


def plot_fit(
    file: Path, title: str, predicted_ms: Sequence[float], measured_ms: Sequence[float]
) -> bytes:
    """Predicted against measured latencies on axes that show ratios, for `file`'s format."""
    figure = _figure(6.0, 6.0)
    axes = figure.add_subplot()
    limits = (0.8 * min(*predicted_ms, *measured_ms), 1.25 * max(*predicted_ms, *measured_ms))
    axes.plot(limits, limits, color="0.7", linewidth=1.0, zorder=0)
    axes.scatter(measured_ms, predicted_ms, s=16.0)
    axes.set(
        title=title,
        xlabel="measured (ms)",
        ylabel="predicted (ms)",
        xscale="log",
        yscale="log",
        xlim=limits,
        ylim=limits,
        aspect="equal",
    )
    return _drawn(figure, file)


def plot_kernels(file: Path, title: str, found: PredictionPart) -> bytes:
    """A bar for each of a network's costliest kernels, and one for all others together."""
    shown, others = found.kernels[:_BARS], found.kernels[_BARS:]
    names = [f"{_shortened(kernel.node)} ({kernel.op})" for kernel in shown]
    latencies = [kernel.latency_ms for kernel in shown]
    if others:
        names.append(f"{len(others)} other kernels")
        latencies.append(sum(kernel.latency_ms for kernel in others))
    figure = _figure(9.0, 1.2 + 0.22 * len(names))
    axes = figure.add_subplot()
    places = range(len(names))
    axes.barh(places, latencies)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=f"{found.evidence} (ms)")
    return _drawn(figure, file)


def plot_front(file: Path, report: SearchReport) -> bytes:
    """The front of a search with the intervals of its top-1, the budget, and what was chosen."""
    latencies = [point.latency_ms for point in report.front]
    figure = _figure(8.0, 5.0)
    axes = figure.add_subplot()
    axes.plot(latencies, [point.top1_percent for point in report.front], label="front")
    ends = [point.top1_interval_percent for point in report.front]
    known = [end for end in ends if end is not None]
    if len(known) == len(ends):
        low, high = zip(*known, strict=True)
        axes.fill_between(latencies, low, high, alpha=0.25, label="90 % interval")
    measured = "" if report.feedback is None else f", {report.evidence}"
    chosen = report.subnet.text + measured
    axes.axvline(report.budget_ms, color="0.5", linestyle="--", label="budget")
    axes.plot([report.latency_ms], [report.top1_percent], "o", label=chosen)
    axes.set(
        title=f"{report.space} on {report.target}",
        xlabel="predicted (ms)",
        ylabel=f"top-1, {report.top1_evidence} (%)",
        xlim=(0.9 * latencies[0], 1.1 * max(latencies[-1], report.budget_ms)),
        xscale="log",
    )
    axes.legend(loc="lower right", fontsize=7)
    return _drawn(figure, file)


def _shortened(name: str) -> str:
    """`name` with its end, which tells nodes of one network apart."""
    return name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"


def _figure(width: float, height: float) -> Any:
    """A figure of so many inches that no window belongs to."""
    # By name, since matplotlib's types are known only where it is installed.
    return importlib.import_module("matplotlib.figure").Figure(
        figsize=(width, height), layout="constrained"
    )


def _drawn(figure: Any, file: Path) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format=file.suffix.removeprefix("."), dpi=150)
    return picture.getvalue()
