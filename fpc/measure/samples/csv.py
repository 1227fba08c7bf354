"""Samples as CSV, for spreadsheets and other programs, and back without loss."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from fpc.diagnostics.errors import MeasureError
from fpc.measure.samples.fields import UNREADABLE, fields_of_sample, sample_of_fields
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
    fields = fields_of_sample(sample)
    low, high = sample.timing.interval
    cells = {
        **fields,
        "interval_low": low,
        "interval_high": high,
        "runs": " ".join(map(repr, fields["runs"])),
        "graph_zlib_base64": base64.b64encode(fields["graph"]).decode(),
    }
    return tuple(cells[heading] for heading in _HEADINGS)


def _sample(cells: list[str], path: Path, line: int) -> Sample:
    if len(cells) != len(_HEADINGS):
        raise inconsistent(str(path), f"line {line} has {len(cells)} cells, not {len(_HEADINGS)}")
    cell = dict(zip(_HEADINGS, cells, strict=True))
    try:
        return sample_of_fields(
            {
                **cell,
                "threads": int(cell["threads"]),
                "workers": int(cell["workers"]),
                "multiply_adds": _if_given(int, cell["multiply_adds"]),
                "median": float(cell["median"]),
                "frames_per_second": _if_given(float, cell["frames_per_second"]),
                "runs": cell["runs"].split(),
                "graph": base64.b64decode(cell["graph_zlib_base64"], validate=True),
            }
        )
    except UNREADABLE as error:
        raise inconsistent(str(path), f"line {line}: {error}") from None


def _if_given(read: Callable[[str], float], text: str) -> float | None:
    return read(text) if text else None


def _foreign(path: Path, fact: str) -> MeasureError:
    return MeasureError(
        "samples-foreign",
        f"{path} is not a table of samples",
        notes=[fact],
        help="import what `fpc measure --csv` wrote",
    )
