"""The printed account of a compilation, made from its report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.report.schema import PredictionPart, QuantisationPart, Report

if TYPE_CHECKING:
    from rich.console import Console

_WORST_LAYERS = 5
_COSTLIEST_KERNELS = 5
_USUAL_BITS = 8
"""What weights have where nothing is said of them."""


def print_summary(
    report: Report, directory: Path, console: Console, *, verbose: bool = False
) -> None:
    """Print what a user wants to know after a compilation."""
    for line in summary_lines(report, directory):
        console.print(line)
    if verbose:
        for line in detail_lines(report):
            console.print(line)


def summary_lines(report: Report, directory: Path) -> Iterator[str]:
    """The lines of the summary."""
    model, placement = report.model, report.placement
    yield (
        f"{model.name}: {model.nodes} nodes, {model.multiply_adds / 1e6:.1f} M multiply-adds, "
        f"{model.parameters / 1e6:.2f} M parameters"
    )
    yield (
        f"target      {report.target}: {placement.fast_nodes} of {len(placement.nodes)} "
        f"nodes and {placement.fast_share:.1f} % of the work on {placement.fast_unit}"
    )
    if report.quantisation is not None:
        yield from _quantisation_lines(report.quantisation)
    if report.prediction is not None:
        yield from _prediction_lines(report.prediction)
    if report.accuracy is not None:
        found = report.accuracy
        yield (
            f"accuracy    float top-1 {found.float_top1:.1f} %, {report.precision} top-1 "
            f"{found.top1:.1f} % (drop {found.float_top1 - found.top1:+.1f}); top-5 "
            f"{found.float_top5:.1f} % and {found.top5:.1f} % on {found.samples} images"
        )
        yield (
            f"            {found.right_to_wrong} right->wrong, {found.wrong_to_right} "
            f"wrong->right, agreement {found.agreement:.1f} %, SQNR {found.sqnr_db:.1f} dB"
        )
    if report.verification is not None:
        checked = report.verification
        if checked.exact:
            verdict = "every bit equal"
        elif report.precision == "float32":
            verdict = f"equal to within {checked.largest_difference:.1g}"
        else:
            verdict = (
                f"{checked.different} of {checked.elements} values differ, by at most "
                f"{checked.largest_difference:g}"
            )
        yield f"verified    {checked.runtime} against {checked.numerics}: {verdict}"
    for file in report.files:
        yield f"written     {directory / file.name} ({file.bytes / 1e3:.0f} kB)"


def interval_text(found: PredictionPart, *, decimals: int) -> str:
    """The interval of a predicted latency in words."""
    if found.interval_ms is None:
        return "interval unknown"
    low, high = found.interval_ms
    return f"90 % interval {low:.{decimals}f} to {high:.{decimals}f} ms"


def _prediction_lines(found: PredictionPart) -> Iterator[str]:
    yield (
        f"latency     {found.latency_ms:.1f} ms predicted ({found.condition}), "
        f"{interval_text(found, decimals=1)}" + (", extrapolates" if found.extrapolates else "")
    )
    for number, kernel in enumerate(found.kernels[:_COSTLIEST_KERNELS]):
        word = "costliest" if number == 0 else ""
        yield f"{word:<12}{kernel.latency_ms:.2f} ms  {kernel.op}  {kernel.node}"


def _quantisation_lines(quantised: QuantisationPart) -> Iterator[str]:
    quality = quantised.quality
    agreement = "" if quality.agreement is None else f", agreement {quality.agreement:.1f} %"
    fewest, most = quantised.weight_bits or (_USUAL_BITS, _USUAL_BITS)
    weights = f"weights of {fewest} to {most} bits, " if most > _USUAL_BITS else ""
    yield (
        f"quantised   {quantised.scheme}, {weights}recipe {quantised.recipe}, calibrated on "
        f"{quantised.calibration_samples} samples of {quantised.calibration}"
    )
    yield (
        f"guard       {quality.verdict}: SQNR {quality.sqnr_db:.1f} dB, cosine "
        f"{quality.cosine:.5f}{agreement} on {quality.samples} samples kept out"
    )
    for reason in quality.reasons:
        yield f"            {reason}"


def detail_lines(report: Report) -> Iterator[str]:
    """What `--verbose` adds: recipes tried, worst layers, nodes off the fast path, timings."""
    if report.quantisation is not None:
        yield "recipes tried"
        for rung in report.quantisation.rungs:
            quality = rung.quality
            figures = "not measured" if quality is None else f"{quality.sqnr_db:.1f} dB"
            yield f"  {rung.recipe:<40} {figures:<12} {rung.duration_ms / 1e3:6.1f} s  {rung.note}"
        yield "layers furthest from float"
        for layer in sorted(report.quantisation.layers, key=lambda layer: layer.sqnr_db)[
            :_WORST_LAYERS
        ]:
            yield f"  {layer.sqnr_db:z6.1f} dB  {layer.op:<18} {layer.name}"
    if report.swaps:
        yield "activations, and the output's SQNR if one became ReLU6"
        for swap in report.swaps:
            price = "not measured" if swap.sqnr_db is None else f"{swap.sqnr_db:9.1f} dB"
            mark = " (swapped)" if swap.applied else ""
            yield f"  {price}  {swap.op:<12} {swap.where}{mark}"
    if report.placement.off_path:
        yield "off the fast path"
        for placed in report.placement.off_path:
            yield f"  {placed.node} ({placed.op}) on {placed.unit}: {placed.reason}"
    declined = [d for step in report.passes for d in step.declined]
    if declined:
        yield "rewrites declined"
        for refusal in declined:
            yield f"  {refusal.where}: {refusal.reason}"
    yield "seconds by stage"
    for stage, duration_ms in report.timings_ms.items():
        yield f"  {stage:<12} {duration_ms / 1e3:6.2f}"
