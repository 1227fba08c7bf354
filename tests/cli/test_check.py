"""`fpc check` and `fpc targets`: where a model would run, and what fpc knows of a device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib

import pytest

from tests.cli.digits import MODEL
from tests.cli.invoke import refuse, succeed
from tests.cli.networks import pooled_and_resized, silu, two_inputs


def test_check_of_the_digits_network(golden):
    assert succeed("check", MODEL).out == golden


def test_check_of_the_digits_network_on_the_dsp(golden):
    assert succeed("check", MODEL, "--target", "dsp").out == golden


def test_check_of_every_node(tmp_path, golden):
    assert succeed("check", silu(tmp_path / "net.onnx"), "--all").out == golden


def test_check_of_what_tflite_writes_in_several_operators(tmp_path, golden):
    assert succeed("check", pooled_and_resized(tmp_path / "net.onnx")).out == golden


def test_names_are_printed_as_they_are(tmp_path):
    out = succeed("check", two_inputs(tmp_path / "net.onnx"), "--all").out
    assert "[conv]/:0:" in out
    assert "[bold]sum[/bold]" in out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_in_any_script_on_any_terminal(tmp_path, encoding):
    model = two_inputs(tmp_path / "net.onnx")
    content = model.read_bytes().replace(b"[conv]/:0:", "ночь.".encode() + b"0")
    model.write_bytes(content)

    def out(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fpc", "check", str(model), *words],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        return done.stdout.decode(encoding)

    shown = "ночь." if encoding == "utf-8" else r"\u043d\u043e\u0447\u044c."
    assert shown in out("--all")
    assert any(node["node"] == "ночь.0" for node in json.loads(out("--json"))["nodes"])


def test_json_holds_every_node_once():
    placement = succeed("check", MODEL, "--json").document
    text = succeed("check", MODEL).out
    off_path = [node for node in placement["nodes"] if node["effect"] is not None]
    fast = sum(node["is_fast"] for node in placement["nodes"])
    assert f"{fast} of {len(placement['nodes'])} nodes" in text
    assert {node["op"] for node in off_path} == {"hard_swish"}
    for node in off_path:
        assert f"  at {node['node']}\n" in text
        assert node["reason"] in text
        assert node["remedy"] in text


def test_sixteen_bits_leave_the_fast_path():
    placement = succeed("check", MODEL, "--int16", "--json").document
    assert not any(node["is_fast"] for node in placement["nodes"])


def test_check_names_a_broken_model(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model")
    message = refuse(1, "model.not-onnx", "check", tmp_path / "net.onnx")
    assert "net.onnx" in message


def test_list_of_targets(golden):
    lines = succeed("targets").out.splitlines()
    assert "\n".join(line.rstrip() for line in lines) + "\n" == golden


def test_targets_as_json_are_those_listed():
    listed = [line.split()[0] for line in succeed("targets").out.splitlines()[1:]]
    assert [target["name"] for target in succeed("targets", "--json").document] == listed
    assert succeed("targets", "rpi4-arm", "--json").document["name"] == "rpi4-arm"


def test_toml_of_a_target_is_its_own_file():
    assert tomllib.loads(succeed("targets", "rpi4-arm", "--toml").out)["name"] == "rpi4-arm"


def test_description_names_the_processor_and_every_remedy():
    out = succeed("targets", "rpi4-arm").out
    target = succeed("targets", "rpi4-arm", "--json").document
    assert target["hardware"]["processor"] in out


def test_unknown_target_lists_what_there_is():
    message = refuse(1, "target.unknown", "targets", "rpi4")
    assert "rpi4-arm" in message


def test_toml_needs_a_name():
    message = refuse(2, "usage.target-name", "targets", "--toml")
    assert "fpc targets rpi4-arm --toml" in message
