"""Look-up tables: how networks are cut into their parts, and what becomes of parts they lack."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from fpc.costmodel.kernels import KernelKind, work_of
from fpc.costmodel.tables.fbnet import read_fbnet
from fpc.costmodel.tables.inverted_residual import split as split_blocks
from fpc.costmodel.tables.operator import split as split_operators
from fpc.costmodel.tables.reader import read_table
from fpc.diagnostics.errors import CostModelError
from fpc.ir.graph import Graph
from fpc.zoo.builder import NetworkBuilder, Nonlinearity
from fpc.zoo.catalog import build, names
from fpc.zoo.inverted_residual import InvertedResidual
from fpc.zoo.ofa import ofa_proxyless

RELU, HARD_SWISH = Nonlinearity.RELU, Nonlinearity.HARD_SWISH


def blocks() -> Graph:
    """Every kind of part and every flag of a block."""
    b = NetworkBuilder("blocks")
    x = b.conv(b.input(3, 32, 32), 16, 3, stride=2, act=HARD_SWISH)
    x = InvertedResidual(16, 16, act=RELU).apply(b, x)
    x = InvertedResidual(24, 64, 5, 2, act=RELU, squeezed=16).apply(b, x)
    x = InvertedResidual(24, 72, 7, act=HARD_SWISH).apply(b, x)
    x = b.conv(x, 96, act=HARD_SWISH)
    x = b.conv(b.global_pool(x), 128, act=HARD_SWISH)
    return b.finish(b.dense(b.flatten(x), 10))


KEYS = """\
Conv-input:32x32x3-output:16x16x16: {mean: 1.0, std: 0.1}
expanded_conv-input:16x16x16-output:16x16x16-expand:16-kernel:3-stride:1-idskip:1-se:0-hs:0:
  {mean: 2.0, std: 0.1}
expanded_conv-input:16x16x16-output:8x8x24-expand:64-kernel:5-stride:2-idskip:0-se:1-hs:0:
  {mean: 3.0, std: 0.1}
expanded_conv-input:8x8x24-output:8x8x24-expand:72-kernel:7-stride:1-idskip:1-se:0-hs:1:
  {mean: 4.0, std: 0.1}
Conv_1-input:8x8x24-output:8x8x96: {mean: 5.0, std: 0.1}
AvgPool2D-input:8x8x96-output:1x1x96: {mean: 6.0, std: 0.1}
Conv_2-input:1x1x96-output:1x1x128: {mean: 7.0, std: 0.1}
Logits-input:1x1x128-output:10: {mean: 8.0, std: 0.1}
"""


def written(folder: Path, text: str, name: str = "board.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def not_read(path: Path) -> CostModelError:
    with pytest.raises(CostModelError) as caught:
        read_table(path, precision="int8")
    return caught.value


def not_found(path: Path, graph: Graph) -> CostModelError:
    table = read_table(path, precision="int8")
    with pytest.raises(CostModelError) as caught:
        table.predict(graph)
    assert caught.value.code == "cost.not-in-table"
    return caught.value


def test_every_part_is_looked_up_by_its_sizes_and_flags(tmp_path):
    found = read_table(written(tmp_path, KEYS), precision="int8").predict(blocks())
    assert [piece.latency_ms for piece in found.pieces] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found.latency_ms == 36.0
    assert found.interval_ms == pytest.approx((36 - 1.645 * 0.8, 36 + 1.645 * 0.8))


@pytest.mark.parametrize("line", range(8))
def test_a_part_that_is_not_in_the_table_is_no_zero(tmp_path, line):
    entries = KEYS.replace(":\n  {", ": {").splitlines()
    table = written(tmp_path, "\n".join(entries[:line] + entries[line + 1 :]))
    error = not_found(table, blocks())
    assert entries[line].partition("-")[0] in error.message
    assert "board.yaml" in error.message


def test_the_nearest_entries_are_named(tmp_path):
    text = KEYS.replace("expand:64-kernel:5", "expand:72-kernel:5")
    error = not_found(written(tmp_path, text), blocks())
    assert "64 channels inside, 5x5 with stride 2, squeeze-excite" in error.message
    assert "72 channels inside, 5x5 with stride 2, squeeze-excite" in error.notes[0]
    assert len(error.notes) == 3


def test_a_table_of_other_blocks_knows_no_other_nonlinearity(tmp_path):
    b = NetworkBuilder("silu")
    x = b.conv(b.input(3, 32, 32), 16, 3, stride=2)
    x = InvertedResidual(24, 64, 5, 2, act=Nonlinearity.SILU, squeezed=16).apply(b, x)
    not_found(written(tmp_path, KEYS), b.finish(x))


def test_several_images_at_a_time_are_refused(tmp_path):
    graph = Graph.parse(
        "graph @pair(%x: f32[2,8,4,4]) {\n  %y = relu(%x) : f32[2,8,4,4]\n  return %y\n}\n"
    )
    table = read_table(written(tmp_path, KEYS), precision="int8")
    with pytest.raises(CostModelError, match="one image at a time"):
        table.predict(graph)


@pytest.mark.parametrize("name", [*names()])
@pytest.mark.parametrize("split", [split_blocks, split_operators])
def test_every_kernel_of_every_network_is_in_exactly_one_piece(name, split):
    graph = build(name)
    held = [node for piece in split(graph) for node in piece.nodes]
    assert len(held) == len(set(held))
    missing = set(graph) - set(held)
    assert all(work_of(node).kind is KernelKind.FREE for node in missing)


def test_blocks_of_the_zoo_are_found_as_they_were_built():
    """MobileNetV2 has 17 blocks, MobileNetV3 Large 15, 8 of them with squeeze-excite."""
    parts = [piece.part for piece in split_blocks(build("mobilenet_v2"))]
    assert [part.kind for part in parts] == ["Conv", *["expanded_conv"] * 17, "Conv_1", "Logits"]
    assert sum(part.has_shortcut for part in parts) == 10
    parts = [piece.part for piece in split_blocks(build("mobilenet_v3_large"))]
    assert sum(part.kind == "expanded_conv" for part in parts) == 15
    assert sum(part.squeezes for part in parts) == 8


def test_note_10_networks_by_the_note_10_table(shared_data, capsys):
    """The authors name their networks by the latency that they measured.

    Those at 224 and 220 px have the widths of the tables; at 220 px maps from 28x28 on are those
    of 224 px, and there is no nearer table. The other networks for this phone are narrower.
    """
    from fpc.zoo import ofa_config

    folder = shared_data / "data" / "latency" / "ofa"
    table = read_table(folder / "note10_224.yaml", precision="float32")
    errors: list[float] = []
    for measured_ms in (30, 41, 50):
        [config] = (folder / "specialized").glob(f"note10_lat-{measured_ms}ms_*.net.config")
        found = table.predict(ofa_config.load(config, resolution=224))
        assert found.interval_ms[0] <= measured_ms <= found.interval_ms[1]
        errors.append(100 * abs(found.latency_ms / measured_ms - 1))
    assert sum(errors) / 3 <= 1.0
    [narrow] = (folder / "specialized").glob("note10_lat-22ms_*.net.config")
    with pytest.raises(CostModelError, match="Conv of 224x224x3 to 112x112x16"):
        table.predict(ofa_config.load(narrow))


def test_proxylessnas_subnets_by_their_table(shared_data):
    """Against the sum of the keys that the authors' code asks for, written out by hand."""
    import yaml

    path = shared_data / "data" / "latency" / "ofa" / "proxylessnas_mobile_trim.yaml"
    block = "expanded_conv-input:{}-output:{}-expand:{}-kernel:{}-stride:{}-idskip:{}".format
    stages = [(112, 16), (56, 24), (28, 40), (14, 80), (14, 96), (7, 192), (7, 320)]
    keys = [
        "Conv-input:224x224x3-output:112x112x32",
        block("112x112x32", "112x112x16", 1, 3, 1, 0),
        "Conv_1-input:7x7x320-output:7x7x1280",
        "Logits-input:7x7x1280-output:1000",
    ]
    for (before, narrow), (after, wide) in pairwise(stages):
        start, end = f"{before}x{before}x{narrow}", f"{after}x{after}x{wide}"
        keys.append(block(start, end, 3, 5, before // after, 0))
        keys += [block(end, end, 3, 5, 1, 1)] * (wide != 320)
    document = yaml.safe_load(path.read_text())
    found = read_table(path, precision="float32").predict(ofa_proxyless(5, 3, 2, width=1.0))
    assert found.latency_ms == pytest.approx(sum(document[key]["mean"] for key in keys))
    assert found.interval_ms is not None


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        ("[1, 2", "t.yaml", "cost.table-malformed"),
        ("- 1", "t.yaml", "cost.table-malformed"),
        ("Convolution of 3: {mean: 1.0}", "t.yaml", "cost.table-malformed"),
        ("expanded_conv-input:8x8x8-output:8x8x8: {mean: 1.0}", "t.yaml", "cost.table-malformed"),
        ("Conv-input:32x32x3-output:16x16x16: {mean: .nan}", "t.yaml", "cost.table-malformed"),
        ("Conv-input:32x32x3-output:16x16x16: {count: 3}", "t.yaml", "cost.table-malformed"),
        ("Conv-input:32-output:16x16: {mean: 1.0}", "t.yaml", "cost.table-malformed"),
        ("{", "t.json", "cost.table-malformed"),
        ("[3]", "t.json", "cost.table-malformed"),
        ('{"op_type": "Conv"}', "t.json", "cost.table-malformed"),
        ('{"op_type": "Int8FC", "input_shapes": []}', "t.json", "cost.table-malformed"),
        ("", "t.json", "cost.table-precision"),
        ("", "t.csv", "cost.table-format"),
    ],
)
def test_files_that_are_no_tables(tmp_path, text, name, code):
    error = not_read(written(tmp_path, text, name))
    assert error.code == code
    assert str(tmp_path / name) in error.message
    assert error.help


def test_a_table_that_is_not_there(tmp_path):
    assert not_read(tmp_path / "none.yaml").code == "cost.unreadable"


def caffe(name: str, *shapes: list[int], us: float, **others: object) -> dict[str, object]:
    return {"op_type": name, "op_args": [], "input_shapes": shapes, "microseconds": us, **others}


STEM = caffe(
    "Int8ConvRelu",
    *([1, 224, 224, 3], [32, 3, 3, 3], [32]),
    us=960.0,
    op_args=['name: "stride"\ni: 2\n', 'name: "order"\ns: "NHWC"\n'],
)
POINTWISE = caffe("Int8ConvRelu", [1, 112, 112, 32], [32, 1, 1, 32], [32], us=674.0)
DEPTHWISE = caffe("Int8Conv", [1, 112, 112, 32], [32, 3, 3, 1], [32], us=363.0)


def three_operators() -> Graph:
    b = NetworkBuilder("three")
    x = b.conv(b.input(3, 224, 224), 32, 3, stride=2, act=RELU)
    return b.finish(b.depthwise(b.conv(x, 32, act=RELU), 3))


def test_operators_by_the_records_that_the_readme_of_the_table_shows(tmp_path):
    """Figures of the Galaxy S8, in microseconds, from runtime_lut/README.md of mobile-vision."""
    lines = "\n".join(map(json.dumps, (STEM, POINTWISE, DEPTHWISE)))
    table = read_fbnet(written(tmp_path, lines, "s8.json"), "int8")
    found = table.predict(three_operators())
    assert found.latency_ms == pytest.approx(1.997)
    assert found.interval_ms is None
    assert table.notes


def test_operators_of_every_shape(tmp_path):
    """A layer after a pool takes the map as it is in Caffe2, and flat here."""
    b = NetworkBuilder("head")
    x = b.conv(b.input(3, 8, 8), 16, act=RELU)
    x = b.max_pool(b.add(x, b.conv(x, 16)), 3, 2)
    graph = b.finish(b.classifier(x, 10))
    records = [
        caffe("Int8ConvRelu", [1, 8, 8, 3], [16, 1, 1, 3], [16], us=1),
        caffe("Int8Conv", [1, 8, 8, 16], [16, 1, 1, 16], [16], us=10),
        caffe("Int8Sum", [1, 8, 8, 16], [1, 8, 8, 16], us=100),
        caffe("Int8MaxPool", [1, 8, 8, 16], us=1000, op_args={"kernel": 3, "stride": 2}),
        caffe("Int8AveragePool", [1, 4, 4, 16], us=10_000),
        caffe("Int8FC", [1, 1, 1, 16], [10, 16], [10], us=100_000),
    ]
    table = read_fbnet(written(tmp_path, json.dumps(records), "s8.json"), "int8")
    assert table.predict(graph).latency_ms == pytest.approx(111.111)


def test_a_list_of_records_with_percentiles_and_repetitions(tmp_path):
    spread = {"runtime_us_p10": 900.0, "runtime_us_p50": 950.0, "runtime_us_p90": 1000.0}
    records = [{**STEM, **spread}, {**STEM, **spread, "runtime_us_p50": 970.0}]
    records += [{**record, **spread} for record in (POINTWISE, DEPTHWISE)]
    table = read_fbnet(written(tmp_path, json.dumps(records), "s8.json"), "int8")
    found = table.predict(three_operators())
    assert found.latency_ms == pytest.approx((960 + 950 + 950) / 1e3)
    half = 3 * 1.645 * 100 / (2 * 1.2816) / 1e3
    assert found.interval_ms == pytest.approx((2.86 - half, 2.86 + half))


def test_float_operators_in_the_order_of_caffe2(tmp_path):
    """Without an `order` floats are NCHW, weights [out, in, height, width]."""
    records = [
        caffe("ConvRelu", [1, 3, 224, 224], [32, 3, 3, 3], us=1.0, op_args={"stride": 2}),
        caffe("ConvRelu", [1, 32, 112, 112], [32, 32, 1, 1], us=2.0),
        caffe("Conv", [1, 32, 112, 112], [32, 1, 3, 3], us=4.0),
        POINTWISE,
    ]
    table = read_fbnet(written(tmp_path, json.dumps(records), "s8.json"), "float32")
    assert table.predict(three_operators()).latency_ms == pytest.approx(0.007)


def test_an_operator_that_is_not_in_the_table(tmp_path):
    other = {**DEPTHWISE, "input_shapes": [[1, 56, 56, 32], [32, 3, 3, 1]]}
    lines = "\n".join(map(json.dumps, (STEM, POINTWISE, other)))
    error = not_found(written(tmp_path, lines, "s8.json"), three_operators())
    assert "Conv of 1x112x112x32, weights 32x3x3x1" in error.message
    assert any("1x56x56x32" in note for note in error.notes)
