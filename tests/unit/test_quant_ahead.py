"""Items made one ahead come in order, and so do the errors of making them."""

from collections.abc import Iterator

import pytest

from fpc.quant.ahead import one_ahead


def test_items_keep_their_order():
    assert list(one_ahead(iter(range(1, 50)))) == list(range(1, 50))
    assert list(one_ahead(iter(()))) == []


def test_one_item_is_made_ahead_and_no_more():
    made: list[int] = []

    def items() -> Iterator[str]:
        for number in range(5):
            made.append(number)
            yield str(number)

    for position, item in enumerate(one_ahead(items())):
        assert item == str(position)
        assert len(made) <= position + 2


def test_errors_come_after_what_was_made():
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken sample")

    walked = one_ahead(items())
    assert next(walked) == 1
    with pytest.raises(ValueError, match="broken sample"):
        next(walked)
