"""The errors fpc raises on purpose.

    FpcError
    ├── UsageError            2   the command or call is wrong
    ├── ModelError            1   the model is broken or outside what fpc takes
    │   ├── UnsupportedOpError
    │   └── DynamicShapeError
    ├── ParseError            1   IR text is malformed
    ├── VerifyError           1   the IR breaks one of its own rules
    ├── PassError             1   a pass failed or broke its promise
    ├── TargetError           1   a target description is wrong or refuses the model
    ├── QuantError            1   quantisation is impossible or its result is poor
    ├── BackendError          1   an artifact could not be made, or is not what the IR says
    │   └── MissingBackendError 3 an optional library is not installed
    ├── MeasureError          1   running an artifact failed
    ├── CostModelError        1   a prediction is impossible
    └── SearchError           1   a search is impossible
        └── InfeasibleError

The number is the exit status of the command line. An exception that is not an `FpcError` is a bug
in fpc and exits with 70 (EX_SOFTWARE of sysexits.h).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from fpc.diagnostics.location import UNKNOWN, Location

INTERNAL_EXIT_STATUS = 70
INTERRUPTED_EXIT_STATUS = 130


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of IR or of a file, with a span of one of them underlined by carets.

    `line` counts from 1; `column` counts from 0 and `length` is at least 1.
    """

    origin: str
    line: int
    text: str
    column: int = 0
    length: int = 1


class FpcError(Exception):
    """A failure with a cause and a remedy.

    `code` is stable and dotted (`model.unsupported-op`): scripts may rely on it. `message` says
    what is wrong in one sentence, `notes` add facts, `help` says what to do next.
    """

    family: ClassVar[str] = "fpc"
    exit_status: ClassVar[int] = 1

    def __init__(
        self,
        code: str,
        message: str,
        *,
        location: Location = UNKNOWN,
        model: str | None = None,
        excerpt: Excerpt | None = None,
        notes: Iterable[str] = (),
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = f"{self.family}.{code}"
        self.message = message
        self.location = location
        self.model = model
        self.excerpt = excerpt
        self.notes = tuple(notes)
        self.help = help

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes, for which an exception is but its arguments."""
        return _restored, (type(self), self.__dict__)

    def __str__(self) -> str:
        where = f" (at {self.location})" if self.location else ""
        return f"[{self.code}] {self.message}{where}"


def _restored(kind: type[FpcError], state: dict[str, Any]) -> FpcError:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    return error


class UsageError(FpcError):
    """The command line or an API call is wrong in itself."""

    family = "usage"
    exit_status = 2


class ModelError(FpcError):
    """The model file is broken, or holds something fpc does not take."""

    family = "model"


class UnsupportedOpError(ModelError):
    """An operator, or a form of it, that fpc cannot lower."""


class DynamicShapeError(ModelError):
    """A dimension is unknown where fpc needs a number."""


class ParseError(FpcError):
    """IR text, a pipeline's text or a target file is malformed."""

    family = "parse"


class VerifyError(FpcError):
    """The IR breaks one of its own rules: a bug in a pass or front end, or hand-written text."""

    family = "verify"


class PassError(FpcError):
    """A pass failed, or did not keep what it promises."""

    family = "pass"


class TargetError(FpcError):
    """A target is unknown, wrongly described, or refuses the model."""

    family = "target"


class QuantError(FpcError):
    """Calibration or quantisation is impossible, or its result is poor."""

    family = "quant"


class BackendError(FpcError):
    """An artifact could not be written, or does not compute what the IR says."""

    family = "backend"


class MissingBackendError(BackendError):
    """An optional library that this back end needs is not installed."""

    exit_status = 3


class MeasureError(FpcError):
    """An artifact could not be run."""

    family = "measure"


class CostModelError(FpcError):
    """No latency can be predicted."""

    family = "cost"


class SearchError(FpcError):
    """A search cannot be done."""

    family = "search"


class InfeasibleError(SearchError):
    """No candidate meets the budget."""
