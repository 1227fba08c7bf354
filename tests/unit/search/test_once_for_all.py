"""Subnets as Once-for-All has them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fpc.costmodel.kernels import kernels_of
from fpc.diagnostics.errors import FpcError, SearchError
from fpc.search import catalog
from fpc.search.accuracy.table import accuracy_from_table
from fpc.search.once_for_all.net_config import net_config, run_config
from fpc.search.once_for_all.subnet import subnet_of_config, subnet_of_settings
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Space, Subnet
from fpc.search.space.network import build
from fpc.zoo import ofa_config

SPACES = ("ofa-mbv3", "ofa-proxyless")


def drawn(space: Space, seed: int) -> Subnet:
    random = np.random.default_rng(seed)
    stages = tuple(stage[int(random.integers(len(stage)))] for stage in choices_of(space))
    return Subnet(space.settings[random.integers(len(space.settings))], stages)


def settings_of(space: Space, subnet: Subnet, fill: int = 3) -> dict:
    """As `sample_active_subnet` gives them, with something for the blocks that are not there."""
    found: dict = {"ks": [], "e": [], "d": [], "r": [subnet.setting.resolution]}
    for stage, choice in zip(space.stages, subnet.stages, strict=True):
        blank = [fill] * (max(stage.depths) - len(choice.blocks))
        found["ks"] += [*(block.kernel for block in choice.blocks), *blank]
        found["e"] += [*(block.expansion for block in choice.blocks), *blank]
        if len(stage.depths) > 1:
            found["d"].append(len(choice.blocks))
    return found | {"wid": subnet.setting.width}


@pytest.mark.parametrize("name", SPACES)
def test_settings(name):
    space = catalog.load(name)
    for seed in range(10):
        subnet = drawn(space, seed)
        for fill in (3, 7):
            assert subnet_of_settings(json.dumps(settings_of(space, subnet, fill)), space) == subnet


@pytest.mark.parametrize("name", SPACES)
def test_configuration_files(name, tmp_path):
    space = catalog.load(name)
    for seed in range(10):
        subnet = drawn(space, seed)
        (tmp_path / "a.net.config").write_text(net_config(space, subnet) or "")
        (tmp_path / "a.run.config").write_text(run_config(subnet))
        assert subnet_of_config(tmp_path / "a.net.config", space) == subnet


def test_published_configurations(shared_data):
    """Whatever is of the space is the network that the zoo builds."""
    space, found = catalog.load("ofa-mbv3"), 0
    folder = shared_data / "data" / "latency" / "ofa" / "specialized"
    for file in sorted(folder.glob("*.net.config"))[::3]:
        try:
            subnet = subnet_of_config(file, space)
        except SearchError:
            continue
        found += 1
        kernels = (kernels_of(build(space, subnet)), kernels_of(ofa_config.load(file)))
        one, other = ([kernel.work for kernel in each] for each in kernels)
        assert one == other
    assert found >= 3


def test_table_with_every_way_to_write_a_subnet(tmp_path):
    space = catalog.load("ofa-mbv3")
    lines = ["subnet,top1_percent"]
    for seed in range(30):
        subnet = drawn(space, seed)
        top1 = 70 + sum(len(stage.blocks) for stage in subnet.stages) / 5
        if seed % 2:
            text = json.dumps(settings_of(space, subnet)).replace('"', '""')
            lines.append(f'"{text}",{top1}')
        else:
            (tmp_path / f"{seed}.net.config").write_text(net_config(space, subnet) or "")
            (tmp_path / f"{seed}.run.config").write_text(run_config(subnet))
            lines.append(f"{seed}.net.config,{top1}")
    table = tmp_path / "top1.csv"
    table.write_text("\n".join(lines) + "\n")
    assert accuracy_from_table(table, space, choices_of(space)).provenance.rows == 30


@pytest.mark.parametrize(
    ("subnet", "code"),
    [
        ('"{""ks"": 3}"', "search.subnet-text"),
        ('"{not json}"', "search.subnet-text"),
        ('"{""ks"": [3], ""e"": [3], ""d"": [2], ""r"": 224}"', "search.no-such-subnet"),
        ("none.net.config", "model.unreadable"),
        ("text.net.config", "model.net-config"),
        ("other.net.config", "search.no-such-subnet"),
    ],
)
def test_what_is_no_subnet_names_its_line(tmp_path, subnet, code):
    space, other = catalog.load("ofa-mbv3"), catalog.load("ofa-proxyless")
    (tmp_path / "text.net.config").write_text("resnet")
    (tmp_path / "other.net.config").write_text(net_config(other, drawn(other, 0)) or "")
    table = tmp_path / "top1.csv"
    table.write_text(f"subnet,top1_percent\n{subnet},72.8\n")
    with pytest.raises(FpcError) as refusal:
        accuracy_from_table(table, space, choices_of(space))
    assert refusal.value.code == code
    assert refusal.value.notes[0] == f"line 2 of {table}"
    assert refusal.value.help or code == "model.unreadable"
