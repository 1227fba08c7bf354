"""The journal of a search that measures: JSON lines, appended and on the disk at once.

The first line is the question, the others are finished measurements, networks that could not be
measured, and what each round decided. A line that was not finished when the process ended is
dropped. Since a round follows from the measurements before it, a search that is resumed asks for
the same ones again and finds them here.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self, TypeAlias, cast

from fpc.diagnostics.errors import SearchError
from fpc.measure.protocol import Condition, Timing

FORMAT = 1
_TIMING = b'{"kind": "timing"'
_BEGINNING = b'{"kind": "question"'

Question: TypeAlias = Mapping[str, str | int | float | None]
"""What the measurements hold for: options, versions and digests, by name."""


class Journal:
    """What is finished of one search.

    `timings` and `failures` are by the network's text; a timing also by its number, from 0, among
    those of its network. Without a path everything is forgotten at the end.
    """

    def __init__(self, path: Path | None, question: Question, *, resume: bool = False) -> None:
        """Begin a journal, or go on with the one at `path`.

        `SearchError`: `search.journal-exists` unless it may `resume`, `search.journal-missing`,
        `search.journal-other` for one of another question, `search.journal-malformed`,
        `search.journal-busy` while another process writes to it, `search.journal-unwritable`.
        """
        self.path = path
        self.timings: dict[tuple[str, int], Timing] = {}
        self.failures: dict[str, tuple[int, str]] = {}
        self._rounds = 0
        self._file: IO[bytes] | None = None
        if path is None:
            return
        self._file = _opened(path, resume=resume)
        try:
            self._read(path, question)
        except BaseException:
            self.close()
            raise

    def add_timing(self, subnet: str, turn: int, timing: Timing) -> None:
        """Keep a finished measurement."""
        self.timings[subnet, turn] = timing
        self._append({"kind": "timing", "subnet": subnet, "turn": turn, **asdict(timing)})

    def add_failure(self, subnet: str, turn: int, message: str) -> None:
        """Keep that a network could not be measured, and at which turn."""
        self.failures[subnet] = turn, message
        record = {"kind": "failure", "subnet": subnet, "turn": turn, "message": message}
        self._append(record)

    def add_round(self, number: int, decision: Mapping[str, Any]) -> None:
        """Keep what a round decided, unless that is known."""
        if number > self._rounds:
            self._rounds = number
            self._append({"kind": "round", "round": number, **decision})

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, path: Path, question: Question) -> None:
        assert self._file is not None
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and not _BEGINNING.startswith(content[: len(_BEGINNING)]):
            raise _malformed(path, 1, "it is not finished")
        for number, line in enumerate(whole.splitlines(), 1):
            record = _record(path, number, line)
            if number == 1:
                _require_same(path, record, question)
            else:
                self._remember(path, number, record)
        self._file.truncate(len(whole))
        self._file.seek(len(whole))
        if not whole:
            self._append({"kind": "question", "format": FORMAT, **question})

    def _remember(self, path: Path, number: int, record: dict[str, Any]) -> None:
        try:
            self._take(record)
        except KeyError as error:
            raise _malformed(path, number, f"it has no {error}") from None
        except (TypeError, ValueError) as error:
            raise _malformed(path, number, str(error)) from None

    def _take(self, record: dict[str, Any]) -> None:
        match record.pop("kind"):
            case "timing":
                place = str(record.pop("subnet")), int(record.pop("turn"))
                condition = Condition(**record.pop("condition"))
                runs = tuple(record.pop("runs"))
                self.timings[place] = Timing(**record, runs=runs, condition=condition)
            case "failure":
                self.failures[str(record["subnet"])] = int(record["turn"]), str(record["message"])
            case "round":
                self._rounds = max(self._rounds, int(record["round"]))
            case kind:
                raise ValueError(f"no line is called {kind}")


def measurements(path: Path) -> int:
    """How many finished ones the journal at `path` has."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return sum(line.startswith(_TIMING) for line in lines)


def _opened(path: Path, *, resume: bool) -> IO[bytes]:
    """The file, locked until it is closed or the process ends."""
    if resume and not path.is_file():
        raise SearchError(
            "journal-missing",
            f"there is no journal {path} to resume",
            help="leave --resume out to begin one",
        )
    try:
        file = path.open("r+b" if resume else "x+b")
    except FileExistsError:
        raise SearchError(
            "journal-exists",
            f"there is a journal {path} already",
            help="--resume goes on with it and measures nothing twice; to begin anew, remove it or "
            "name another with --journal",
        ) from None
    except OSError as error:
        raise SearchError(
            "journal-unwritable",
            f"cannot write the journal {path}: {error.strerror}",
            help="name a file you may write to with --journal",
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise SearchError(
            "journal-busy",
            f"another process is writing the journal {path}",
            help="wait for it, or name another with --journal",
        ) from None
    return file


def _require_same(path: Path, found: Mapping[str, Any], question: Question) -> None:
    if found.get("kind") != "question" or found.get("format") != FORMAT:
        raise _malformed(path, 1, f"it is not a question of format {FORMAT}")
    differing = [
        f"{name}: {found.get(name)} there, {wanted} here"
        for name, wanted in question.items()
        if found.get(name) != wanted
    ]
    if differing:
        raise SearchError(
            "journal-other",
            f"{path} is the journal of another question",
            notes=differing,
            help="ask the same again, or name another file with --journal",
        )


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record: object = json.loads(line)
    except ValueError as error:
        raise _malformed(path, number, str(error)) from None
    if not isinstance(record, dict):
        raise _malformed(path, number, "it is no object")
    return cast("dict[str, Any]", record)


def _malformed(path: Path, line: int, fact: str) -> SearchError:
    return SearchError(
        "journal-malformed",
        f"{path} is not a journal of fpc search",
        notes=[f"line {line}: {fact}"],
        help="name another file with --journal; fpc resumes only what it wrote",
    )
