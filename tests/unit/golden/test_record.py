"""Golden records: what they hold, what they notice, what they forgive."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from fpc.diagnostics.errors import FpcError
from fpc.diagnostics.render import render
from fpc.golden.check import check
from fpc.golden.noise import noise_inputs
from fpc.golden.record import GoldenRecord, record
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Constant
from fpc.ir.parser import parse_graph

INTEGER = """
graph @net(%x: i8[1,2,4,4] q(0.05, 3)) {
  %w = const rand(seed=1) : i8[3,2,3,3] q(axis=0, [0.01, 0.02, 0.03])
  %a = conv2d(%x, %w) : i8[1,3,2,2] q(0.05, -128) # loc "features.0"
  %b = max_pool(%a) {kernel=[2,2]} : i8[1,3,1,1] q(0.05, -128)
  %c = add(%b, %b) : i8[1,3,1,1] q(0.1, -128)
  %y = dequantize(%c) : f32[1,3,1,1]
  return %c, %y
}
"""

FLOAT = """
graph @net(%x: f32[1,2,4,4]) {
  %w = const rand(seed=1) : f32[3,2,3,3]
  %a = conv2d(%x, %w) : f32[1,3,2,2]
  %b = softmax(%a) {axis=1} : f32[1,3,2,2]
  return %b
}
"""


def replaced(graph, name, change):
    value = graph.find(name)
    value.constant = Constant(change(value.data.copy()))
    return graph


def test_inputs_are_bytes_of_shake128():
    graph = parse_graph(
        "graph @g(%a: f32[2,3], %b: i8[5], %c: i32[2], %d: bool[4]) { return %a, %b, %c, %d }"
    )
    a, b, c, d = noise_inputs(graph, seed=7, sample=2)
    stream = hashlib.shake_128(b"7/2/0").digest(6)
    np.testing.assert_array_equal(a.ravel(), [(byte - 128) / 64 for byte in stream])
    assert b.tobytes() == hashlib.shake_128(b"7/2/1").digest(5)
    assert c.astype("<i4").tobytes() == hashlib.shake_128(b"7/2/2").digest(8)
    assert set(d.tolist()) <= {True, False}
    assert [array.dtype.name for array in (a, b, c, d)] == ["float32", "int8", "int32", "bool"]
    assert not np.array_equal(a, noise_inputs(graph, seed=8, sample=2)[0])


def test_record_of_an_integer_graph(golden):
    assert record(parse_graph(INTEGER), seed=3, samples=2).to_json() == golden


def test_elements_are_what_the_interpreter_computes():
    graph = parse_graph(INTEGER)
    made = record(graph, seed=5, samples=2, numerics=Numerics.TFLITE_XNNPACK)
    expected = [
        run(graph, noise_inputs(graph, 5, sample), Numerics.TFLITE_XNNPACK)[0].ravel()
        for sample in range(2)
    ]
    assert made.outputs[0].elements == tuple(np.concatenate(expected).tolist())


def test_records_survive_json(tmp_path):
    for text in (INTEGER, FLOAT):
        made = record(parse_graph(text), samples=2)
        made.save(tmp_path / "deep" / "net.json")
        assert GoldenRecord.load(tmp_path / "deep" / "net.json") == made


@pytest.mark.parametrize("text", [INTEGER, FLOAT])
def test_an_unchanged_graph_passes(text):
    report = check(record(parse_graph(text), samples=3), parse_graph(text))
    assert report.is_unchanged
    assert str(report) == "unchanged"


def test_one_changed_bit_of_a_weight_is_found():
    def flip(data):
        data[0, 0, 0, 0] ^= 0x40
        return data

    before = parse_graph(INTEGER)
    report = check(record(before, samples=4), replaced(parse_graph(INTEGER), "w", flip))
    assert not report.is_unchanged
    assert report.first_layer.name == "a"
    assert report.first_layer.source == ("features.0",)
    assert report.stages == ("final",)
    assert [change.name for change in report.outputs] == ["c", "y"]
    assert 1 <= report.outputs[0].differing <= 4
    assert report.outputs[0].elements == 12
    assert "first changed layer: %a = conv2d (from features.0): its digest was" in str(report)
    assert "later layers changed too" in str(report)


def test_the_first_changed_layer_may_be_late():
    later = INTEGER.replace("%c = add(%b, %b)", "%c = mul(%b, %b)")
    report = check(record(parse_graph(INTEGER)), parse_graph(later))
    assert report.first_layer.name == "c"
    assert report.first_layer.op == "mul"


def test_a_change_that_no_output_shows_is_found():
    dead = INTEGER.replace("return", "%z = relu(%a) : i8[1,3,2,2] q(0.05, -128)\n  return")
    deader = dead.replace("relu(%a)", "relu6(%a)").replace("[1,3,2,2] q(0.05", "[1,3,2,2] q(0.025")
    report = check(record(parse_graph(dead)), parse_graph(deader))
    assert not report.is_unchanged
    appeared = check(record(parse_graph(INTEGER)), parse_graph(dead))
    assert str(appeared.first_layer) == "%z = relu: is new"
    vanished = check(record(parse_graph(dead)), parse_graph(INTEGER))
    assert str(vanished.first_layer) == "%z = relu: is gone"


def test_changed_interfaces_are_found():
    golden = record(parse_graph(INTEGER))
    fewer = parse_graph(INTEGER.replace("return %c, %y", "return %c"))
    assert str(check(golden, fewer)) == "output %y: is gone\nfirst changed stage: final"
    more = parse_graph(INTEGER.replace("return %c, %y", "return %c, %y, %b"))
    assert "output %b: is new" in str(check(golden, more))
    renamed = parse_graph(INTEGER.replace("%x", "%image"))
    assert "inputs were %x: i8[1,2,4,4] q(0.05, 3), now %image" in str(check(golden, renamed))


def test_floats_may_be_summed_in_another_order():
    golden = record(parse_graph(FLOAT))
    barely = replaced(parse_graph(FLOAT), "w", lambda data: data * np.float32(1 + 1e-6))
    assert check(golden, barely).is_unchanged
    more = replaced(parse_graph(FLOAT), "w", lambda data: data * np.float32(1.01))
    report = check(golden, more)
    assert report.first_layer.name == "a"
    assert report.outputs[0].differing > 0


def test_undefined_floats_are_noticed_and_kept(tmp_path):
    def spoil(data):
        data[0] = np.nan
        return data

    golden = record(parse_graph(FLOAT))
    spoilt = replaced(parse_graph(FLOAT), "w", spoil)
    assert not check(golden, spoilt).is_unchanged
    record(spoilt).save(tmp_path / "nan.json")
    assert check(GoldenRecord.load(tmp_path / "nan.json"), spoilt).is_unchanged


def test_stages_tell_where_a_change_came_in():
    imported, folded = parse_graph(FLOAT), parse_graph(FLOAT.replace("@net", "@folded"))
    graph = parse_graph(INTEGER)
    golden = record(graph, stages={"import": imported, "optimise": folded})
    assert list(golden.stages) == ["import", "optimise", "final"]
    report = check(golden, graph, stages={"import": imported, "optimise": imported})
    assert report.is_unchanged
    assert report.stages == ("optimise",)
    assert check(golden, graph).stages == ()


def test_outputs_may_come_from_another_runner():
    graph = parse_graph(INTEGER)
    inputs_seen = []

    def off_by_one(inputs):
        inputs_seen.append(inputs)
        integers, floats = run(graph, inputs)
        return integers ^ 1, floats

    golden = record(graph)
    report = check(golden, graph, runner=off_by_one)
    assert len(inputs_seen) == 1
    assert not report.layers
    assert str(report.outputs[0]) == "output %c: 3 of 3 elements differ, by at most 1"


def test_long_outputs_are_compared_by_digest():
    text = "graph @g(%x: i8[1,2000] q(1.0, 0)) { %y = relu(%x) : i8[1,2000] q(1.0, 0) return %y }"
    golden = record(parse_graph(text))
    assert golden.outputs[0].elements is None
    report = check(golden, parse_graph(text.replace("relu(", "relu6(")))
    assert "output %y: its digest was" in str(report)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="cut"),
        pytest.param(lambda text: text.replace('"format": 1', '"format": 2'), id="newer"),
        pytest.param(lambda text: text.replace('"seed": 0', '"seed": "x"'), id="mistyped"),
        pytest.param(lambda text: text.replace('"seed"', '"sead"'), id="misspelt"),
        pytest.param(lambda text: "[]", id="other-json"),
        pytest.param(lambda text: "\udcff", id="binary"),
    ],
)
def test_malformed_records(damage, tmp_path):
    path = tmp_path / "net.json"
    text = damage(record(parse_graph(INTEGER)).to_json())
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FpcError) as raised:
        GoldenRecord.load(path)
    assert raised.value.code == "parse.golden"
    assert str(path) in render(raised.value)


def test_missing_records(tmp_path):
    with pytest.raises(FpcError, match="cannot read the golden record"):
        GoldenRecord.load(tmp_path / "nothing.json")


def test_a_record_needs_a_sample():
    with pytest.raises(FpcError, match="at least one sample"):
        record(parse_graph(INTEGER), samples=0)


def test_json_is_a_layer_a_line():
    text = record(parse_graph(INTEGER)).to_json()
    assert json.loads(text)["graph"] == "net"
    assert sum('"op"' in line for line in text.splitlines()) == 4
