"""Accuracy of a classifier on labelled samples, float and integer side by side."""

from __future__ import annotations

import numpy as np

from fpc.diagnostics.errors import QuantError, UsageError
from fpc.diagnostics.progress import Progress, silent
from fpc.frontends.samples import LabelledSamples
from fpc.interp.runner import Runner
from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.quant.quality.verdict import GOOD_DB, judge
from fpc.report.schema import AccuracyPart

_GUESSING_PERCENT = 30.0
"""Float top-1 below this is a sign of wrong preprocessing rather than of a weak network."""


def evaluate(
    samples: LabelledSamples,
    run_float: Runner,
    run_compiled: Runner,
    progress: Progress = silent,
) -> AccuracyPart:
    """Run both networks on every sample; their first outputs are class scores.

    Labels may count from the first real class while the network has a background class in front
    (1001 classes): when shifting by one makes the float network right more often, it is shifted.
    `UsageError` when there are no labels or they are outside the scores.
    """
    if samples.labels is None:
        raise UsageError(
            "no-labels",
            f"{samples.origin} has no labels to evaluate against",
            help="start file names with the class number, use one sub-folder a class, or store "
            "`labels` in the .npz file",
        )
    reference: list[Array] = []
    compiled: list[Array] = []
    answers = two_at_once(run_float, samples)
    for done, (sample, answer) in enumerate(zip(samples, answers, strict=True), start=1):
        reference.append(np.ravel(answer[0]))
        compiled.append(np.ravel(run_compiled(sample)[0]))
        progress("evaluating", done, len(samples))
    scores, integer_scores = np.stack(reference), np.stack(compiled)
    labels, offset = _align(np.asarray(samples.labels), scores, samples.origin)
    right = scores.argmax(1) == labels
    integer_right = integer_scores.argmax(1) == labels
    noise = float(np.square(scores - integer_scores, dtype=np.float64).sum())
    signal = float(np.square(scores, dtype=np.float64).sum())
    return AccuracyPart(
        samples=len(samples),
        float_top1=100.0 * float(right.mean()),
        float_top5=_top5(scores, labels),
        top1=100.0 * float(integer_right.mean()),
        top5=_top5(integer_scores, labels),
        right_to_wrong=int((right & ~integer_right).sum()),
        wrong_to_right=int((~right & integer_right).sum()),
        agreement=100.0 * float((scores.argmax(1) == integer_scores.argmax(1)).mean()),
        sqnr_db=10.0 * float(np.log10(signal / noise)) if noise else float("inf"),
        label_offset=offset,
    )


def poor_accuracy(found: AccuracyPart, origin: str, *, offers_int16: bool) -> QuantError | None:
    """The refusal of an integer network whose answers on labelled samples are not the float one's.

    The guard's bounds (`fpc.quant.quality.verdict.judge`) on samples that calibration never saw.
    offers_int16: whether the target has more precision than was asked for.
    """
    quality = judge(found.samples, found.sqnr_db, 1.0, found.agreement)
    if not quality.is_poor:
        return None
    wider = "--int16 keeps more precision; " if offers_int16 else ""
    return QuantError(
        "degraded",
        f"on the {found.samples} samples of {origin} the integer network is "
        f"{quality.verdict.value}: top-1 falls from {found.float_top1:.1f} % to "
        f"{found.top1:.1f} %; " + "; ".join(quality.reasons),
        notes=["the guard found no such loss on the calibration samples: they are not typical"]
        if found.sqnr_db < GOOD_DB
        else [],
        help=f"calibrate on about a hundred images like those of --eval; {wider}--allow-degraded "
        "accepts the network as it is",
    )


def doubts(found: AccuracyPart, origin: str) -> list[str]:
    """What makes the labels or the preprocessing look wrong: a float network that only guesses."""
    if found.float_top1 >= _GUESSING_PERCENT:
        return []
    doubt = (
        f"the float network itself is right on only {found.float_top1:.1f} % of {origin}: check "
        "--mean, --std, --scale and --channel-order, and that labels count as the network does"
    )
    return [doubt]


def _align(labels: Array, scores: Array, origin: str) -> tuple[Array, int]:
    classes = scores.shape[1]
    fits = [offset for offset in (0, 1) if labels.min() >= 0 and labels.max() + offset < classes]
    if not fits:
        raise UsageError(
            "labels",
            f"{origin} has labels from {labels.min()} to {labels.max()}, the network gives "
            f"{classes} scores",
        )
    predictions = scores.argmax(1)
    best = max(fits, key=lambda offset: float((predictions == labels + offset).mean()))
    return labels + best, best


def _top5(scores: Array, labels: Array) -> float:
    count = min(5, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    return 100.0 * float((best == labels[:, None]).any(axis=1).mean())
