"""What fpc compiles here runs on an emulated Cortex-A72 with the same bits.

Under LiteRT's default kernels this is so but for near-ties of means: ARM fuses a multiplication and
an addition that other machines round twice, and about one mean in a million comes out one apart.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fpc
from tests.backends.arm.emulator import run_on_arm, unavailable

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")

INVOKE = Path(__file__).parent / "arm" / "invoke.py"
DIGITS = Path(__file__).parents[2] / "examples" / "digits"
SAMPLES = 50


@cache
def int8_model(*, image_input: bool) -> bytes:
    """The digits classifier for `rpi4-arm`; with `image_input` it takes raw grey levels."""
    compiled = fpc.compile(
        DIGITS / "digits.onnx",
        target="rpi4-arm",
        precision="int8",
        calibration=DIGITS / "calibration.npz",
        preprocessing=fpc.Preprocessing(mean=(127.5,), std=(127.5,)),
        recipe="min-max",
        image_input=image_input,
    )
    return compiled.model


def outputs_here_and_on_arm(
    folder: Path, model: bytes, samples: NDArray[np.integer], kernels: str
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """What the model with one input and one output makes of the samples on the two machines."""
    model_path, inputs = folder / "model.tflite", folder / "inputs.npz"
    model_path.write_bytes(model)
    np.savez(inputs, **{"0": samples})
    here, arm = folder / "here.npz", folder / "arm.npz"
    subprocess.run(
        [sys.executable, INVOKE, model_path, inputs, here, kernels], check=True, timeout=300
    )
    run_on_arm(INVOKE, model_path, inputs, arm, kernels)
    return np.load(here)["0"], np.load(arm)["0"]


@pytest.mark.parametrize("kernels", ["default", "reference"])
def test_random_inputs_give_the_same_bits(tmp_path: Path, kernels: str) -> None:
    samples = np.random.default_rng(7).integers(-128, 128, (SAMPLES, 1, 16, 16, 1), np.int8)
    here, arm = outputs_here_and_on_arm(tmp_path, int8_model(image_input=False), samples, kernels)
    assert len(np.unique(here)) > SAMPLES / 2
    np.testing.assert_array_equal(arm, here)


@pytest.mark.parametrize("kernels", ["default", "reference"])
def test_images_give_the_same_bits_and_the_right_digits(tmp_path: Path, kernels: str) -> None:
    with np.load(DIGITS / "test.npz") as archive:
        images, labels = archive["images"][:SAMPLES, None], archive["labels"][:SAMPLES]
    here, arm = outputs_here_and_on_arm(tmp_path, int8_model(image_input=True), images, kernels)
    np.testing.assert_array_equal(arm, here)
    assert np.mean(arm.reshape(SAMPLES, 10).argmax(1) == labels) >= 0.96


def test_programs_see_a_raspberry_pi_4(tmp_path: Path) -> None:
    script = tmp_path / "machine.py"
    script.write_text(
        "import os, platform\n"
        "print(platform.machine())\n"
        "print(open('/proc/cpuinfo').read().count('0xd08'))\n"
        "print(open('/sys/devices/system/cpu/present').read().strip())\n"
    )
    assert run_on_arm(script).stdout.split() == ["aarch64", "4", "0-3"]


def test_a_failing_program_shows_its_error(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("raise SystemExit('the model has no inputs')\n")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1") as caught:
        run_on_arm(script)
    assert "the model has no inputs" in caught.value.stderr
    assert caught.value.stderr in caught.value.__notes__
