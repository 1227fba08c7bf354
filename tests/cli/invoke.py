"""Running the program in this process."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from fpc.cli.main import run


@dataclass(frozen=True)
class Outcome:
    """What one command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as strict JSON: nothing else may be there, and no NaN or Infinity."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


def fpc(*words: object) -> Outcome:
    """`fpc WORDS`."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = run([str(word) for word in words])
    return Outcome(status, out.getvalue(), err.getvalue())


def succeed(*words: object) -> Outcome:
    """`fpc WORDS`, which must succeed."""
    outcome = fpc(*words)
    assert outcome.status == 0, outcome.err
    return outcome


def refuse(status: int, code: str, *words: object) -> str:
    """`fpc WORDS`, which must fail with a coded message: the message."""
    outcome = fpc(*words)
    assert outcome.status == status, outcome.out + outcome.err
    assert outcome.err.startswith(f"error[{code}]: "), outcome.err
    assert outcome.out == ""
    return outcome.err
