"""Measured feedback on this machine, from prices made wrong on purpose.

    python -m benchmarks.search.feedback [slow] [fast] [families] [kill]

Prices are first brought to what this machine takes today for the network that the shipped ones
choose, and are then made wrong: `slow` 1.3 times and `fast` 0.7 times what they should be,
`families` by another factor for every feature, `kill` as `slow`, with SIGKILL in the middle of the
measurements. What a search has chosen is then measured again, by itself and on other turns than
those it was chosen by. Keep the machine quiet meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fpc.costmodel.library import select, shipped
from fpc.costmodel.model import CostModel
from fpc.driver.measure.calibrate import calibration_config
from fpc.driver.search.bench import Bench, Latency, builder
from fpc.driver.search.best_network import Problem, SearchOptions, search
from fpc.driver.search.rounds import FeedbackOptions, search_by_measuring
from fpc.measure.litert.runner import LiteRtRunner
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Request, Timing
from fpc.search.journal import Journal
from fpc.search.space.description import Subnet
from fpc.search.space.encoding import decode, encode

_BUDGET_MS = 4.0
_WRONG = {"slow": 1.3, "fast": 0.7}
_SPREAD = (0.6, 1.5)
_AGAIN = 9
_KILLED_AFTER = 25
"""Lines of the journal: the first round is half done."""
_ROUNDS = 4


def main() -> None:
    """Search from every wrong start that was asked for."""
    asked = sys.argv[1:] or ["slow", "fast", "families", "kill"]
    today = prices_of_today()
    with tempfile.TemporaryDirectory(prefix="fpc-feedback-") as name:
        for start in asked:
            folder = Path(name, start)
            folder.mkdir()
            (folder / "wrong.json").write_text(made_wrong(today, start).to_json())
            print(f"\n{start}: {described(start)}", flush=True)
            started = time.perf_counter()
            report = killed_and_resumed(folder) if start == "kill" else finished(folder)
            show(report, time.perf_counter() - started)


def prices_of_today() -> CostModel:
    """The shipped prices, times what makes them right for one network."""
    model = select(shipped("host"), "host", precision="int8")
    found = search(SearchOptions(_BUDGET_MS, target="host"))
    latency = measured(found.candidate.subnet)
    factor = latency.ms / found.report.latency_ms
    print(f"{model.condition}; the shipped prices times {factor:.2f} are this machine's today")
    return scaled(model, np.full(len(model.prices), factor))


def made_wrong(model: CostModel, start: str) -> CostModel:
    """The prices of a wrong start."""
    count = len(model.prices)
    if start == "families":
        return scaled(model, np.random.default_rng(0).uniform(*_SPREAD, count))
    return scaled(model, np.full(count, _WRONG.get(start, _WRONG["slow"])))


def described(start: str) -> str:
    """What is wrong."""
    if start == "families":
        return f"every feature's price times another factor of {_SPREAD[0]} to {_SPREAD[1]}"
    killed = ", and killed in the middle" if start == "kill" else ""
    return f"all prices times {_WRONG.get(start, _WRONG['slow'])}{killed}"


def scaled(model: CostModel, factors: Sequence[float] | np.ndarray) -> CostModel:
    """The model with its prices multiplied."""
    prices = tuple(
        price.model_copy(update={"ns": price.ns * float(factor)})
        for price, factor in zip(model.prices, factors, strict=True)
    )
    return model.model_copy(update={"prices": prices})


def command(folder: Path, *words: str) -> list[str]:
    """The search, as a user types it."""
    return [
        *(sys.executable, "-m", "fpc", "search", "--target", "host", "--measure", "host"),
        *("--budget", f"{_BUDGET_MS}ms", "--rounds", str(_ROUNDS), "--jobs", "2", "--json"),
        *("--cost-model", str(folder / "wrong.json"), "--journal", str(folder / "journal.jsonl")),
        *words,
    ]


def finished(folder: Path, *words: str) -> dict[str, Any]:
    """The report of a search."""
    done = subprocess.run(command(folder, *words), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def killed_and_resumed(folder: Path) -> dict[str, Any]:
    """The report of a search that is killed once and resumed, and whether it is the right one."""
    journal = folder / "journal.jsonl"
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL)
    while not journal.exists() or len(journal.read_bytes().splitlines()) < _KILLED_AFTER:
        if process.poll() is not None:
            raise SystemExit("the search was over before it could be killed")
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = list(timings(journal))
    report = finished(folder, "--resume")
    after = list(timings(journal))
    twice = [place for place, count in Counter(place for place, _ in after).items() if count > 1]
    print(f"killed after {len(before)} measurements, resumed: {len(after)} in all, "
          f"{len(twice)} of them twice; kept {after[:len(before)] == before}")  # fmt: skip
    undisturbed = searched_from_record(folder, dict(after))
    same = all(report[name] == undisturbed[name] for name in report if name != "timings_ms")
    print(f"the same measurements without a kill give the same report: {same}", flush=True)
    return report


def timings(journal: Path) -> Iterator[tuple[tuple[str, int], Timing]]:
    """The finished measurements of a journal by network and turn."""
    for line in journal.read_text().splitlines():
        record = json.loads(line)
        if record.pop("kind") == "timing":
            place = record.pop("subnet"), record.pop("turn")
            condition, runs = Condition(**record.pop("condition")), tuple(record.pop("runs"))
            yield place, Timing(**record, condition=condition, runs=runs)


@dataclass
class Record:
    """Answers with the turns of a journal, one after the other."""

    turns: Mapping[tuple[str, int], Timing]
    given: Counter[str] = field(default_factory=Counter)

    def run(self, requests: Sequence[Request], _: MeasureConfig) -> Iterator[Timing | Failure]:
        """As a runner does."""
        for request in requests:
            yield self.turns[request.name, self.given[request.name]]
            self.given[request.name] += 1


def searched_from_record(folder: Path, turns: Mapping[tuple[str, int], Timing]) -> dict[str, Any]:
    """The report of an undisturbed search to which the same was measured."""
    options = SearchOptions(_BUDGET_MS, target="host", cost_model=folder / "wrong.json")
    feedback = FeedbackOptions(
        {"host": Record(turns)},
        _ROUNDS,
        build=lambda subnet: Request(encode(subnet), b"", "", "int8"),
    )
    return json.loads(search_by_measuring(options, feedback).report.to_json())


def measured(subnet: Subnet) -> Latency:
    """A network's latency now."""
    config = calibration_config(1, 120.0)
    space = Problem.of(SearchOptions(_BUDGET_MS, target="host")).space
    bench = Bench([LiteRtRunner()], config, builder(space, "host", 0, config), Journal(None, {}))
    bench.measure({subnet: _AGAIN})
    return bench.latencies[subnet]


def show(report: Mapping[str, Any], seconds: float) -> None:
    """A line a round, and what was reached."""
    feedback = report["feedback"]
    print(f"{'round':>5s} {'networks':>8s} {'first predicted':>15s} {'measured':>8s} "
          f"{'median error':>12s}")  # fmt: skip
    for each in feedback["rounds"]:
        first = each["trials"][0]
        error = each["error_percent"]
        print(f"{each['number']:5d} {len(each['trials']):8d} {first['predicted_ms']:13.3f}ms "
              f"{first['measured_ms']:6.3f}ms "
              + ("" if error is None else f"{error:10.1f} %"))  # fmt: skip
    again = measured(decode(report["subnet"]["text"]))
    low, high = feedback["measured_interval_ms"]
    state = "settled" if feedback["is_settled"] else f"not settled: {feedback['missed']}"
    print(f"{state}, {seconds:.0f} s; {report['subnet']['text']}")
    for what, latency_ms, ends in (
        (f"measured ({feedback['turns']} turns)", feedback["measured_ms"], (low, high)),
        (f"measured again ({again.turns} turns)", again.ms, again.interval_ms),
    ):
        off = 100.0 * (latency_ms / _BUDGET_MS - 1.0)
        print(f"  {what:26s} {latency_ms:.3f} ms, 95 % interval {ends[0]:.3f} to {ends[1]:.3f}, "
              f"{off:+.2f} % of the budget of {_BUDGET_MS:g} ms")  # fmt: skip
    noise = 100.0 * statistics.fmean((high - low, *np.diff(again.interval_ms))) / _BUDGET_MS / 2
    print(f"  noise: the intervals reach {noise:.2f} % to either side", flush=True)


if __name__ == "__main__":
    main()
