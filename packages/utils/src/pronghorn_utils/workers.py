"""Batches made ahead of their use, by threads or by processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read(function: Callable[[Item], Result], item: Item) -> Result:
    """The function's result; its error says by a note which item it was about."""
    try:
        return function(item)
    except Exception as error:
        error.add_note(f"while reading item {item!r} of the data set")
        if isinstance(error, BrokenExecutor):
            error.add_note(
                "A worker process ended before its time: it was killed, memory ran out, or it could not import the "
                'data set, whose script must train below `if __name__ == "__main__":`'
            )
        raise


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, depth: int, processes: bool = False
) -> Iterator[Result]:
    """The results of `function` on `items`, in order, computed up to `depth` ahead.

    An error of `function`, or the end of a process, comes where its result would; a note names the item.

    Args:
        processes: whether processes, to which `function` is sent once, do the work, and not threads.
    """
    pending: deque[tuple[Item, Future[Result]]] = deque()

    def first() -> Result:
        item, future = pending.popleft()
        return read(lambda _: future.result(), item)

    with _processes(function, workers) if processes else ThreadPoolExecutor(workers, "pronghorn-data") as pool:
        call: Callable[[Item], Result] = _call if processes else function
        try:
            for item in items:
                try:
                    pending.append((item, pool.submit(call, item)))
                except BrokenExecutor:
                    if not pending:
                        raise
                    break  # the first pending item tells it
                if len(pending) > depth:
                    yield first()
            while pending:
                yield first()
        finally:
            for _, future in pending:
                future.cancel()


_function: Any = None
"""In a process of ours: what it computes."""


def _processes(function: Any, workers: int) -> Executor:
    """Processes that are started anew: a copy of this one would have its locks, but not its threads."""
    from multiprocessing import get_context

    return ProcessPoolExecutor(workers, get_context("spawn"), _keep, (function,))


def _keep(function: Any) -> None:
    global _function
    _function = function


def _call(item: Any) -> Any:
    return _function(item)
