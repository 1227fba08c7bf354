"""`fpc search`: the network it finds, what it writes, and how it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
import runpy
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest

from fpc.search import catalog
from fpc.search.space.encoding import decode
from tests.cli.evaluators import counts_blocks
from tests.cli.invoke import refuse, succeed

SMALL = """
name = "small"
description = "four networks"
source = "a test"
resolutions = [32]
stem = [{ layer = "conv", channels = 8, kernel = 3, stride = 2 }]
head = [{ layer = "pool" }, { layer = "flatten" }, { layer = "dense", units = 10 }]

[[stage]]
channels = [8, 16]
stride = 2
depths = [1, 2]
expansions = [2, 4]
kernels = [3, 5]
"""


PARTIAL = SMALL.replace("[[stage]]", '[[stage]]\nblock = "partial-convolution"')


def test_network_for_a_budget(golden):
    outcome = succeed("search", "--budget", "94ms")
    assert outcome.out + outcome.err == golden


def test_document():
    found = succeed("search", "--budget", "60ms", "--target", "rpi4-arm", "--json").document
    assert found["budget_ms"] == 60.0
    assert found["evidence"] == "predicted"
    assert found["latency_ms"] <= 60.0
    low, high = found["latency_interval_ms"]
    assert low < found["latency_ms"] < high
    low, high = found["top1_interval_percent"]
    assert low < found["top1_percent"] < high
    assert found["prediction"]["latency_ms"] == found["latency_ms"]
    subnet = decode(found["subnet"]["text"])
    assert subnet.setting.resolution == found["subnet"]["resolution"]
    depths = [len(stage["blocks"]) for stage in found["subnet"]["stages"]]
    assert depths == [len(stage.blocks) for stage in subnet.stages]


def test_front_ascends_and_holds_the_choice():
    found = succeed("search", "--budget", "0.1s", "--json").document
    front = found["front"]
    latencies = [point["latency_ms"] for point in front]
    lows = [point["top1_interval_percent"][0] for point in front]
    assert latencies == sorted(latencies)
    assert lows == sorted(lows)
    chosen = max((p for p in front if p["latency_ms"] <= 100.0), key=lambda p: p["latency_ms"])
    assert chosen["subnet"] == found["subnet"]["text"]


def test_lower_end_and_prediction_are_two_aims():
    careful = succeed("search", "--budget", "94ms", "--json").document
    bold = succeed("search", "--budget", "94ms", "--maximise", "top1", "--json").document
    assert careful["top1_interval_percent"][0] >= bold["top1_interval_percent"][0]
    assert bold["top1_percent"] >= careful["top1_percent"]
    assert careful["promised"]["subnet"] == bold["subnet"]["text"]


def test_what_lies_outside_the_measured_range_is_said():
    beyond = succeed("search", "--budget", "300ms", "--json").document
    assert any("outside the measured range, 69.8 to 75.5 %" in note for note in beyond["notes"])
    boundless = succeed("search", "--budget", "1s", "--json").document
    assert any("whatever the budget" in note for note in boundless["notes"])
    elsewhere = succeed("search", "--budget", "60ms", "--json").document
    assert any("no network was measured at 192 px" in note for note in elsewhere["notes"])


def test_picture_of_the_front(tmp_path):
    pytest.importorskip("matplotlib")
    words = ("search", "--budget", "5ms", "--target", "fpga", "--space", "mnasnet")
    file = tmp_path / "front.svg"
    succeed(*words, "--plot", file)
    picture = file.read_text()
    assert picture.startswith("<?xml")
    assert "mnasnet on fpga" in picture
    refuse(2, "usage.plot", *words, "--plot", tmp_path / "front.jpeg2000")


def test_artifact_without_compilation(tmp_path):
    directory = tmp_path / "best"
    words = ("search", "--budget", "94ms", "-o", directory, "--no-compile", "--json")
    document = succeed(*words).document
    names = {path.name for path in directory.iterdir()}
    assert names == {"network.onnx", "network.py", "front.csv", "report.json"}
    assert json.loads((directory / "report.json").read_text()) == document
    assert any("drawn, not trained" in note for note in document["notes"])
    onnx.checker.check_model(onnx.load(directory / "network.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(str(directory / "network.onnx"))
    side = document["subnet"]["resolution"]
    assert session.get_inputs()[0].shape == [1, 3, side, side]
    rows = list(csv.DictReader(io.StringIO((directory / "front.csv").read_text())))
    assert [row["subnet"] for row in rows] == [point["subnet"] for point in document["front"]]


def test_compiled_artifact_of_a_users_space_and_table(tmp_path):
    """Twice into the same directory: an artifact may be replaced."""
    space, table = tmp_path / "small.toml", tmp_path / "measured.csv"
    space.write_text(SMALL)
    table.write_text(measurements())
    words = ("search", "--budget", "50ms", "--space", space, "--accuracy", table)
    for _ in range(2):
        document = succeed(*words, "-o", tmp_path / "best", "--json").document
    assert (tmp_path / "best" / "model.tflite").stat().st_size > 1000
    assert document["compilation"]["precision"] == "int8"
    assert document["compilation"]["prediction"]["latency_ms"] == document["latency_ms"]
    assert document["accuracy"]["evidence"] == "measured"
    # In this table top-1 grows with everything, and any network is fast enough.
    assert document["subnet"]["text"] == "32px/16-e4k5-e4k5"


def test_module_is_trained_exported_and_compiled(tmp_path):
    """From a budget to an int8 network that has been trained, if only for three steps."""
    torch = pytest.importorskip("torch")
    space, table = tmp_path / "small.toml", tmp_path / "measured.csv"
    space.write_text(SMALL)
    table.write_text(measurements())
    words = ("search", "--budget", "50ms", "--space", space, "--accuracy", table)
    found = succeed(*words, "-o", tmp_path / "best", "--no-compile", "--json").document
    definition = runpy.run_path(str(tmp_path / "best" / "network.py"))
    torch.manual_seed(0)
    model = definition["SmallSubnet"]()
    images, labels = torch.randn(20, 3, 32, 32), torch.arange(20) % 10
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's exporter that needs no further library
        definition["export"](model, str(tmp_path / "trained.onnx"))
    predicted = succeed("predict", tmp_path / "trained.onnx", "--json").document
    assert predicted["latency_ms"] == pytest.approx(found["latency_ms"])
    np.save(tmp_path / "images.npy", images.numpy())
    words = ("compile", tmp_path / "trained.onnx", "--target", "host", "--int8", "--json")
    options = ("--calib", tmp_path / "images.npy", "-o", tmp_path / "trained")
    assert succeed(*words, *options).document["verification"]["exact"]


def measurements() -> str:
    rows = ["subnet,top1_percent"]
    for channels in (8, 16):
        for first in BLOCKS:
            rows.append(f"32px/{channels}-{first},{quality(channels, first):.4f}")
            rows += [
                f"32px/{channels}-{first}-{other},{quality(channels, first, other):.4f}"
                for other in BLOCKS
            ]
    return "\n".join(rows) + "\n"


BLOCKS = ("e2k3", "e2k5", "e4k3", "e4k5")


def quality(channels: int, *blocks: str) -> float:
    size = sum(float(block[1]) + float(block[3]) for block in blocks)
    return 70.0 - 30.0 / (1.0 + channels / 16 + size / 8)


@pytest.mark.parametrize("budget", ["94 lightyears", "94", "-3ms", "0ms", "ms", ""])
def test_budget_that_is_no_time(golden, budget):
    assert refuse(2, "usage.budget", "search", f"--budget={budget}") == golden


def test_impossible_budget(golden):
    assert refuse(1, "search.infeasible", "search", "--budget", "4ms") == golden


def test_the_budget_that_an_impossible_one_is_told_to_become_is_enough():
    message = refuse(1, "search.infeasible", "search", "--budget", "4ms")
    found = re.search(r"raise the budget to (\S+) ms", message)
    assert found is not None
    report = succeed("search", "--budget", f"{found[1]}ms", "--json").document
    assert report["latency_ms"] <= float(found[1])


def test_unknown_space(golden):
    message = refuse(1, "search.unknown-space", "search", "--budget", "4ms", "--space", "fox-nos")
    assert message == golden


def test_space_without_accuracies(golden):
    words = ("search", "--budget", "94ms", "--space", "ofa-mbv3")
    assert refuse(1, "search.no-accuracy", *words) == golden


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("name =", id="syntax"),
        pytest.param("", id="empty"),
        pytest.param(SMALL.replace("[3, 5]", "[4]"), id="even kernel"),
        pytest.param(SMALL.replace("depths", "depth"), id="unknown key"),
        pytest.param(SMALL.replace("[32]", "[]"), id="no resolution"),
        pytest.param(SMALL.replace("[2, 4]", "[4, 2]"), id="not ascending"),
        pytest.param(SMALL.partition("[[stage]]")[0] + "stage = []\n", id="no stage"),
        pytest.param(SMALL.replace("[2, 4]", "[inf]"), id="infinite"),
        pytest.param(SMALL.replace('{ layer = "flatten" }, ', ""), id="dense on a map"),
        pytest.param(PARTIAL.replace("[8, 16]", "[2, 6]"), id="quarters"),
        pytest.param(PARTIAL.replace("[32]", "[1]"), id="too small"),
    ],
)
def test_malformed_space(golden, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.toml").write_text(text)
    words = ("search", "--budget", "94ms", "--space", "space.toml")
    assert refuse(1, "search.malformed-space", *words) == golden


HEADING = "subnet,top1_percent\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param("malformed-table", "", id="empty"),
        pytest.param("malformed-table", "network,accuracy\n", id="other columns"),
        pytest.param("malformed-table", f"{HEADING}32px/8-e2k3,good\n", id="no number"),
        pytest.param("subnet-text", f"{HEADING}resnet18,72.0\n", id="no subnet"),
        pytest.param("no-such-subnet", f"{HEADING}64px/8-e2k3,72.0\n", id="resolution"),
        pytest.param("no-such-subnet", f"{HEADING}32px/8-e2k3/8-e2k3,72.0\n", id="stages"),
        pytest.param("no-such-subnet", f"{HEADING}32px/8-e3k3,72.0\n", id="expansion"),
        pytest.param("too-few-rows", f"{HEADING}32px/8-e2k3,72.0\n", id="one row"),
        pytest.param("accuracy-range", HEADING + "32px/8-e2k3,172.0\n" * 20, id="beyond 100"),
        pytest.param("no-difference", HEADING + "32px/8-e2k3,72.0\n" * 20, id="constant"),
    ],
)
def test_malformed_table(golden, tmp_path, monkeypatch, code, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.toml").write_text(SMALL)
    (tmp_path / "top1.csv").write_text(text)
    words = ("search", "--budget", "9ms", "--space", "space.toml", "--accuracy", "top1.csv")
    assert refuse(1, f"search.{code}", *words) == golden


def test_shown_space_can_be_searched(tmp_path):
    shown = succeed("search", "--show-space", "fox-nas").out
    (tmp_path / "mine.toml").write_text(shown)
    assert catalog.load(str(tmp_path / "mine.toml")) == catalog.load("fox-nas")
    refuse(1, "search.unknown-space", "search", "--show-space", "fox")


def test_missing_files(tmp_path):
    words = ("search", "--budget", "94ms")
    refuse(1, "search.unreadable", *words, "--space", tmp_path / "none.toml")
    refuse(1, "search.unreadable", *words, "--accuracy", tmp_path / "none.csv")
    refuse(1, "cost.unreadable", *words, "--cost-model", tmp_path / "none.json")


def test_latency_that_is_no_sum_is_said():
    """The DSP's clock follows the load: short networks run at another pace."""
    found = succeed("search", "--budget", "3ms", "--target", "dsp", "--json").document
    assert found["latency_ms"] <= 3.0
    assert any("is no sum on this target" in note for note in found["notes"])
    found = succeed("search", "--budget", "5ms", "--target", "dsp", "--json").document
    assert 4.9 < found["latency_ms"] <= 5.0
    assert not any("is no sum on this target" in note for note in found["notes"])


def test_accelerator():
    words = ("search", "--budget", "5ms", "--target", "fpga", "--space", "mnasnet", "--json")
    found = succeed(*words).document
    assert found["latency_ms"] <= 5.0
    assert "ZCU102" in found["prediction"]["condition"]
    assert catalog.load("mnasnet").resolutions == (found["subnet"]["resolution"],)


def test_explanation_is_a_line_a_choice(golden):
    words = ("search", "--budget", "5ms", "--target", "fpga", "--space", "mnasnet")
    lines = succeed(*words, "--explain").out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("where"))
    found = succeed(*words, "--json").document["effects"]
    assert len(lines) - start - 1 == len(found)
    # A stage: 2 and 3 blocks for 1, expansions 4 and 6 for 1, kernel 5 for 3, SE for none.
    assert len(found) == 7 * 6 + 1
    assert "\n".join(lines[start : start + 7]) + "\n" == golden
    for effect in found:
        if effect["choice"] in ("expansion 1 to 6", "kernel 3 to 5"):
            assert effect["latency_ms"] > 0.0


def test_evaluator_of_the_users(tmp_path):
    pytest.importorskip("pymoo")
    (tmp_path / "small.toml").write_text(SMALL)
    words = ("search", "--budget", "94ms", "--space", tmp_path / "small.toml")
    command = counts_blocks(tmp_path)
    found = succeed(*words, "--accuracy", command, "--evaluations", 40, "--json").document
    assert found["method"] == "evolutionary"
    assert found["top1_evidence"] == found["accuracy"]["evidence"] == "measured"
    assert found["top1_percent"] == 52.0
    assert found["top1_interval_percent"] is None
    assert found["accuracy"]["rows"] <= 40
    shown = succeed(*words, "--accuracy", command, "--evaluations", 40)
    assert "top-1      52.0 % measured (top-1 by the evaluator)" in shown.out
    assert "does not prove that there is none better" in shown.err


def test_dead_evaluator(golden, tmp_path, monkeypatch):
    pytest.importorskip("pymoo")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    words = ("search", "--budget", "94ms", "--space", "small.toml", "--accuracy", "false")
    assert refuse(1, "search.evaluator", *words) == golden


def test_artifact_of_a_once_for_all_space(tmp_path):
    """Its `net.config` is one that `fpc zoo build` takes: the same network."""
    table = tmp_path / "top1.csv"
    rows = [f"{text},{70 + 5 * place / 20}" for place, text in enumerate(ofa_subnets(20))]
    table.write_text("\n".join(["subnet,top1_percent", *rows]) + "\n")
    directory = tmp_path / "best"
    words = ("search", "--budget", "60ms", "--space", "ofa-mbv3", "--accuracy", table)
    found = succeed(*words, "-o", directory, "--no-compile", "--json").document
    config = directory / "network.net.config"
    built = succeed("zoo", "build", config, "-o", tmp_path / "net.onnx", "--json").document
    assert built["resolution"] == found["subnet"]["resolution"]
    assert built["multiply_adds"] == found["multiply_adds"]
    assert found["subnet"]["width"] == 1.0
    assert "no network of width 1.2 was measured: it was left out" in found["notes"]
    assert any("ReLU6 where the network has hard-swish" in note for note in found["notes"])
    assert "Hardswish" not in (directory / "network.py").read_text()
    kept = succeed(*words, "-o", directory, "--no-compile", "--no-swap-activation", "--json")
    assert not any("network.py has" in note for note in kept.document["notes"])
    assert "Hardswish" in (directory / "network.py").read_text()


def ofa_subnets(count: int) -> list[str]:
    """Subnets of ever larger blocks at 160 and 224 px."""
    stages = ("24-e{}k{}-e{}k{}", "40-e{}k{}s-e{}k{}s", "80-e{}k{}-e{}k{}")
    deep = ("112-e{}k{}s-e{}k{}s", "160-e{}k{}s-e{}k{}s")
    found = []
    for number in range(count):
        block = (3, 4, 6)[number % 3], (3, 5, 7)[number // 3 % 3]
        resolution = (160, 224)[number % 2]
        parts = [stage.format(*block, *block) for stage in (*stages, *deep)]
        found.append("/".join([f"{resolution}px", *parts]))
    return found


def test_plot_in_a_place_that_is_not_there(golden, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "top1.csv").write_text(measurements())
    words = ("search", "--budget", "94ms", "--space", "small.toml", "--accuracy", "top1.csv")
    assert refuse(2, "usage.output", *words, "--plot", "nowhere/front.png") == golden
