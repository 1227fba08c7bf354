"""`fpc zoo`: what it lists, and that what it writes is the network."""

from __future__ import annotations

import json

import onnx
import onnxruntime
import pytest

from fpc.zoo import names
from tests.cli.invoke import refuse, succeed

SMALL = ("mobilenet_v2", "--width", 0.35, "--resolution", 64)


def test_list_is_a_line_a_network():
    heading, *lines = succeed("zoo", "list").out.splitlines()
    assert heading.split()[:3] == ["network", "takes", "pixels"]
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert tuple(rows) == names()
    assert rows["mobilenet_v2"] == ["width", "224", "300.8", "3.49"]


def test_list_as_json_has_every_network():
    document = succeed("zoo", "list", "--json").document
    assert [network["name"] for network in document] == list(names())
    (v2,) = (network for network in document if network["name"] == "mobilenet_v2")
    assert v2["resolution"] == 224
    assert v2["options"] == ["width"]
    assert v2["multiply_adds"] == pytest.approx(300e6, rel=0.01)


def test_file_is_a_network_that_runs(tmp_path):
    file = tmp_path / "net.onnx"
    outcome = succeed("zoo", "build", *SMALL, "-o", file)
    assert outcome.out.endswith(f"{file}\n")
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = onnxruntime.InferenceSession(str(file))
    assert [value.shape for value in session.get_inputs()] == [[1, 3, 64, 64]]
    assert [value.shape for value in session.get_outputs()] == [[1, 1000]]
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_seed_decides_the_weights(tmp_path):
    made: list[bytes] = []
    for seed in (0, 0, 1):
        succeed("zoo", "build", *SMALL, "--seed", seed, "-o", tmp_path / "net.onnx")
        made.append((tmp_path / "net.onnx").read_bytes())
    assert made[0] == made[1] != made[2]


def test_json_says_what_was_built(tmp_path):
    file = tmp_path / "net.onnx"
    document = succeed("zoo", "build", *SMALL, "-o", file, "--json").document
    assert document["name"] == "mobilenet_v2"
    assert document["resolution"] == 64
    assert document["file"] == str(file)


def test_published_configuration(shared_data, tmp_path):
    folder = shared_data / "data" / "latency" / "ofa" / "specialized"
    config = folder / "flops-389M_top1-79.1_finetune-75.net.config"
    words = ("zoo", "build", config, "-o", tmp_path / "net.onnx", "--json")
    assert succeed(*words).document["multiply_adds"] == pytest.approx(389e6, rel=0.01)
    message = refuse(2, "usage.network-option", *words[:-1], "--width", 0.5)
    assert "leave --width out" in message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("usage.unknown-network", ("mobilnet_v2",)),
        ("usage.network-option", ("resnet18", "--width", 0.5)),
        ("usage.network-size", ("mobilenet_v2", "--width", "nan")),
        ("usage.network-size", ("mobilenet_v2", "--resolution", 0)),
    ],
)
def test_refusals(golden, tmp_path, code, words):
    file = tmp_path / "net.onnx"
    assert refuse(2, code, "zoo", "build", *words, "-o", file) == golden
    assert not file.exists()


def test_place_that_cannot_be_written(tmp_path):
    for file in (tmp_path, tmp_path / "nowhere" / "net.onnx"):
        message = refuse(2, "usage.output", "zoo", "build", *SMALL, "-o", file)
        assert str(file) in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "the file: Invalid JSON"),
        (json.dumps({"name": "ResNet"}), "name: Input should be 'MobileNetV3'"),
    ],
)
def test_file_that_is_no_configuration(tmp_path, content, problem):
    config = tmp_path / "net.config"
    config.write_text(content)
    message = refuse(1, "model.net-config", "zoo", "build", config, "-o", tmp_path / "net.onnx")
    assert problem in message


def test_configuration_that_is_not_there(tmp_path):
    refuse(1, "model.unreadable", "zoo", "build", tmp_path / "net.config", "-o", tmp_path / "x")
