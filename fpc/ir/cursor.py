"""A place in a token stream, and what every grammar asks of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from fpc.diagnostics.errors import Excerpt, ParseError, VerifyError
from fpc.diagnostics.location import Location
from fpc.ir.lexer import Token, TokenKind, TokenStream
from fpc.ir.literal import LiteralError, read_float, read_integer

T = TypeVar("T")


class Cursor:
    """Walks over tokens one by one; what it does not find it reports as a `ParseError`."""

    def __init__(self, stream: TokenStream) -> None:
        self._stream = stream
        self._position = 0

    @property
    def next_token(self) -> Token:
        """The token that comes next."""
        return self._stream.tokens[self._position]

    @property
    def last_token(self) -> Token:
        """The token taken last."""
        return self._stream.tokens[max(0, self._position - 1)]

    @property
    def line_location(self) -> Location:
        """What `# loc` says at the end of the line of the token taken last."""
        return self._stream.location(self.last_token.line)

    def take(self) -> Token:
        """The next token, whatever it is; the end of the text is never passed."""
        token = self.next_token
        if token.kind is not TokenKind.END:
            self._position += 1
        return token

    def at(self, text: str) -> bool:
        """Whether a word or punctuation `text` comes next."""
        token = self.next_token
        return token.text == text and token.kind in (TokenKind.WORD, TokenKind.PUNCTUATION)

    def accept(self, text: str) -> bool:
        """Take the word or punctuation `text` if it comes next; whether it did."""
        found = self.at(text)
        self._position += found
        return found

    def expect(self, text: str) -> None:
        """Take the word or punctuation `text`."""
        if not self.accept(text):
            self.fail("unexpected", f"expected `{text}`, found {self.next_token}", self.next_token)

    def expect_kind(self, kind: TokenKind) -> Token:
        """Take a token of `kind`."""
        token = self.next_token
        if token.kind is not kind:
            self.fail("unexpected", f"expected {kind.value}, found {token}", token)
        return self.take()

    def integer(self) -> int:
        """Take an integer."""
        token = self.expect_kind(TokenKind.NUMBER)
        number = read_integer(token.text)
        if number is None:
            self.fail("number", f"expected an integer, found {token}", token)
        return number

    def number(self) -> float:
        """Take a number."""
        token = self.expect_kind(TokenKind.NUMBER)
        number = read_float(token.text)
        if number is None:
            self.fail("number", f"{token} is out of range", token)
        return number

    def scalar(self) -> str:
        """Take a word or a number as it is written."""
        token = self.next_token
        if token.kind not in (TokenKind.WORD, TokenKind.NUMBER):
            self.fail("unexpected", f"expected a word or a number, found {token}", token)
        return self.take().text

    def until(self, end: str, item: Callable[[], T]) -> list[T]:
        """Take items between commas, then `end`."""
        items: list[T] = []
        while not self.accept(end):
            if items and not self.accept(","):
                token = self.next_token
                self.fail("unexpected", f"expected `,` or `{end}`, found {token}", token)
            items.append(item())
        return items

    def some(self, item: Callable[[], T]) -> list[T]:
        """Take one or more items between commas."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return items

    def fail(
        self,
        code: str,
        message: str,
        first: Token,
        last: Token | None = None,
        help: str | None = None,
    ) -> NoReturn:
        """Raise a `ParseError` that underlines the text from `first` to `last`."""
        raise ParseError(code, message, excerpt=self.excerpt(first, last), help=help)

    def excerpt(self, first: Token, last: Token | None = None) -> Excerpt:
        """The line of `first`, underlined up to `last`."""
        return self._stream.source.excerpt(first, last)

    @contextmanager
    def showing(self, code: str, first: Token, last: Token | None = None) -> Generator[None]:
        """Underline the text from `first` to `last`, or to where it ends, when the block fails.

        A `LiteralError` becomes a `ParseError` of `code`, a `VerifyError` stays one.
        """
        try:
            yield
        except LiteralError as error:
            self.fail(code, str(error), first, last or self.last_token, error.help)
        except VerifyError as error:
            if error.excerpt is None:
                error.excerpt = self.excerpt(first, last or self.last_token)
            raise
