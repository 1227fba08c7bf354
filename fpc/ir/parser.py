"""IR text read back into a graph.

`fpc.ir.printer` says what the text looks like; `fpc.ir.constant_text.Random` adds
`const rand(seed=1) : f32[8,3,3,3]` for graphs written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.render import suggest
from fpc.ir.attribute import attributes_of
from fpc.ir.constant import Constant
from fpc.ir.constant_text import Abstract, ByDigest, ConstantText, Elements, Random
from fpc.ir.cursor import Cursor
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.lexer import Token, TokenKind, tokenize
from fpc.ir.literal import Literal
from fpc.ir.op import Op
from fpc.ir.ops import OPS_BY_MNEMONIC
from fpc.ir.types import QuantParams, TensorType

T = TypeVar("T")


def parse_graph(
    text: str,
    constants: Mapping[str, Constant] | None = None,
    *,
    origin: str = "<text>",
) -> Graph:
    """The graph that `text` describes; `origin` is what messages call the text.

    `constants` holds what the text names by digest. `ParseError` where the text is malformed or
    names something unknown, `VerifyError` where it states a type that does not follow from the
    operands; both show the line.
    """
    return _Parser(Cursor(tokenize(text, origin)), constants or {}).graph()


@dataclass(frozen=True)
class _Written:
    """An attribute as written."""

    name: Token
    literal: Literal
    end: Token


class _Parser:
    """Recursive descent with one token of lookahead."""

    def __init__(self, cursor: Cursor, constants: Mapping[str, Constant]) -> None:
        self._cursor = cursor
        self._constants = constants
        self._values: dict[str, Value] = {}
        self._graph = Graph()

    def graph(self) -> Graph:
        cursor = self._cursor
        cursor.expect("graph")
        self._graph.name = cursor.expect_kind(TokenKind.SYMBOL).text
        cursor.expect("(")
        cursor.until(")", self._graph_input)
        cursor.expect("{")
        while not cursor.accept("return"):
            self._statement()
        self._graph.set_outputs([] if cursor.at("}") else cursor.some(self._operand))
        cursor.expect("}")
        cursor.expect_kind(TokenKind.END)
        return self._graph

    def _graph_input(self) -> None:
        name = self._cursor.expect_kind(TokenKind.VALUE)
        self._cursor.expect(":")
        type_ = self._type()
        self._define(name, self._graph.add_input(name.text, type_))

    def _statement(self) -> None:
        cursor = self._cursor
        if cursor.next_token.kind is not TokenKind.VALUE:
            cursor.fail(
                "unexpected",
                f"expected a statement, found {cursor.next_token}",
                cursor.next_token,
                help="a statement is `%name = op(%operand) : type`, and `return` is the last",
            )
        names = cursor.some(lambda: cursor.expect_kind(TokenKind.VALUE))
        cursor.expect("=")
        mnemonic = cursor.expect_kind(TokenKind.WORD)
        if mnemonic.text == "const":
            self._constant(names[0])
        else:
            self._node(names, mnemonic)

    def _constant(self, name: Token) -> None:
        cursor = self._cursor
        start = cursor.next_token
        data = self._constant_text()
        end = cursor.last_token
        cursor.expect(":")
        type_ = self._type()
        with cursor.showing("constant", start, end):
            constant = data.build(type_, self._constants)
        self._define(name, self._graph.constant_of(constant, type_, name.text))

    def _constant_text(self) -> ConstantText:
        cursor = self._cursor
        token = cursor.next_token
        if token.kind is TokenKind.SYMBOL:
            return ByDigest(cursor.take().text)
        if cursor.accept("abstract"):
            return Abstract()
        if cursor.accept("["):
            return Elements(tuple(cursor.until("]", cursor.scalar)))
        if cursor.accept("rand"):
            cursor.expect("(")
            return self._attributed(Random, "rand", token, cursor.until(")", self._attribute))
        return cursor.fail(
            "unexpected",
            f"expected the data of a constant, found {token}",
            token,
            help="a constant is `[elements]`, `@digest`, `abstract` or `rand(seed=N)`",
        )

    def _node(self, names: list[Token], mnemonic: Token) -> None:
        cursor = self._cursor
        op_class = OPS_BY_MNEMONIC.get(mnemonic.text)
        if op_class is None:
            cursor.fail(
                "unknown-op",
                f"unknown operator `{mnemonic.text}`",
                mnemonic,
                help=suggest(mnemonic.text, [*OPS_BY_MNEMONIC, "const"], what="operators"),
            )
        cursor.expect("(")
        operands = cursor.until(")", self._optional_operand)
        written = cursor.until("}", self._attribute) if cursor.accept("{") else []
        op: Op = self._attributed(op_class, mnemonic.text, mnemonic, written)
        cursor.expect(":")
        first = cursor.next_token
        types = cursor.some(self._type)
        last = cursor.last_token
        if len(types) != len(names):
            message = f"{len(names)} names but {len(types)} types"
            cursor.fail("results", message, names[0], names[-1])
        try:
            node = self._graph.add(
                op,
                *operands,
                names=[name.text for name in names],
                results=types,
                location=cursor.line_location,
            )
        except VerifyError as error:
            span = (first, last) if error.code == "verify.result-type" else (mnemonic, mnemonic)
            error.excerpt = cursor.excerpt(*span)
            raise
        for name, value in zip(names, node.outputs, strict=True):
            self._define(name, value)

    def _attribute(self) -> _Written:
        cursor = self._cursor
        name = cursor.expect_kind(TokenKind.WORD)
        cursor.expect("=")
        listed = cursor.accept("[")
        literal = tuple(cursor.until("]", cursor.scalar)) if listed else cursor.scalar()
        return _Written(name, literal, cursor.last_token)

    def _attributed(
        self, owner: Callable[..., T], title: str, place: Token, written: list[_Written]
    ) -> T:
        """An `owner` with the attributes `written`."""
        cursor = self._cursor
        known = attributes_of(owner)
        given: dict[str, Any] = {}
        for one in written:
            name = one.name.text
            if name not in known:
                remedy = suggest(name, known, what="attributes") if known else None
                message = f"{title} has no attribute `{name}`"
                cursor.fail("unknown-attribute", message, one.name, help=remedy)
            if name in given:
                cursor.fail("repeated-attribute", f"`{name}` is given twice", one.name)
            with cursor.showing("attribute", one.name, one.end):
                given[name] = known[name].read(one.literal)
        for attribute in known.values():
            if attribute.is_required and attribute.name not in given:
                message = f"{title} needs the attribute `{attribute.name}`"
                cursor.fail("missing-attribute", message, place)
        return owner(**given)

    def _define(self, name: Token, value: Value) -> None:
        if name.text in self._values:
            self._cursor.fail("redefined", f"%{name.text} is already defined", name)
        self._values[name.text] = value

    def _operand(self) -> Value:
        token = self._cursor.expect_kind(TokenKind.VALUE)
        value = self._values.get(token.text)
        if value is None:
            known = self._values
            self._cursor.fail(
                "undefined",
                f"%{token.text} is not defined above this line",
                token,
                help=suggest(token.text, known, what="values") if known else None,
            )
        return value

    def _optional_operand(self) -> Value | None:
        return None if self._cursor.accept("_") else self._operand()

    def _type(self) -> TensorType:
        cursor = self._cursor
        start = cursor.expect_kind(TokenKind.WORD)
        known = {dtype.value: dtype for dtype in DType}
        if start.text not in known:
            cursor.fail(
                "unknown-type",
                f"unknown element type `{start.text}`",
                start,
                help=suggest(start.text, known, what="element types"),
            )
        cursor.expect("[")
        shape = tuple(cursor.until("]", cursor.integer))
        quant = self._quant() if cursor.at("q") else None
        with cursor.showing("type", start):
            return TensorType(known[start.text], shape, quant)

    def _quant(self) -> QuantParams:
        cursor = self._cursor
        start = cursor.take()
        cursor.expect("(")
        if cursor.accept("axis"):
            cursor.expect("=")
            axis = cursor.integer()
            cursor.expect(",")
            scales = self._numbers(cursor.number, DType.F32)
            zero_points = self._numbers(cursor.integer, DType.I32) if cursor.accept(",") else None
        else:
            axis = None
            scales = [cursor.number()]
            cursor.expect(",")
            zero_points = [cursor.integer()]
        cursor.expect(")")
        with cursor.showing("quant", start):
            exact = QuantParams.per_axis(tuple(scales), 0).scales
            zeros = (0,) * len(exact) if zero_points is None else tuple(map(int, zero_points))
            return QuantParams(exact, zeros, axis)

    def _numbers(self, item: Callable[[], float], dtype: DType) -> list[float]:
        """A list spelt out, or named by the digest of a one-dimensional constant of `dtype`."""
        cursor = self._cursor
        token = cursor.next_token
        if token.kind is TokenKind.SYMBOL:
            cursor.take()
            with cursor.showing("constant", token):
                return ByDigest(token.text).numbers(dtype, self._constants)
        cursor.expect("[")
        return cursor.until("]", item)
