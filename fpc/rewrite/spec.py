"""Passes as text: `fold-batch-norm,swap-activation{to=relu6, sites=[a, b]}`, and back."""

from __future__ import annotations

import enum
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from fpc.diagnostics.errors import Excerpt, ParseError
from fpc.diagnostics.render import suggest
from fpc.rewrite.passes import Pass

PassLoader = Callable[[], type[Pass]]
"""Imports and gives one pass class; pipelines import only the passes they name."""

_STEP = re.compile(r"\s*([A-Za-z][\w-]*)\s*(?:\{([^{}]*)\})?\s*(,|$)")
_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\[[^\]]*\]|[^,\[\]]+?)\s*(,|$)")


def parse_pipeline(text: str, manifest: Mapping[str, PassLoader]) -> tuple[Pass, ...]:
    """The passes that `text` names, their options set; `ParseError` pointing at what is wrong."""
    passes: list[Pass] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise _error(text, position, 1, "expected a pass name such as `fold-batch-norm`")
        name = step[1]
        if name not in manifest:
            raise _error(
                text,
                step.start(1),
                len(name),
                f"unknown pass `{name}`",
                help=suggest(name, manifest, what="passes"),
            )
        options = _parse_options(text, step.start(2), step[2] or "")
        passes.append(_build(text, step.start(1), manifest[name](), options))
        position = step.end()
    return tuple(passes)


def print_pipeline(passes: tuple[Pass, ...]) -> str:
    """The text that `parse_pipeline` reads back as `passes`; default options are left out."""
    return ",".join(map(print_pass, passes))


def print_pass(step: Pass) -> str:
    """One pass as text."""
    options: list[str] = []
    for field in fields(step):
        value = getattr(step, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value != default:
            options.append(f"{field.name.replace('_', '-')}={_print_value(value)}")
    return f"{step.name}{{{', '.join(options)}}}" if options else step.name


def _parse_options(text: str, offset: int, body: str) -> dict[str, tuple[str, int]]:
    options: dict[str, tuple[str, int]] = {}
    position = 0
    normalised = re.sub(r"([A-Za-z][\w-]*)(\s*=)", lambda m: m[1].replace("-", "_") + m[2], body)
    while position < len(normalised):
        option = _OPTION.match(normalised, position)
        if option is None:
            raise _error(text, offset + position, 1, "expected an option such as `keep=relu`")
        options[option[1]] = (option[2], offset + option.start(1))
        position = option.end()
    return options


def _build(
    text: str, position: int, pass_class: type[Pass], options: dict[str, tuple[str, int]]
) -> Pass:
    hints = typing.get_type_hints(pass_class)
    known = {field.name: hints[field.name] for field in fields(pass_class)}
    values: dict[str, Any] = {}
    for name, (raw, at) in options.items():
        if name not in known:
            raise _error(
                text,
                at,
                len(name),
                f"{pass_class.name} has no option `{name.replace('_', '-')}`",
                help=suggest(name, known, what="options") if known else "it takes no options",
            )
        try:
            values[name] = _parse_value(raw, known[name])
        except ValueError as error:
            raise _error(text, at, len(name), f"option `{name}`: {error}") from None
    for field in fields(pass_class):
        required = field.default is MISSING and field.default_factory is MISSING
        if required and field.name not in values:
            raise _error(
                text,
                position,
                len(pass_class.name),
                f"{pass_class.name} needs the option `{field.name.replace('_', '-')}`",
            )
    return pass_class(**values)


def _parse_value(raw: str, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        return None if raw == "none" else _parse_value(raw, members[0])
    if origin is tuple:
        item = typing.get_args(kind)[0]
        body = raw.removeprefix("[").removesuffix("]").strip()
        return tuple(_parse_value(part.strip(), item) for part in body.split(",") if part.strip())
    if kind is bool:
        if raw not in ("true", "false"):
            raise ValueError(f"expected true or false, got {raw!r}")
        return raw == "true"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        values = [str(member.value) for member in kind]
        if raw not in values:
            raise ValueError(f"expected one of {', '.join(values)}, got {raw!r}")
        return kind(raw)
    if kind in (int, float):
        try:
            return kind(raw)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise ValueError(f"expected {what}, got {raw!r}") from None
    return raw


def _print_value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case enum.Enum():
            return str(value.value)
        case tuple():
            items = typing.cast("tuple[Any, ...]", value)
            return "[" + ", ".join(map(_print_value, items)) + "]"
        case _:
            return str(value)


def _error(
    text: str, column: int, length: int, message: str, *, help: str | None = None
) -> ParseError:
    return ParseError(
        "pipeline",
        message,
        excerpt=Excerpt("pipeline", 1, text, column, length),
        help=help,
    )
