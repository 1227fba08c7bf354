"""The text a user reads when something went wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from fpc.diagnostics.errors import Excerpt, FpcError

_SHOWN_NAMES = 4
_LISTED_NAMES = 50


def render(error: FpcError) -> str:
    """A diagnostic in the shape compilers use: code and message, place, excerpt, notes, help."""
    lines = [f"error[{error.code}]: {error.message}"]
    if error.model is not None:
        lines.append(f"  --> {error.model}")
    if error.location:
        quoted = [f"'{name}'" for name in error.location.names]
        lines.append(f"   at {listed(quoted, _SHOWN_NAMES)}")
    if error.excerpt is not None:
        lines.extend(_render_excerpt(error.excerpt))
    lines.extend(f"   = note: {_hang(note, '           ')}" for note in error.notes)
    if error.help is not None:
        lines.append(f"   = help: {_hang(error.help, '           ')}")
    return "\n".join(lines)


def listed(names: Sequence[str], most: int) -> str:
    """The first `most` of `names`, and how many more there are."""
    shown, rest = ", ".join(names[:most]), len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def _render_excerpt(excerpt: Excerpt) -> list[str]:
    number = str(excerpt.line)
    gutter = " " * len(number)
    return [
        f" {gutter} ┌ {excerpt.origin}:{excerpt.line}:{excerpt.column + 1}",
        f" {number} │ {excerpt.text}",
        f" {gutter} │ {' ' * excerpt.column}{'^' * max(1, excerpt.length)}",
    ]


def _hang(text: str, indent: str) -> str:
    return text.replace("\n", "\n" + indent)


def suggest(name: str, known: Iterable[str], *, what: str) -> str:
    """A help line for an unknown `name`: the near misses, or all there are (the first 50)."""
    candidates = sorted(known)
    near = difflib.get_close_matches(name, candidates, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"`{candidate}`" for candidate in near) + "?"
    return f"known {what}: {listed(candidates, _LISTED_NAMES)}"
