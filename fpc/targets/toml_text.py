"""Writing TOML (https://toml.io, 1.0), which Python's own library only reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast


def print_toml(document: Mapping[str, Any]) -> str:
    """The text that `tomllib` reads as `document`.

    Values are strings, numbers, booleans, tables, and lists of one of these. `TypeError` for
    anything else.
    """
    return "\n".join(_table(document, ())) + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """A table's values, then the tables in it under their own headings."""
    for key, value in table.items():
        if not _is_table(value) and not _is_list_of_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        heading = ".".join(map(_key, (*path, key)))
        if _is_table(value):
            yield from ("", f"[{heading}]", *_table(value, (*path, key)))
        elif _is_list_of_tables(value):
            for entry in value:
                yield from ("", f"[[{heading}]]", *_table(entry, (*path, key)))


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and any(map(_is_table, cast("list[object]", value)))


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _string(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case [*entries]:
            return f"[{', '.join(map(_value, entries))}]"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}")


def _string(text: str) -> str:
    """JSON's escapes are TOML's, which wants the character DEL escaped besides."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
