"""Samples are split: what calibrates, what is walked, what is kept to judge."""

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.quant.calibration.holdout import split_samples


def numbered(count):
    return [(np.full((1, 2), float(i), np.float32),) for i in range(count)]


def numbers(samples):
    return [int(sample[0].flat[0]) for sample in samples]


def test_every_fifth_sample_is_kept_out_of_calibration():
    split = split_samples(numbered(100), None, 30)
    assert len(split.holdout) == 20
    assert len(split.calibration) == len(list(split.calibration)) == 80
    assert not set(numbers(split.calibration)) & set(numbers(split.holdout))
    calibration = numbers(split.calibration)
    assert [calibration[p] for p in sorted(split.walked_positions)] == numbers(split.walked)
    assert len(split.walked) == 30
    assert split.warnings == ()


def test_holdout_has_a_limit_and_may_be_given():
    assert len(split_samples(numbered(400), None, 8).holdout) == 32
    split = split_samples(numbered(40), numbered(3), 8)
    assert len(split.calibration) == 40
    assert numbers(split.holdout) == [0, 1, 2]
    assert [numbers(split.calibration)[p] for p in sorted(split.walked_positions)] == numbers(
        split.walked
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_few_samples_are_shared_out_with_a_warning(count):
    split = split_samples(numbered(count), None, 30)
    assert len(split.holdout) == 1
    assert len(split.walked) == max(1, count - 1)
    (warning,) = split.warnings
    assert f"only {count} calibration sample" in warning


def test_no_samples_at_all():
    with pytest.raises(QuantError) as caught:
        split_samples([], None, 8)
    assert caught.value.code == "quant.no-samples"
