"""Files that describe something: TOML or JSON that a pydantic model checks."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from fpc.diagnostics.validation import problems

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from fpc.diagnostics.errors import FpcError

_NOTES = 5

ModelT = TypeVar("ModelT", bound="BaseModel")


@dataclass(frozen=True)
class DocumentKind(Generic[ModelT]):
    """A kind of file: `model` checks what it says.

    A file that cannot be read raises `fault` with the code `unreadable`. One that `model` refuses
    raises it with the code `malformed`: the file `is_not` of this kind (`is not a cost model`), and
    `help` says where one is to be had.
    """

    model: type[ModelT]
    is_not: str
    fault: type[FpcError]
    malformed: str
    help: str

    def text(self, path: Path) -> str:
        """What the file at `path` says."""
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.fault("unreadable", f"cannot read {path}: {error}") from None

    def read(self, path: Path) -> ModelT:
        """What the file at `path` describes; it is TOML if its name says so, else JSON."""
        from pydantic import ValidationError

        text = self.text(path)
        try:
            if path.suffix == ".toml":
                return self.model.model_validate(tomllib.loads(text))
            return self.model.model_validate_json(text)
        except tomllib.TOMLDecodeError as error:
            raise self.fault(self.malformed, f"{path} is not valid TOML: {error}") from None
        except ValidationError as error:
            raise self.fault(
                self.malformed,
                f"{path} {self.is_not}",
                notes=problems(error)[:_NOTES],
                help=self.help,
            ) from None
