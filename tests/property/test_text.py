"""Text and graphs say the same thing, for a thousand random graphs; no text crashes the parser."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from fpc.diagnostics.errors import ParseError, VerifyError
from fpc.diagnostics.render import render
from fpc.ir.graph import Graph
from fpc.ir.parser import parse_graph
from fpc.ir.printer import graph_constants, print_graph
from fpc.ir.verifier import verify
from tests.property.examples import for_all
from tests.property.graphs import graphs

PARTS = range(4)


@pytest.mark.parametrize("part", PARTS)
def test_print_and_parse_are_inverse(part):
    def check(graph):
        verify(graph)
        text = print_graph(graph, locations=True)
        again = parse_graph(text, graph_constants(graph))
        verify(again)
        assert print_graph(again, locations=True) == text
        for original, parsed in zip(graph.values(), again.values(), strict=True):
            assert (parsed.name, parsed.type) == (original.name, original.type)
            if original.is_constant:
                assert parsed.constant.digest == original.constant.digest
        assert [node.op for node in again] == [node.op for node in graph]

    for_all(graphs(), check, part=part, examples=250)


@pytest.mark.parametrize("part", PARTS)
def test_clones_are_equal_and_apart(part):
    def check(graph):
        text = print_graph(graph)
        copy = graph.clone()
        verify(copy)
        assert print_graph(copy) == text
        copy.set_outputs(copy.inputs)
        for node in reversed(copy.nodes):
            copy.erase(node)
        verify(copy)
        verify(graph)
        assert print_graph(graph) == text

    for_all(graphs(), check, part=part, examples=50)


FRAGMENTS = (
    *("%", "@", "{", "}", "(", ")", "[", "]", ",", ":", "=", "#", '"', "\\", "\n", "\t", " ", "-"),
    *("%x", "%conv2d", "@f00", "0", "-1", "1e400", "nan", "inf", "99999999999999999999", "0.5"),
    *("const", "return", "graph", "rand(seed=1)", "abstract", "none", "true", "relu6", "_", "q("),
    *("conv2d", "concat", "split", "reshape", "axis=0", "f32[]", "i8[2]", "q(0.1, 0)", "é", "\x00"),
    *("groups=0", "block=0", "strides=[0,0]", "kernel=[0,0]", "# loc", '# loc "a"'),
)


@st.composite
def mutated_texts(draw):
    """The text of a graph with some pieces cut, doubled, moved or replaced."""
    graph = draw(graphs(most_steps=5))
    text = print_graph(graph, locations=True)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:end] + text[start:]
            case 2:
                text = text[:start] + draw(st.sampled_from(FRAGMENTS)) + text[start:]
            case _:
                text = text[:start] + draw(st.sampled_from(FRAGMENTS)) + text[end:]
    return text, graph_constants(graph)


def parsed_or_refused(text, constants):
    try:
        return parse_graph(text, constants)
    except (ParseError, VerifyError) as error:
        return error


@pytest.mark.parametrize("part", PARTS)
def test_mutated_text_gives_a_graph_or_a_diagnostic(part):
    outcomes = {"graph": 0, "diagnostic": 0}

    def check(example):
        text, constants = example
        result = parsed_or_refused(text, constants)
        if isinstance(result, Graph):
            outcomes["graph"] += 1
            assert print_graph(result)
        else:
            outcomes["diagnostic"] += 1
            assert result.excerpt is not None
            assert render(result)

    for_all(mutated_texts(), check, part=part, examples=500)
    assert outcomes["diagnostic"] > 100
    assert outcomes["graph"] > 10
