"""One function over many inputs, wherever it runs."""

from __future__ import annotations

import pickle
import sys
from functools import partial
from importlib.machinery import ModuleSpec
from inspect import isfunction
from types import ModuleType

import pytest

from fpc.diagnostics.errors import InfeasibleError, MissingBackendError
from fpc.diagnostics.location import Location
from fpc.diagnostics.render import render
from fpc.driver.search.workers import mapped, require_jobs


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_keep_the_order(jobs):
    assert list(mapped(abs, [-3, 2, -1], jobs)) == [3, 2, 1]


def test_nothing_to_do_starts_no_process():
    assert list(mapped(abs, [], 2)) == []


def test_errors_travel_whole():
    error = InfeasibleError(
        "infeasible", "too slow", location=Location(("conv1",)), notes=["a note"], help="wait"
    )
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is InfeasibleError
    assert render(there) == render(error)
    assert (there.code, there.args) == (error.code, error.args)


class FakeRay(ModuleType):
    """As much of Ray as is called: https://docs.ray.io/en/latest/ray-core/api/core.html."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.__spec__ = ModuleSpec("ray", None)
        self.calls: list[str] = []

    def is_initialized(self) -> bool:
        return "init" in self.calls

    def init(self, **_: object) -> None:
        self.calls.append("init")

    def put(self, value):
        return ("put", value)

    def remote(self, function):
        assert isfunction(function), "Ray refuses other callables"
        return type("Remote", (), {"remote": staticmethod(lambda *words: (function, words))})

    def get(self, future):
        function, (shared, each) = future
        self.calls.append(f"get {each}")
        return function(shared[1], each)


def test_ray_maps_the_same_function(monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert list(mapped(partial(max, 0), [-3, 2], "ray")) == [0, 2]
    assert list(mapped(abs, [-1], "ray")) == [1]
    assert ray.calls == ["init", "get -3", "get 2", "get -1"]


def test_ray_that_is_not_installed(golden, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingBackendError) as caught:
        require_jobs("ray")
    assert caught.value.exit_status == 3
    assert render(caught.value) + "\n" == golden
