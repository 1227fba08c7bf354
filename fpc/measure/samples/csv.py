"""Samples as CSV, for spreadsheets and other programs, and back without loss."""

from __future__ import annotations

import base64
import csv
import io
import zlib
from collections.abc import Iterable
from pathlib import Path

from fpc.diagnostics.errors import MeasureError
from fpc.measure.protocol import Condition, Timing
from fpc.measure.samples.sample import Sample, inconsistent, require_consistent

_HEADINGS = (
    "name", "model_sha256", "device", "runtime", "threads", "workers", "precision",
    "multiply_adds", "median", "interval_low", "interval_high", "unit", "evidence",
    "frames_per_second", "date", "fpc", "runs", "graph_zlib_base64",
)  # fmt: skip


def print_csv(samples: Iterable[Sample]) -> str:
    """A heading and one line a sample.

    The runs are separated by spaces; the graph's text is compressed by zlib and written in base64.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADINGS)
    writer.writerows(map(_row, samples))
    return text.getvalue()


def read_csv(path: Path) -> tuple[Sample, ...]:
    """What `print_csv` wrote.

    `MeasureError` for a file that cannot be read (`measure.samples-missing`), has no sample
    (`measure.samples-empty`), other columns (`measure.samples-foreign`) or an impossible sample
    (`measure.samples-inconsistent`).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MeasureError(
            "samples-missing", f"cannot read {path}", notes=[str(error)], help="check the path"
        ) from None
    except UnicodeDecodeError as error:
        raise _foreign(path, str(error)) from None
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise _foreign(path, str(error)) from None
    if not lines or tuple(lines[0]) != _HEADINGS:
        raise _foreign(path, f"its first line is not `{','.join(_HEADINGS)}`")
    if len(lines) == 1:
        raise MeasureError(
            "samples-empty", f"{path} holds no sample", help="measure before exporting"
        )
    return require_consistent(
        [_sample(line, path, number) for number, line in enumerate(lines[1:], 2)], str(path)
    )


def _row(sample: Sample) -> tuple[object, ...]:
    timing = sample.timing
    condition = timing.condition
    compressed = zlib.compress(sample.graph.encode(), 9) if sample.graph else b""
    return (
        timing.name,
        timing.model_sha256,
        condition.device,
        condition.runtime,
        condition.threads,
        condition.workers,
        timing.precision,
        _or_empty(sample.multiply_adds),
        repr(timing.median),
        *map(repr, timing.interval),
        timing.unit,
        timing.evidence,
        _or_empty(timing.frames_per_second),
        timing.date,
        sample.fpc,
        " ".join(map(repr, timing.runs)),
        base64.b64encode(compressed).decode(),
    )


def _or_empty(value: float | None) -> str:
    return "" if value is None else repr(value)


def _sample(cells: list[str], path: Path, line: int) -> Sample:
    if len(cells) != len(_HEADINGS):
        raise inconsistent(str(path), f"line {line} has {len(cells)} cells, not {len(_HEADINGS)}")
    cell = dict(zip(_HEADINGS, cells, strict=True))
    graph = cell["graph_zlib_base64"]
    try:
        timing = Timing(
            name=cell["name"],
            model_sha256=cell["model_sha256"],
            precision=cell["precision"],
            runs=tuple(map(float, cell["runs"].split())),
            # Foreign words in these columns are found with the other impossible values.
            unit=cell["unit"],  # pyright: ignore[reportArgumentType]
            evidence=cell["evidence"],  # pyright: ignore[reportArgumentType]
            condition=Condition(
                cell["device"], cell["runtime"], int(cell["threads"]), int(cell["workers"])
            ),
            date=cell["date"],
            frames_per_second=float(cell["frames_per_second"])
            if cell["frames_per_second"]
            else None,
        )
        sample = Sample(
            timing,
            cell["fpc"],
            int(cell["multiply_adds"]) if cell["multiply_adds"] else None,
            zlib.decompress(base64.b64decode(graph, validate=True)).decode() if graph else "",
        )
        stated = float(cell["median"])
    except (ValueError, zlib.error) as error:
        raise inconsistent(str(path), f"line {line}: {error}") from None
    if timing.runs and stated != timing.median:
        fact = f"its median is {stated:g}, that of its runs {timing.median:g}"
        raise inconsistent(str(path), f"line {line}: {fact}")
    return sample


def _foreign(path: Path, fact: str) -> MeasureError:
    return MeasureError(
        "samples-foreign",
        f"{path} is not a table of samples",
        notes=[fact],
        help="import what `fpc measure --csv` wrote",
    )
