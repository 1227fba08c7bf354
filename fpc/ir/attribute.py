"""How operator attributes are written in IR text, read from the annotations of their fields."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any

from fpc.diagnostics.render import suggest
from fpc.ir.literal import Literal, LiteralError, read_float, read_integer


@dataclass(frozen=True)
class Attribute:
    """An attribute of an operator: its name, annotated type and default.

    Annotations may be int, float, bool, an enumeration, any of these or None, and tuples of one of
    them with a fixed length or (`tuple[int, ...]`) any length.
    """

    name: str
    annotation: Any
    default: Any = MISSING

    @property
    def is_required(self) -> bool:
        """Whether the attribute has no default."""
        return self.default is MISSING

    def is_default(self, value: object) -> bool:
        """Whether text need not mention `value`."""
        return not self.is_required and self.format(value) == self.format(self.default)

    def format(self, value: object) -> str:
        """`value` as text that `read` turns into an equal value."""
        return _format(value, self.annotation)

    def read(self, literal: Literal) -> object:
        """The value that `literal` stands for; `LiteralError` when it does not fit."""
        try:
            return _read(literal, self.annotation)
        except LiteralError as mismatch:
            raise LiteralError(f"`{self.name}` {mismatch}", mismatch.help) from None


@cache
def attributes_of(owner: type[Any]) -> Mapping[str, Attribute]:
    """The attributes of an operator class, or another dataclass, by name in declaration order."""
    hints = typing.get_type_hints(owner)
    return MappingProxyType(
        {
            field.name: Attribute(field.name, hints[field.name], field.default)
            for field in fields(owner)
        }
    )


def _format(value: Any, annotation: Any) -> str:
    if value is None:
        return "none"
    annotation = _without_none(annotation)
    if typing.get_origin(annotation) is tuple:
        item = typing.get_args(annotation)[0]
        return "[" + ",".join(_format(v, item) for v in value) + "]"
    if annotation is bool:
        return "true" if value else "false"
    if annotation is float:
        return repr(float(value))
    if annotation is int:
        return str(int(value))
    return str(value.value)


def _read(literal: Literal, annotation: Any) -> Any:
    if literal == "none" and type(None) in typing.get_args(annotation):
        return None
    annotation = _without_none(annotation)
    if typing.get_origin(annotation) is tuple:
        return _read_tuple(literal, typing.get_args(annotation))
    if not isinstance(literal, str):
        raise LiteralError(f"takes {_wanted(annotation)}, not a list")
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _read_word(literal, annotation)
    if annotation is bool and literal in ("true", "false"):
        return literal == "true"
    if annotation is int and (integer := read_integer(literal)) is not None:
        return integer
    if annotation is float and (number := read_float(literal)) is not None:
        return number
    raise LiteralError(f"takes {_wanted(annotation)}, not `{literal}`")


def _read_tuple(literal: Literal, items: tuple[Any, ...]) -> tuple[Any, ...]:
    length = None if items[-1] is Ellipsis else len(items)
    if isinstance(literal, str) or length not in (None, len(literal)):
        count = "" if length is None else f"{length} "
        found = f"`{literal}`" if isinstance(literal, str) else f"{len(literal)}"
        raise LiteralError(f"takes a list of {count}values, not {found}")
    return tuple(_read(item, items[0]) for item in literal)


def _read_word(literal: str, words: type[enum.Enum]) -> enum.Enum:
    try:
        return words(literal)
    except ValueError:
        known = [str(word.value) for word in words]
        raise LiteralError(
            f"has no value `{literal}`", suggest(literal, known, what="values")
        ) from None


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next(arm for arm in typing.get_args(annotation) if arm is not type(None))
    return annotation


def _wanted(annotation: Any) -> str:
    words = {int: "an integer", float: "a number", bool: "true or false"}
    return words.get(annotation, "a word")
