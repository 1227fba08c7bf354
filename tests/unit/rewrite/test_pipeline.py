"""Passes as text, and pipelines that watch what each pass does."""

import enum
from dataclasses import dataclass
from typing import ClassVar

import pytest

from fpc.diagnostics.errors import ParseError, PassError, VerifyError
from fpc.diagnostics.location import Location
from fpc.diagnostics.render import render
from fpc.ir.graph import Graph
from fpc.ir.op import Layout
from fpc.ir.ops import BatchNorm, MaxPool, Quantize, Relu, Relu6, Sigmoid
from fpc.ir.types import QuantParams, f32
from fpc.rewrite.invariants import FLOAT, NCHW, NHWC, NO_BATCH_NORM
from fpc.rewrite.passes import Declined, Pass, RewritePass
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline, print_pass, print_pipeline


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Paint(Pass):
    name: ClassVar[str] = "paint"

    colour: Colour = Colour.RED
    sites: tuple[str, ...] = ()
    depth: int = 2
    share: float = 0.5
    wet: bool = False
    label: str | None = None

    def apply(self, rewriter):
        return ()


@dataclass(frozen=True)
class Needy(Pass):
    name: ClassVar[str] = "needy-pass"
    how_many: int

    def apply(self, rewriter):
        return ()


@dataclass(frozen=True)
class Six(RewritePass):
    """relu becomes relu6, but never the one called `keep`."""

    name: ClassVar[str] = "six"
    roots: ClassVar = (Relu,)

    def rewrite(self, node, rewriter):
        if node.output.name == "keep":
            return Declined("it is to be kept")
        rewriter.replace(node, Relu6(), node.input(0))
        return None


MANIFEST = {"paint": lambda: Paint, "needy-pass": lambda: Needy, "six": lambda: Six}

TEXTS = [
    "paint",
    "paint{colour=green}",
    "paint{sites=[a, b], depth=3}",
    "paint{sites=[]}",
    "paint{share=0.25, wet=true, label=x}",
    "six,paint{depth=-1},needy-pass{how-many=4}",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip(text):
    passes = parse_pipeline(text, MANIFEST)
    assert parse_pipeline(print_pipeline(passes), MANIFEST) == passes


def test_defaults_are_left_out():
    (step,) = parse_pipeline(
        "paint{ colour = red, depth=3, wet=false, label=none, sites=a }", MANIFEST
    )
    assert step == Paint(depth=3, sites=("a",))
    assert print_pass(step) == "paint{sites=[a], depth=3}"


MALFORMED = [
    "pant",
    "paint{color=red}",
    "six{depth=1}",
    "paint{colour=blue}",
    "paint{depth=deep}",
    "paint{wet=maybe}",
    "needy-pass",
    "paint six",
    "paint{depth}",
    "paint{depth=1",
    ",",
]


def test_malformed_texts(golden):
    texts = []
    for text in MALFORMED:
        with pytest.raises(ParseError) as caught:
            parse_pipeline(text, MANIFEST)
        texts.append(render(caught.value))
    assert "\n\n".join(texts) + "\n" == golden


def relus(*names):
    graph = Graph("g")
    value = graph.add_input("x", f32(1, 4))
    for name in names:
        value = graph.add(Relu(), value, name=name, location=Location.of(f"at {name}")).output
    graph.set_outputs([value])
    return graph


def test_records():
    graph = relus("a", "keep", "b")
    watched = []
    pipeline = Pipeline((Six(), Paint(), Six()))
    records = pipeline.run(graph, lambda step, result: watched.append((step.name, len(result))))
    assert watched == [("six", 3), ("paint", 3), ("six", 3)]
    assert [record.modified for record in records] == [True, False, False]
    assert [record.text for record in records] == ["six", "paint", "six"]
    (declined,) = records[0].declined
    assert declined == Declined("it is to be kept", Location.of("at keep"))
    assert records[2].edits == 0
    assert all(record.duration_ms >= 0 for record in records)
    assert str(pipeline) == "six,paint,six"


@dataclass(frozen=True)
class Restless(RewritePass):
    name: ClassVar[str] = "restless"
    roots: ClassVar = (Relu,)

    def rewrite(self, node, rewriter):
        rewriter.replace(node, Relu(), node.input(0))


@dataclass(frozen=True)
class Broken(Pass):
    name: ClassVar[str] = "broken"

    def apply(self, rewriter):
        raise VerifyError("shape", "it went wrong")


@dataclass(frozen=True)
class Deep(Pass):
    name: ClassVar[str] = "deep"

    def apply(self, rewriter):
        return self.apply(rewriter)


def test_a_pass_that_never_ends_is_stopped():
    with pytest.raises(PassError, match="still changes the graph after 64 rounds"):
        Restless().run(relus("a"))


def test_errors_say_which_pass_and_what_ran_before():
    with pytest.raises(VerifyError) as caught:
        Pipeline((Six(), Paint(), Broken())).run(relus("a"))
    assert caught.value.notes == ("in pass broken, after six",)
    with pytest.raises(PassError, match="recursed too deeply"):
        Pipeline((Deep(),)).run(relus("a"))


def quantised():
    graph = relus("a")
    made = graph.add(Quantize(), graph.outputs[0], quant=QuantParams.per_tensor(1.0))
    graph.set_outputs([made.output])
    return graph


def normalised():
    graph = relus("a")
    four = [graph.add_input("p", f32(4)) for _ in range(4)]
    made = graph.add(BatchNorm(), graph.outputs[0], *four)
    graph.set_outputs([made.output])
    return graph


def pooled(layout):
    graph = Graph("g")
    x = graph.add_input("x", f32(1, 4, 4, 4))
    graph.set_outputs([graph.add(MaxPool((2, 2), layout=layout), x).output])
    return graph


INVARIANTS = [
    (FLOAT, quantised, "%quantize is quantised"),
    (NO_BATCH_NORM, normalised, "is left"),
    (NCHW, lambda: pooled(Layout.NHWC), "is nhwc"),
    (NHWC, lambda: pooled(Layout.NCHW), "is nchw"),
]


@pytest.mark.parametrize(("invariant", "broken", "message"), INVARIANTS)
@pytest.mark.parametrize("moment", ["requires", "ensures"])
def test_invariants(invariant, broken, message, moment):
    @dataclass(frozen=True)
    class Careful(Paint):
        requires: ClassVar = (invariant,) if moment == "requires" else ()
        ensures: ClassVar = (invariant,) if moment == "ensures" else ()

    assert invariant.violation(relus("a")) is None
    with pytest.raises(PassError, match=message) as caught:
        Careful().run(broken())
    assert f"paint {moment} a graph that is {invariant.name}" in caught.value.message


def test_rewrites_are_tried_on_their_roots_only():
    graph = relus("a")
    made = graph.add(Sigmoid(), graph.outputs[0])
    graph.set_outputs([made.output])
    assert Six().run(graph).modified
    assert [node.op.mnemonic for node in graph] == ["relu6", "sigmoid"]
