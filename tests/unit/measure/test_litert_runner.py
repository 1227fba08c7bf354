"""Measuring here: what is believed, and what becomes of models that are not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fpc.diagnostics.errors import FpcError, UsageError
from fpc.measure.device import device_name
from fpc.measure.litert.runner import LiteRtRunner
from fpc.measure.protocol import Failure, MeasureConfig, Timing
from tests.unit.measure.fixtures import INPUT, expected, request

QUICK = MeasureConfig(warm_up=1, warm_up_s=0.0, time_limit_s=0.05)


def program(folder: Path, text: str) -> LiteRtRunner:
    """A runner whose measuring program is `text`."""
    script = folder / "program.py"
    script.write_text(text)
    return LiteRtRunner((sys.executable, str(script)))


def only_failure(
    runner: LiteRtRunner, config: MeasureConfig = QUICK, **changes: object
) -> FpcError:
    [answer] = runner.run([replace(request(), **changes)], config)
    assert isinstance(answer, Failure)
    assert answer.error.model == "relu"
    return answer.error


def test_a_timing_says_everything_about_itself():
    [timing] = LiteRtRunner().run([request()], QUICK)
    assert isinstance(timing, Timing)
    assert QUICK.least_repeats <= len(timing.runs) <= QUICK.most_repeats
    assert timing.interval.low <= timing.median <= timing.interval.high
    assert min(timing.runs) <= timing.interval.low
    assert (timing.unit, timing.evidence, timing.precision) == ("ms", "measured", "float32")
    assert timing.condition.device == device_name()
    assert timing.condition.runtime.startswith("LiteRT 2.")
    assert timing.date.endswith("+00:00")
    assert timing.frames_per_second is not None
    assert 0 < timing.frames_per_second <= 1000 / min(timing.runs)


def test_workers_run_side_by_side():
    config = replace(QUICK, workers=3, threads=2)
    [timing] = LiteRtRunner().run([request()], config)
    assert isinstance(timing, Timing)
    assert (timing.condition.workers, timing.condition.threads) == (3, 2)
    assert len(timing.runs) >= 3 * QUICK.least_repeats
    assert timing.frames_per_second is not None


def test_one_bad_model_does_not_end_the_run():
    wrong = request("wrong", expected(0, 0, 1, 2))
    broken = replace(request("broken"), content=b"\0" * 100)
    answers = list(LiteRtRunner().run([wrong, request("right"), broken, request("last")], QUICK))
    assert [answer.name for answer in answers] == ["wrong", "right", "broken", "last"]
    assert [isinstance(answer, Timing) for answer in answers] == [False, True, False, True]
    codes = [answer.error.code for answer in answers if isinstance(answer, Failure)]
    assert codes == ["measure.wrong-outputs", "measure.litert-load"]


def test_wrong_outputs_say_how_wrong():
    error = only_failure(LiteRtRunner(), expected=expected(0, 0, 1, 2))
    assert error.code == "measure.wrong-outputs"
    assert "output 0 is off by up to 1" in error.notes
    assert any("numpy" in note for note in error.notes)


def test_a_dying_runner_is_a_failure(tmp_path):
    dies = "import os, sys; sys.stderr.write('about to die\\n'); sys.stderr.flush(); os.abort()"
    error = only_failure(program(tmp_path, dies))
    assert error.code == "measure.runner-died"
    assert "SIGABRT" in error.message
    assert "about to die" in error.notes
    error = only_failure(program(tmp_path, "raise SystemExit(3)"))
    assert error.code == "measure.runner-died"
    assert "exit status 3" in error.message


def test_a_hanging_runner_is_a_failure(tmp_path):
    config = replace(QUICK, timeout_s=0.5)
    error = only_failure(program(tmp_path, "import time; time.sleep(60)"), config)
    assert error.code == "measure.timeout"
    assert "0.5 s" in error.message


@pytest.mark.parametrize(
    "answer",
    ["", "{", "{}", '{"runtime": "x", "runs": [0.0], "frames_per_second": null}', "[1]"],
)
def test_an_unreadable_answer_is_a_failure(tmp_path, answer):
    text = (
        "import sys, pathlib\n"
        f"pathlib.Path(sys.argv[1], 'result.json').write_text({answer!r})\n"
        "pathlib.Path(sys.argv[1], 'outputs.npz').write_bytes(b'')\n"
    )
    assert only_failure(program(tmp_path, text)).code == "measure.runner-answer"


def test_reference_kernels_are_an_oracle_of_their_own():
    [output] = LiteRtRunner().outputs(request().content, [INPUT], QUICK)
    np.testing.assert_array_equal(output, np.maximum(INPUT, 0))


def test_a_processor_that_is_absent_is_a_usage_error():
    with pytest.raises(UsageError, match="9999") as caught:
        list(LiteRtRunner().run([request()], replace(QUICK, processors=(9999,))))
    assert caught.value.code == "usage.pin"


@pytest.mark.parametrize(
    "changes",
    [
        {"threads": 0},
        {"workers": 0},
        {"warm_up": -1},
        {"least_repeats": 5},
        {"relative_interval": 0.0},
        {"time_limit_s": float("nan")},
        {"warm_up_s": -1.0},
        {"least_time_s": -1.0},
        {"least_repeats": 1001},
        {"timeout_s": 5.0},
    ],
)
def test_configurations_that_make_no_sense(changes):
    with pytest.raises(UsageError):
        MeasureConfig(**changes)


def test_a_device_is_called_by_its_processor(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nCPU part : 0xd08\n\nModel\t: Raspberry Pi 4  Model B\n")
    assert device_name(file).startswith("Raspberry Pi 4 Model B (")
    assert device_name(tmp_path / "absent", tmp_path / "absent")
    file.write_text("processor : 0\nCPU part : 0xd05\n")
    board = tmp_path / "model"
    board.write_bytes(b"D-Robotics RDK X5 V1.0\0")
    assert device_name(file, board).startswith("D-Robotics RDK X5 V1.0 (")
