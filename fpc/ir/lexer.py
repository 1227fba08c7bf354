"""IR text cut into tokens that know their place."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass, replace

from fpc.diagnostics.errors import Excerpt, ParseError
from fpc.diagnostics.location import UNKNOWN, Location


class TokenKind(enum.Enum):
    """What a token is; the value is what messages call it."""

    VALUE = "a value"
    SYMBOL = "a symbol"
    STRING = "a string"
    NUMBER = "a number"
    WORD = "a word"
    PUNCTUATION = "punctuation"
    END = "the end of the text"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text; `line` and `column` count from 0.

    The text of a value is its name without the %, that of a symbol or string what it spells.
    """

    kind: TokenKind
    text: str
    line: int
    column: int
    length: int

    def __str__(self) -> str:
        match self.kind:
            case TokenKind.END:
                return self.kind.value
            case TokenKind.VALUE:
                return f"`%{self.text}`"
            case TokenKind.SYMBOL:
                return f"`@{self.text}`"
            case _:
                return f"`{self.text}`"


_STRING = r'"(?:[^"\\\n]|\\.)*"'
_STRINGS = re.compile(_STRING)
_TOKEN = re.compile(
    rf"""
    (?P<BLANK>[ \t\r]+)
  | (?P<NEWLINE>\n)
  | (?P<COMMENT>\#[^\n]*)
  | (?P<VALUE>%[\w.]+)
  | (?P<SYMBOL>@(?:[\w.]+|{_STRING}))
  | (?P<STRING>{_STRING})
  | (?P<NUMBER>-?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\b|inf\b|nan\b))
  | (?P<WORD>\w+)
  | (?P<PUNCTUATION>[()\[\]{{}}=:,])
    """,
    re.VERBOSE,
)
_LOCATION = re.compile(rf"# loc ({_STRING}(?:, {_STRING})*)\s*")


class Source:
    """A text under the name it goes by in messages."""

    def __init__(self, text: str, origin: str) -> None:
        self.text = text
        self.origin = origin
        self.lines = text.split("\n")

    def excerpt(self, first: Token, last: Token | None = None) -> Excerpt:
        """The line of `first`, underlined to the end of `last` where that is on the same line."""
        last = first if last is None or last.line != first.line else last
        line = self.lines[first.line].replace("\t", " ").rstrip("\r")
        length = last.column + last.length - first.column
        return Excerpt(self.origin, first.line + 1, line, first.column, max(1, length))


@dataclass(frozen=True)
class TokenStream:
    """The tokens of a source, the last one END, and the locations that lines name."""

    source: Source
    tokens: tuple[Token, ...]
    locations: dict[int, Location]

    def location(self, line: int) -> Location:
        """What `# loc` at the end of line `line` says."""
        return self.locations.get(line, UNKNOWN)


def tokenize(text: str, origin: str) -> TokenStream:
    """The tokens of `text`, comments left out; `ParseError` at a character no token has."""
    source = Source(text, origin)
    tokens: list[Token] = []
    locations: dict[int, Location] = {}
    position = line = line_start = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        column = position - line_start
        if match is None or match.lastgroup is None:
            raise _stray_character(source, line, column)
        position = match.end()
        match match.lastgroup:
            case "BLANK":
                pass
            case "NEWLINE":
                line, line_start = line + 1, position
            case "COMMENT":
                if named := _LOCATION.fullmatch(match[0]):
                    token = Token(TokenKind.STRING, match[0], line, column, len(match[0]))
                    names = [_unquoted(name, token, source) for name in _STRINGS.findall(named[1])]
                    locations[line] = Location.of(*names)
            case kind:
                token = Token(TokenKind[kind], match[0], line, column, len(match[0]))
                tokens.append(_spelled(token, source))
    tokens.append(Token(TokenKind.END, "", line, position - line_start, 1))
    return TokenStream(source, tuple(tokens), locations)


def _spelled(token: Token, source: Source) -> Token:
    text = token.text
    if token.kind in (TokenKind.VALUE, TokenKind.SYMBOL):
        text = text[1:]
    if text.startswith('"'):
        text = _unquoted(text, token, source)
    return token if text is token.text else replace(token, text=text)


def _unquoted(text: str, token: Token, source: Source) -> str:
    try:
        spelled = str(json.loads(text))
        spelled.encode()
    except (json.JSONDecodeError, UnicodeEncodeError):
        raise ParseError(
            "string",
            f"{text} is not a string",
            excerpt=source.excerpt(token),
            help="strings are written as in JSON",
        ) from None
    return spelled


def _stray_character(source: Source, line: int, column: int) -> ParseError:
    character = source.lines[line][column]
    token = Token(TokenKind.PUNCTUATION, character, line, column, 1)
    return ParseError(
        "character",
        f"unexpected character {character!r}",
        excerpt=source.excerpt(token),
    )
