"""The sample database: one SQLite file that loses no finished sample."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from fpc.diagnostics.errors import MeasureError
from fpc.measure.samples.fields import UNREADABLE, fields_of_sample, sample_of_fields
from fpc.measure.samples.sample import Sample, inconsistent, require_consistent

_APPLICATION = 0x66706373
"""`fpcs` in the file's header (PRAGMA application_id) marks a file as ours."""
_VERSION = 1
_BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE samples (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    model_sha256 TEXT NOT NULL,
    device TEXT NOT NULL,
    runtime TEXT NOT NULL,
    threads INTEGER NOT NULL,
    workers INTEGER NOT NULL,
    precision TEXT NOT NULL,
    multiply_adds INTEGER,
    median REAL NOT NULL,
    unit TEXT NOT NULL,
    evidence TEXT NOT NULL,
    frames_per_second REAL,
    date TEXT NOT NULL,
    fpc TEXT NOT NULL,
    runs TEXT NOT NULL,
    graph BLOB NOT NULL
) STRICT
"""
_COLUMNS = (
    "name", "model_sha256", "device", "runtime", "threads", "workers", "precision",
    "multiply_adds", "median", "unit", "evidence", "frames_per_second", "date", "fpc", "runs",
    "graph",
)  # fmt: skip
_INSERT = (
    f"INSERT INTO samples ({', '.join(_COLUMNS)}) "  # noqa: S608 - the names are ours
    f"VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM samples ORDER BY id"  # noqa: S608 - as above


class SampleDatabase:
    """Samples in the order they were made.

    Every `add` is on the disk when it returns: a process killed later loses nothing. Several
    processes may write at once (SQLite's write-ahead log, https://www.sqlite.org/wal.html). Runs
    are a JSON list, graphs are compressed by zlib. `MeasureError` (`measure.samples-...`) for a
    file that is missing, unwritable, foreign or of another version.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            raise MeasureError(
                "samples-missing",
                f"there is no sample database {path}",
                help="`fpc measure MODEL --db FILE` makes one",
            )
        with self._translated():
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._prepare(create=create)
            except BaseException:
                self._connection.close()
                raise

    def add(self, sample: Sample) -> None:
        """Append a sample; `MeasureError` (`measure.samples-inconsistent`) if it is impossible."""
        self.add_all([sample])

    def add_all(self, samples: Iterable[Sample]) -> None:
        """Append samples: all of them or, when one is impossible, none."""
        checked = require_consistent(samples, str(self.path))
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(_INSERT, map(_row, checked))
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def samples(self) -> tuple[Sample, ...]:
        """Every sample.

        `MeasureError` when there is none (`measure.samples-empty`) or one of them is impossible
        (`measure.samples-inconsistent`).
        """
        with self._translated():
            rows: list[tuple[Any, ...]] = self._connection.execute(_SELECT).fetchall()
        if not rows:
            raise self._empty()
        return require_consistent((self._sample(row) for row in rows), str(self.path))

    def __len__(self) -> int:
        with self._translated():
            return int(self._connection.execute("SELECT count(*) FROM samples").fetchone()[0])

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, *, create: bool) -> None:
        application = self._pragma("application_id")
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application == 0 and tables == 0:
            if not create:
                raise self._empty()
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._create()
        elif application != _APPLICATION:
            raise self._foreign("it is a database of another program")
        elif self._pragma("user_version") != _VERSION:
            raise MeasureError(
                "samples-version",
                f"{self.path} has version {self._pragma('user_version')} of the layout, this fpc "
                f"knows version {_VERSION}",
                help="export it as CSV with the fpc that wrote it, and import that",
            )
        self._connection.execute("PRAGMA synchronous = FULL")

    def _create(self) -> None:
        """Make the table, unless another process did so since we looked."""
        self._connection.execute("BEGIN IMMEDIATE")
        if self._pragma("application_id") == 0:
            self._connection.execute(_SCHEMA)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        self._connection.execute("COMMIT")

    def _pragma(self, name: str) -> int:
        with closing(self._connection.execute(f"PRAGMA {name}")) as cursor:
            return int(cursor.fetchone()[0])

    def _sample(self, row: tuple[Any, ...]) -> Sample:
        fields = dict(zip(_COLUMNS, row, strict=True))
        try:
            return sample_of_fields({**fields, "runs": json.loads(fields["runs"])})
        except UNREADABLE as error:
            raise inconsistent(str(self.path), f"`{fields['name']}`: {error}") from None

    @contextmanager
    def _translated(self) -> Generator[None]:
        """SQLite's exceptions as `MeasureError`."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise MeasureError(
                "samples-unusable",
                f"cannot use the sample database {self.path}",
                notes=[str(error)],
                help="name a file in a directory you may write to, not locked by another program",
            ) from None
        except sqlite3.DatabaseError as error:
            raise self._foreign(str(error)) from None

    def _empty(self) -> MeasureError:
        return MeasureError(
            "samples-empty",
            f"{self.path} holds no sample",
            help="`fpc measure MODEL --db FILE` adds some",
        )

    def _foreign(self, fact: str) -> MeasureError:
        return MeasureError(
            "samples-foreign",
            f"{self.path} is not a sample database of fpc",
            notes=[fact],
            help="name another file; fpc adds only to databases it made",
        )


def _row(sample: Sample) -> dict[str, Any]:
    fields = fields_of_sample(sample)
    return {**fields, "runs": json.dumps(fields["runs"])}
