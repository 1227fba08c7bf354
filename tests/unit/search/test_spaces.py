"""Spaces: the zoo's networks, to the kernel, and costs that are sums over stages."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import select, shipped
from fpc.diagnostics.errors import SearchError
from fpc.search import catalog
from fpc.search.costs.tables import cost_tables
from fpc.search.once_for_all.net_config import net_config, run_config
from fpc.search.space.choices import StageChoices, choices_of, subnets
from fpc.search.space.description import Space, StageChoice, Subnet, scaled
from fpc.search.space.encoding import decode, encode
from fpc.search.space.network import block_piece, build, head_piece, stem_piece
from fpc.zoo import fasternet, mnasnet, ofa_config
from fpc.zoo.builder import Nonlinearity
from fpc.zoo.foxpandanet import fox_nas
from fpc.zoo.ofa import ofa_mobilenet_v3, ofa_proxyless

CASES = 6


def drawn(space: Space, count: int = CASES) -> list[tuple[Subnet, list[int]]]:
    """Networks drawn evenly, with the places of their choices."""
    random = np.random.default_rng(0)
    choices = choices_of(space)
    found = []
    for _ in range(count):
        places = [int(random.integers(len(stage))) for stage in choices]
        setting = space.settings[random.integers(len(space.settings))]
        stages = tuple(stage[place] for stage, place in zip(choices, places, strict=True))
        found.append((Subnet(setting, stages), places))
    return found


def listed(stages: tuple[StageChoice, ...], what: str, most: tuple[int, ...]) -> list[int]:
    """What once-for-all's `set_active_subnet` takes: an entry for every block there could be."""
    return [
        int(value)
        for stage, count in zip(stages, most, strict=True)
        for value in [*(getattr(b, what) for b in stage.blocks), *(3,) * count][:count]
    ]


def from_zoo(space: Space, subnet: Subnet):
    (resolution, width), stages = subnet
    depths = [len(stage.blocks) for stage in stages]
    match space.name:
        case "fox-nas":
            return fox_nas(
                [[(b.expansion, b.kernel) for b in s.blocks] for s in stages], resolution
            )
        case "ofa-mbv3" | "ofa-proxyless":
            most = (4,) * 5 if space.name == "ofa-mbv3" else (*(4,) * 5, 1)
            make = ofa_mobilenet_v3 if space.name == "ofa-mbv3" else ofa_proxyless
            kernels, expansions = (listed(stages, what, most) for what in ("kernel", "expansion"))
            return make(kernels, expansions, depths[:5], width=width, resolution=resolution)
        case "mnasnet":
            of_stages = [
                mnasnet.Stage(b.expansion, b.kernel, depth, b.excites)
                for (b, *_), depth in zip((s.blocks for s in stages), depths, strict=True)
            ]
            return mnasnet.accel_nasbench(of_stages, resolution)
        case _:
            channels = round(40 * width)
            return fasternet._network("", channels, depths, Nonlinearity.RELU, resolution, None)


def works(graph):
    return [kernel.work for kernel in kernels_of(graph)]


@pytest.mark.parametrize("name", catalog.names())
def test_networks_are_those_of_the_zoo(name):
    space = catalog.load(name)
    for subnet, _ in drawn(space):
        assert works(build(space, subnet)) == works(from_zoo(space, subnet)), encode(subnet)


@pytest.mark.parametrize("name", catalog.names())
def test_pieces_make_the_network(name):
    space = catalog.load(name)
    for subnet, _ in drawn(space):
        piece = stem_piece(space, subnet.setting)
        found, parameters = list(piece.works), piece.parameters
        for stage, choice in zip(space.stages, subnet.stages, strict=True):
            channels = scaled(choice.channels, subnet.setting.width)
            for index, block in enumerate(choice.blocks):
                piece = block_piece(space, stage, block, channels, piece.shape, first=index == 0)
                found += piece.works
                parameters += piece.parameters
        head = head_piece(space, subnet.setting, piece.shape)
        graph = build(space, subnet)
        assert [*found, *head.works] == works(graph)
        assert parameters + head.parameters == sum(c.type.size for c in graph.constants)


@pytest.mark.parametrize("name", ["ofa-mbv3", "ofa-proxyless"])
def test_configurations_are_built_by_the_zoo(name, tmp_path):
    space = catalog.load(name)
    for subnet, _ in drawn(space):
        (tmp_path / "a.net.config").write_text(net_config(space, subnet) or "")
        (tmp_path / "a.run.config").write_text(run_config(subnet))
        assert works(ofa_config.load(tmp_path / "a.net.config")) == works(build(space, subnet))


def test_configuration_has_the_fields_of_published_ones(shared_data):
    folder = shared_data / "data" / "latency" / "ofa" / "specialized"
    published = json.loads((folder / "LG-G8_lat-16ms_top1-74.7_finetune-25.net.config").read_text())
    space = catalog.load("ofa-mbv3")
    written = json.loads(net_config(space, drawn(space, 1)[0][0]) or "")
    assert written.keys() == published.keys()
    for part in ("first_conv", "final_expand_layer", "feature_mix_layer", "classifier"):
        assert written[part].keys() == published[part].keys()
    for one, other in zip(written["blocks"][:3], published["blocks"][:3], strict=True):
        assert one.keys() == other.keys()
        assert one["mobile_inverted_conv"].keys() == other["mobile_inverted_conv"].keys()
        assert (one["shortcut"] or {}).keys() == (other["shortcut"] or {}).keys()
    fixed = ("first_conv", "final_expand_layer", "feature_mix_layer")
    assert [written[part] for part in fixed] == [published[part] for part in fixed]
    assert written["blocks"][0] == published["blocks"][0]


@pytest.mark.parametrize("name", ["fox-nas", "mnasnet", "fasternet"])
def test_other_spaces_have_no_configuration(name):
    space = catalog.load(name)
    assert net_config(space, drawn(space, 1)[0][0]) is None


@pytest.mark.parametrize("name", catalog.names())
@pytest.mark.parametrize("target", ["rpi4-arm", "fpga"])
def test_tables_add_up_to_the_prediction(name, target):
    space = catalog.load(name)
    choices = choices_of(space)
    model = select(shipped(target), target, precision="int8")
    for subnet, places in drawn(space):
        tables = cost_tables(space, subnet.setting, choices, model.kernel_ms)
        total, channels = tables.stem, next(iter(tables.stages[0]))
        for table, place, choice in zip(tables.stages, places, subnet.stages, strict=True):
            total += table[channels][place]
            channels = scaled(choice.channels, subnet.setting.width)
        total += tables.head[channels]
        predicted = model.predict(kernels_of(build(space, subnet))).latency_ms
        assert total == pytest.approx(predicted, rel=1e-12)


@pytest.mark.parametrize("name", catalog.names())
def test_text_and_places_read_back(name):
    space = catalog.load(name)
    choices = choices_of(space)
    for subnet, places in drawn(space):
        assert decode(encode(subnet)) == subnet
        found = [stage.index(choice) for stage, choice in zip(choices, subnet.stages, strict=True)]
        assert found == places


def test_order_of_further_blocks_does_not_matter():
    stage = choices_of(catalog.load("fox-nas"))[0]
    one, other = (decode(f"224px/24-e2k3-{tail}").stages[0] for tail in ("e6k7-e3k5", "e3k5-e6k7"))
    assert one != other
    assert stage.index(one) == stage.index(other)


def test_sizes_of_the_spaces():
    size = {name: subnets(choices_of(catalog.load(name))) for name in catalog.names()}
    assert size["fox-nas"] == 5448**5
    # Accel-NASBench: 3 expansions, 2 kernels, with SE or not, 1 to 3 blocks, once to 4.
    assert size["mnasnet"] == 36**6 * 48
    # Without the order of 1 to 3 further blocks of 9 kinds there are 9, 45 and 165.
    assert size["ofa-mbv3"] == (9 * (9 + 45 + 165)) ** 5


def test_stage_that_is_too_large_is_refused():
    stage = catalog.load("fox-nas").stages[0].model_copy(update={"depths": (20,)})
    with pytest.raises(SearchError, match="too large to search exactly"):
        StageChoices.of(stage)


@pytest.mark.parametrize(
    "text",
    ["", "224px", "224/24-e3k3", "224px/24", "224px/24-e3", "224px/24-e3k3/", "224px-w/24-e3k3"],
)
def test_text_that_is_no_subnet(text):
    with pytest.raises(SearchError, match="cannot read the subnet"):
        decode(text)


def test_network_outside_the_space_is_refused():
    stage = choices_of(catalog.load("mnasnet"))[0]
    for text in ("16-e3k3", "16-e4k7", "24-e4k3", "16-e4k3-e4k5", "16-e1k3-e1k3-e1k3-e1k3"):
        with pytest.raises(SearchError, match="the space has no stage") as refusal:
            stage.index(decode(f"224px/{text}").stages[0])
        assert "all blocks alike" in (refusal.value.help or "")
