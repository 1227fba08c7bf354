"""Measured accuracies in a CSV file: the columns `subnet` and `top1_percent`.

A subnet is written as fpc does, or as once-for-all has it: its settings in JSON, or the name of its
`net.config` file, from the table's folder.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fpc.diagnostics.errors import FpcError, SearchError
from fpc.search.accuracy.fit import fit_accuracy
from fpc.search.accuracy.model import AccuracyModel, Provenance
from fpc.search.once_for_all.subnet import subnet_of_config, subnet_of_settings
from fpc.search.space.choices import StageChoices, require_subnet
from fpc.search.space.description import Space, Subnet
from fpc.search.space.encoding import decode

_SUBNET, _TOP1 = "subnet", "top1_percent"
_CONFIG = ".config"


def accuracy_from_table(path: Path, space: Space, choices: Sequence[StageChoices]) -> AccuracyModel:
    """The regression of the user's own measurements; `SearchError` names the line at fault."""
    content, rows = _rows(path, space, choices)
    return fit_accuracy(
        space,
        choices,
        rows,
        Provenance(
            source=f"{path.name}, sha256 {hashlib.sha256(content).hexdigest()[:12]}",
            evidence="measured",
            rows=0,
            what="top-1 of the user's table",
            date=datetime.now(tz=UTC).date().isoformat(),
            rmse_points=0.0,
            mape_percent=0.0,
            spearman=0.0,
        ),
    )


def _rows(
    path: Path, space: Space, choices: Sequence[StageChoices]
) -> tuple[bytes, list[tuple[Subnet, float]]]:
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SearchError("unreadable", f"cannot read the table {path}: {error}") from None
    reader = csv.DictReader(lines)
    if not {_SUBNET, _TOP1} <= set(reader.fieldnames or ()):
        raise SearchError(
            "malformed-table",
            f"{path} has no columns `{_SUBNET}` and `{_TOP1}`",
            notes=[f"its first line is `{lines[0] if lines else ''}`"],
            help="write one line a measured network, such as "
            "`224px/24-e3k3-e3k3/...,72.8`; `fpc search --json` prints subnets in that form",
        )
    rows: list[tuple[Subnet, float]] = []
    for row in reader:
        try:
            subnet = _subnet(row[_SUBNET] or "", space, path.parent)
            require_subnet(space, choices, subnet)
            rows.append((subnet, _percent(row[_TOP1])))
        except FpcError as error:
            error.notes = (f"line {reader.line_num} of {path}", *error.notes)
            raise
    return content, rows


def _subnet(text: str, space: Space, folder: Path) -> Subnet:
    if text.lstrip().startswith("{"):
        return subnet_of_settings(text, space)
    if text.endswith(_CONFIG):
        return subnet_of_config(folder / text, space)
    return decode(text)


def _percent(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise SearchError(
            "malformed-table",
            f"`{text or ''}` is no percentage",
            help="give percent, such as 72.8",
        ) from None
