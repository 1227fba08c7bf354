"""Evolutionary search and evaluators: genomes, the exact search's bound, and commands that fail."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from fpc.costmodel.library import select, shipped
from fpc.diagnostics.errors import InfeasibleError, MissingBackendError, SearchError
from fpc.diagnostics.render import render
from fpc.search import catalog
from fpc.search.accuracy.evaluator import Evaluator
from fpc.search.accuracy.resolution import shipped_effect
from fpc.search.costs.space import Costs
from fpc.search.evolution import evolved_front
from fpc.search.exact import ExactSearch
from fpc.search.genome import GenomeLayout
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Subnet
from fpc.search.space.encoding import as_data, decode, encode

SUBNET = decode("224px/16-e4k3")


def costs_of(name: str, target: str) -> Costs:
    space = catalog.load(name)
    pricing = select(shipped(target), target, precision="int8").kernel_ms
    return Costs.of(space, choices_of(space), pricing)


@pytest.mark.parametrize("name", catalog.names())
def test_genes_say_the_network(name):
    space = catalog.load(name)
    choices = choices_of(space)
    layout = GenomeLayout(space.settings, choices)
    random = np.random.default_rng(0)
    for _ in range(20):
        picks = [int(random.integers(len(stage))) for stage in choices]
        setting = int(random.integers(len(space.settings)))
        genes = layout.genes(setting, picks)
        assert len(genes) == len(layout.alternatives)
        assert (np.array(genes) < layout.alternatives).all()
        stages = tuple(stage[pick] for stage, pick in zip(choices, picks, strict=True))
        assert layout.subnet(genes) == Subnet(space.settings[setting], stages)


@pytest.mark.parametrize("name", catalog.names())
def test_any_genes_are_a_network_of_the_space(name):
    space = catalog.load(name)
    choices = choices_of(space)
    layout = GenomeLayout(space.settings, choices)
    random = np.random.default_rng(0)
    for _ in range(20):
        subnet = layout.subnet(random.integers(layout.alternatives).tolist())
        assert subnet.setting in space.settings
        for stage, choice in zip(choices, subnet.stages, strict=True):
            assert stage[stage.index(choice)] == choice


def test_the_fastest_network():
    costs = costs_of("fasternet", "rpi4-arm")
    setting, picks = costs.fastest()
    layout = GenomeLayout(costs.settings, costs.choices)
    assert layout.subnet(layout.genes(setting, picks)) == Subnet(
        min(costs.settings), tuple(choices[0] for choices in costs.choices)
    )


def test_evolution_comes_close_to_the_exact_search_and_never_beyond():
    pytest.importorskip("pymoo")
    space = catalog.load("mnasnet")
    costs = costs_of("mnasnet", "fpga")
    model = catalog.shipped_accuracy(space)
    exact = ExactSearch.of(space, costs, model, shipped_effect()).front("top1").best(5.0)
    scores = model.scores(costs.choices)
    asked: list[Subnet] = []

    def top1(subnet: Subnet) -> float:
        asked.append(subnet)
        places = [c.index(s) for c, s in zip(costs.choices, subnet.stages, strict=True)]
        index = model.intercept + sum(s.index[p] for s, p in zip(scores, places, strict=True))
        return float(model.ceiling - np.exp(-index))

    front = evolved_front(costs, top1, 5.0, evaluations=1500)
    assert len(asked) == len(set(asked)) <= 1500
    assert all(costs.latency_ms(subnet) <= 5.0 for subnet in asked)
    assert [c.latency_ms for c in front] == sorted(c.latency_ms for c in front)
    assert [c.top1 for c in front] == sorted(c.top1 for c in front)
    assert exact.top1 - 0.8 <= front[-1].top1 <= exact.top1
    assert evolved_front(costs, top1, 5.0, evaluations=1500) == front


def test_small_space_is_known_before_the_evaluations_are_used_up():
    pytest.importorskip("pymoo")
    costs = costs_of("fasternet", "rpi4-arm")
    small = costs.limited_to(costs.settings[:1])
    count = 3 * 3 * 6 * 2
    asked: list[Subnet] = []

    def depth(subnet: Subnet) -> float:
        asked.append(subnet)
        return float(sum(len(stage.blocks) for stage in subnet.stages))

    front = evolved_front(small, depth, 1e9, evaluations=10 * count)
    assert len(asked) <= count
    assert front[-1].top1 == 3 + 4 + 18 + 3


def test_impossible_budget_names_the_fastest():
    pytest.importorskip("pymoo")
    costs = costs_of("fasternet", "rpi4-arm")
    with pytest.raises(InfeasibleError) as refusal:
        evolved_front(costs, lambda _: 50.0, 0.1, evaluations=10)
    assert "160px/40-e2k3/80-e2k3-e2k3/" in refusal.value.notes[0]


def test_missing_library(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingBackendError, match="pymoo is not installed") as refusal:
        evolved_front(costs_of("fasternet", "rpi4-arm"), lambda _: 50.0, 94.0, evaluations=10)
    assert refusal.value.exit_status == 3


def judge(folder: Path, *lines: str) -> Evaluator:
    script = folder / "judge.py"
    script.write_text("import json, sys, time\nsubnet = json.load(sys.stdin)\n" + "\n".join(lines))
    return Evaluator(f"'{sys.executable}' '{script}'", "mnasnet", timeout_s=60.0)


def test_evaluator_gets_the_subnet_and_is_asked_once(tmp_path):
    record = tmp_path / "asked"
    evaluator = judge(
        tmp_path,
        f"open({str(record)!r}, 'a').write(json.dumps(subnet) + chr(10))",
        "print('epoch 1')",
        "print(70 + subnet['resolution'] / 1000)",
    )
    assert evaluator(SUBNET) == evaluator(SUBNET) == 70.224
    (line,) = record.read_text().splitlines()
    assert json.loads(line) == as_data("mnasnet", SUBNET)
    assert json.loads(line)["text"] == encode(SUBNET)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (("sys.exit('no dataset')",), "ended with status 1"),
        (("print('good')",), "printed `good`, which is no percentage"),
        (("print(712)",), "printed `712`"),
        (("print(float('nan'))",), "printed `nan`"),
        ((), "printed ``"),
    ],
)
def test_evaluator_that_fails(tmp_path, lines, problem):
    with pytest.raises(SearchError) as refusal:
        judge(tmp_path, *lines)(SUBNET)
    assert refusal.value.code == "search.evaluator"
    text = render(refusal.value)
    assert problem in text
    assert "for 224px/16-e4k3" in text
    assert ("no dataset" in text) == (lines == ("sys.exit('no dataset')",))


def test_evaluator_that_hangs_or_is_not_there(tmp_path):
    sleeping = judge(tmp_path, "time.sleep(60)")
    with pytest.raises(SearchError, match=r"took longer than 0\.5 s"):
        Evaluator(sleeping.command, "mnasnet", timeout_s=0.5)(SUBNET)
    for command in ("/nowhere/judge", "'unclosed", ""):
        with pytest.raises(SearchError, match="cannot be run"):
            Evaluator(command, "mnasnet")(SUBNET)
