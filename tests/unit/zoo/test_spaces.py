"""Networks from the rows and files that published latencies and sizes are about."""

from __future__ import annotations

import csv
import json

import pytest

from fpc.diagnostics.errors import ModelError
from fpc.ir.ops import Add, BatchNorm, GlobalAvgPool
from fpc.zoo import build, ofa_config
from fpc.zoo.mnasnet import Stage
from tests.unit.zoo.counts import assert_forms_agree, multiply_adds, operators, parameters


@pytest.fixture(scope="module")
def latency(shared_data):
    return shared_data / "data" / "latency"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_accel_nasbench_rows_have_the_published_size(latency):
    """Every 200th row, to the last operation.

    Its multiply-adds are what the counter `thop` counts: four operations a batch-normalised value
    and one for every value that a global average pool reads or writes come on top.
    """
    for row in rows_of(latency / "fpga_accel_nasbench_224px.csv")[::200]:
        stages = [
            Stage(
                int(row[f"block{number}_e"]),
                int(row[f"block{number}_k"]),
                int(row[f"block{number}_l"]),
                row[f"block{number}_se"] == "True",
            )
            for number in range(7)
        ]
        network = build("accel_nasbench", stages=stages, seed=0)
        extra = sum(4 * node.output.type.size for node in network.nodes_of(BatchNorm))
        extra += sum(
            node.input(0).type.size + node.output.type.size
            for node in network.nodes_of(GlobalAvgPool)
        )
        assert (multiply_adds(network) + extra) / 1e6 == pytest.approx(float(row["macs_m"]))
        assert parameters(network) / 1e6 == pytest.approx(float(row["params_m"]))


def test_fox_nas_holds_the_published_networks():
    """fpnet_dsp and the space describe the same blocks, expansion 7 apart from the grid."""
    stages = (
        ((3, 3), (3, 3)),
        ((3, 3),) * 3,
        ((3, 7), *((3, 3),) * 3),
        ((7, 3), (6, 3), (6, 3)),
        ((7, 7), *((7, 3),) * 3),
    )
    same = build("fox_nas", stages=stages, resolution=224)
    assert operators(same) == operators(build("fpnet_dsp"))


def test_fox_nas_rows_are_slower_the_more_they_compute(latency):
    """Spearman's rank correlation of multiply-adds and measured milliseconds at 256 pixels."""
    from scipy.stats import spearmanr

    rows = rows_of(latency / "rpi4_foxnas_256px.csv")
    networks = [
        build("fox_nas", stages=json.loads(row["stages_expand_kernel"])) for row in rows[::5]
    ]
    assert {network.inputs[0].type.shape for network in networks} == {(1, 3, 256, 256)}
    measured = [float(row["latency_ms"]) for row in rows[::5]]
    assert spearmanr(list(map(multiply_adds, networks)), measured).statistic > 0.9


@pytest.mark.parametrize("published", [389, 482, 595])
def test_ofa_files_have_the_size_in_their_name(latency, published):
    (path,) = (latency / "ofa" / "specialized").glob(f"flops-{published}M_*.net.config")
    network = ofa_config.load(path)
    assert multiply_adds(network) / 1e6 == pytest.approx(published, rel=0.002)
    assert_forms_agree(network, ofa_config.load(path, seed=0))


@pytest.mark.parametrize("kind", ["MobileNetV3", "ProxylessNASNets"])
def test_ofa_files_are_the_subnets_they_describe(latency, kind):
    """A file says every layer; depths, kernels and expansions read off it give the same network."""
    checked = 0
    for path in sorted((latency / "ofa" / "specialized").glob("*.net.config")):
        config = json.loads(path.read_text())
        if config["name"] != kind:
            continue
        checked += 1
        subnet = subnet_of(config)
        resolution = json.loads(path.with_name(path.name.replace(".net.", ".run.")).read_text())
        network = ofa_config.load(path)
        shortcuts = sum(block["shortcut"] is not None for block in config["blocks"])
        assert len(list(network.nodes_of(Add))) == shortcuts
        name = "ofa_mobilenet_v3" if kind == "MobileNetV3" else "ofa_proxyless"
        same = build(name, resolution=resolution["image_size"], **subnet)
        assert operators(network) == operators(same), path.name
    assert checked >= 10


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda blocks: blocks[1].update(shortcut={"name": "IdentityLayer"}), "a shortcut where"),
        (lambda blocks: blocks.pop(1), "takes 24 channels where 16 arrive"),
    ],
)
def test_ofa_file_that_contradicts_itself(latency, tmp_path, edit, problem):
    folder = latency / "ofa" / "specialized"
    config = json.loads(next(folder.glob("pixel1_lat-20ms*.net.config")).read_text())
    edit(config["blocks"])
    path = tmp_path / "odd.net.config"
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError) as raised:
        ofa_config.load(path)
    assert raised.value.code == "model.net-config"
    assert problem in raised.value.notes[0]


def subnet_of(config):
    """The lists of the authors' `set_active_subnet`; unused blocks get the smallest numbers."""
    blocks = [block["mobile_inverted_conv"] for block in config["blocks"][1:]]
    stages = []
    for block in blocks:
        if not stages or block["out_channels"] != stages[-1][-1]["out_channels"]:
            stages.append([])
        stages[-1].append(block)
    kernels, expansions = [], []
    for stage in stages[:5]:
        unused = 4 - len(stage)
        kernels += [block["kernel_size"] for block in stage] + [3] * unused
        expansions += [block["expand_ratio"] for block in stage] + [3] * unused
    for stage in stages[5:]:
        kernels += [block["kernel_size"] for block in stage]
        expansions += [block["expand_ratio"] for block in stage]
    stem = config["first_conv"]["out_channels"]
    return {
        "kernels": kernels,
        "expansions": expansions,
        "depths": [len(stage) for stage in stages[:5]],
        "width": {16: 1.0, 24: 1.2, 40: 1.3}[stem],
    }
