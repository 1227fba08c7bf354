"""The printed account of a search, made from its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fpc.diagnostics.amounts import enough
from fpc.report.search_schema import EffectPart, LimitsPart, PointPart, SearchReport

FRONT_HEADINGS = ("front", "ms predicted", "top-1 %", "90 % interval")
EFFECT_HEADINGS = ("where", "choice", "points", "ms", "points a ms")
_SHOWN_POINTS = 12
_SAME = 0.01
"""Points of top-1 that are not worth a line."""


def search_lines(report: SearchReport) -> Iterator[str]:
    """What a user wants to know after a search, but for the front."""
    yield (
        f"{report.space}: {report.networks:.2g} networks, {len(report.front)} of them undominated "
        f"on {report.target}"
    )
    yield f"subnet     {report.subnet.text}"
    yield from _footprint(report)
    yield _latency(report)
    interval = ""
    if report.top1_interval_percent is not None:
        interval = f", {_interval(report.top1_interval_percent, '%')}"
    yield (
        f"top-1      {report.top1_percent:.1f} % {report.top1_evidence}{interval} "
        f"({report.accuracy.what})"
    )
    yield from _promise(report)


def front_rows(front: Sequence[PointPart]) -> Iterator[tuple[str, ...]]:
    """Points of the front, evenly spread over it, under `FRONT_HEADINGS`."""
    for point in front[:: max(1, len(front) // _SHOWN_POINTS)]:
        interval = point.top1_interval_percent
        yield (
            point.subnet,
            f"{point.latency_ms:.1f}",
            f"{point.top1_percent:.2f}",
            "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
        )


def effect_rows(effects: Sequence[EffectPart]) -> Iterator[tuple[str, ...]]:
    """What each choice buys and costs, predicted, under `EFFECT_HEADINGS`."""
    for effect in effects:
        is_dear = effect.latency_ms > 0.0
        yield (
            effect.where,
            effect.choice,
            f"{effect.points:+.2f}",
            f"{effect.latency_ms:+.2f}",
            f"{effect.points / effect.latency_ms:+.3f}" if is_dear else "",
        )


def _latency(report: SearchReport) -> str:
    feedback = report.feedback
    if feedback is None:
        interval = _interval(report.latency_interval_ms, "ms")
        condition = report.prediction.condition
        return f"latency    {report.latency_ms:.1f} ms {report.evidence}, {interval} ({condition})"
    low, high = feedback.measured_interval_ms
    return (
        f"latency    {report.latency_ms:.2f} ms {report.evidence}, 95 % interval {low:.2f} to "
        f"{high:.2f} ms ({feedback.condition})"
    )


def _footprint(report: SearchReport) -> Iterator[str]:
    """What the network takes, beside the limits."""
    limits = report.limits or LimitsPart()
    yield (
        f"size       {report.multiply_adds / 1e6:.1f} M multiply-adds"
        f"{_at_most(limits.multiply_adds, '')}, {report.parameters / 1e6:.2f} M parameters, "
        f"{report.size_bytes / 1e6:.2f} MB as int8{_at_most(limits.size_bytes, 'B')}"
    )
    unit = ", no operator leaves the fast unit" if limits.delegate_only else ""
    yield (
        f"memory     {report.memory_bytes / 1e6:.2f} MB of int8 activations at once"
        f"{_at_most(limits.memory_bytes, 'B')}{unit}"
    )


def _at_most(limit: int | None, unit: str) -> str:
    return "" if limit is None else f" (at most {enough(limit, unit)})"


def _interval(interval: tuple[float, float] | None, unit: str) -> str:
    if interval is None:
        return "interval unknown"
    low, high = interval
    return f"90 % interval {low:.1f} to {high:.1f} {unit}"


def _promise(report: SearchReport) -> Iterator[str]:
    """The optimiser's curse in numbers: the highest prediction is not the best choice."""
    promised, chosen = report.promised, report.top1_interval_percent
    if promised is None or promised.top1_interval_percent is None or chosen is None:
        return
    if promised.top1_percent - report.top1_percent >= _SAME:
        yield (
            f"promising  {promised.top1_percent:.2f} % is the highest prediction in the budget, "
            f"with {promised.top1_interval_percent[0]:.2f} % at the lower end of its interval; "
            f"the subnet has {report.top1_percent:.2f} and {chosen[0]:.2f} %"
        )
