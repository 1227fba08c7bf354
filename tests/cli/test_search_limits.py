"""`fpc search` within limits beyond latency."""

from __future__ import annotations

import re

import pytest

from fpc.search import catalog
from tests.cli.evaluators import counts_blocks
from tests.cli.invoke import refuse, succeed


@pytest.fixture
def fox_nas(tmp_path, monkeypatch) -> tuple[str, str]:
    """The space at one resolution, and the words that search it."""
    monkeypatch.chdir(tmp_path)
    text = catalog.source("fox-nas")
    (tmp_path / "space.toml").write_text(re.sub(r"resolutions = .*", "resolutions = [224]", text))
    return "--space", "space.toml"


def test_network_within_limits(golden, fox_nas):
    words = ("search", "--budget", "94ms", *fox_nas)
    limits = ("--max-size", "6MB", "--max-macs", "240M", "--max-memory", "800kB", "--delegate-only")
    outcome = succeed(*words, *limits)
    lines = outcome.out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("front"))
    assert "\n".join([*lines[:start], outcome.err]) == golden
    found = succeed(*words, *limits, "--json").document
    assert found["limits"] == {
        "size_bytes": 6_000_000,
        "multiply_adds": 240_000_000,
        "memory_bytes": 800_000,
        "delegate_only": True,
    }
    assert all(found[what] <= most for what, most in found["limits"].items() if what in found)
    assert found["off_path"] == []
    free = succeed(*words, "--json").document
    assert free["top1_interval_percent"][0] > found["top1_interval_percent"][0]
    assert free["size_bytes"] > 6_000_000
    assert free["off_path"] == ["softmax"]
    assert free["limits"] is None


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--max-memory", "0.3MB"), id="memory"),
        pytest.param(("--max-size", "2.5MB"), id="size"),
        pytest.param(("--max-macs", "20M"), id="macs"),
        pytest.param(("--max-size", "3.33MB", "--max-macs", "80M"), id="size and macs"),
        pytest.param(("--max-macs", "100M", "--budget", "40ms"), id="budget"),
    ],
)
def test_impossible_limit_names_what_is_possible(golden, fox_nas, words):
    """And what is advised is enough."""
    asked = ("search", "--budget", "94ms", *fox_nas, *words)
    refusal = refuse(1, "search.infeasible", *asked)
    assert refusal == golden
    limit = re.search(r"(--max-\w+) (\S+),", refusal)
    budget = re.search(r"budget to (\S+) ms", refusal)
    advised = (limit[1], limit[2]) if limit else ("--budget", f"{budget[1]}ms") if budget else ()
    succeed(*asked, *advised, "--json")


def test_operators_that_no_network_is_without(golden, fox_nas):
    """The DPU has no gate of squeeze-excite, which stages have whatever one chooses."""
    refusal = refuse(
        1,
        "search.infeasible",
        "search",
        "--budget",
        "94ms",
        *fox_nas,
        "--target",
        "fpga",
        "--delegate-only",
    )
    assert refusal == golden


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--max-size", "4"),
        ("--max-size", "4 bananas"),
        ("--max-size", "-4MB"),
        ("--max-macs", "many"),
        ("--max-macs", "0"),
        ("--max-memory", "0kB"),
    ],
)
def test_limit_that_is_no_amount(golden, option, text):
    code = f"usage.{option.removeprefix('--')}"
    assert refuse(2, code, "search", "--budget", "94ms", option, text) == golden


def test_evolution_keeps_limits(tmp_path):
    """The evaluator refuses to judge what is beyond them."""
    pytest.importorskip("pymoo")
    words = ("search", "--budget", "94ms", "--space", "mnasnet", "--json", "--evaluations", 30)
    words = (*words, "--accuracy", counts_blocks(tmp_path))
    limits = ("--max-size", "2.5MB", "--max-macs", "180M", "--max-memory", "3MB")
    found = succeed(*words, *limits).document
    assert found["method"] == "evolutionary"
    assert found["size_bytes"] <= 2_500_000 < succeed(*words).document["size_bytes"]
    assert found["multiply_adds"] <= 180_000_000
    assert found["memory_bytes"] <= 3_000_000
