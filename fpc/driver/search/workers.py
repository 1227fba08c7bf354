"""One function over many inputs: here, in processes of this machine, or on a cluster."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Literal, TypeAlias, TypeVar

from fpc.diagnostics.errors import MissingBackendError

Jobs: TypeAlias = int | Literal["ray"]
"""So many processes, or a Ray cluster."""

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


def mapped(
    function: Callable[[InputT], OutputT], inputs: Sequence[InputT], jobs: Jobs
) -> Iterator[OutputT]:
    """What `function` makes of each of `inputs`, in their order.

    The function, its inputs and outputs are pickled unless there is one process. On Ray it runs in
    the cluster that `RAY_ADDRESS` names, else the one this machine belongs to, else one of this
    machine alone (https://docs.ray.io/en/latest/ray-core/api/doc/ray.init.html); fpc must be
    installed on every machine of it.
    """
    if jobs == "ray":
        yield from _on_ray(function, inputs)
    elif jobs == 1 or len(inputs) < 2:
        yield from map(function, inputs)
    else:
        # A forked process would inherit threads of numerical libraries in any state.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(jobs, len(inputs)), context) as pool:
            yield from pool.map(function, inputs)


def require_jobs(jobs: Jobs) -> None:
    """`MissingBackendError` for Ray where that is not installed."""
    if jobs == "ray" and importlib.util.find_spec("ray") is None:
        raise MissingBackendError(
            "missing",
            "Ray is not installed, and --jobs ray builds networks on its cluster",
            help="install it with fpc's extra `ray`: pip install 'fpc[ray]'; --jobs 4 uses "
            "processes of this machine",
        )


def _on_ray(function: Callable[[InputT], OutputT], inputs: Sequence[InputT]) -> Iterator[OutputT]:
    require_jobs("ray")
    ray: Any = importlib.import_module("ray")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="error")
    # Ray takes functions by their definition alone: one with arguments bound is none to it.
    remote = ray.remote(_called)
    shared = ray.put(function)
    answers = [remote.remote(shared, each) for each in inputs]
    for answer in answers:
        yield ray.get(answer)


def _called(function: Callable[[InputT], OutputT], each: InputT) -> OutputT:
    return function(each)
