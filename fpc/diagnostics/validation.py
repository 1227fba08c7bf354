"""What is wrong with a document, in the words of the library that checked it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def problems(error: ValidationError, whole: str = "file") -> list[str]:
    """A line for each problem: the place in the document (`whole` for all of it) and the cause."""
    return [
        f"{'.'.join(map(str, problem['loc'])) or whole}: {problem['msg']}"
        for problem in error.errors()
    ]
