"""The accelerators that suites compare, and a way to use each for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pronghorn import accelerator


def accelerators() -> list[str]:
    """The names of the accelerators on this machine, the reference aside."""
    return [name for name in accelerator.installed() if name != "numpy"] or ["numpy"]


@contextmanager
def using_accelerator(name: str) -> Iterator[None]:
    """Selects an accelerator for a while."""
    before = accelerator.current().name
    accelerator.select(name)
    try:
        yield
    finally:
        accelerator.select(before)
