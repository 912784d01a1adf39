"""These tests are of the ops themselves: programs run on the reference accelerator, whatever is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pronghorn import accelerator


@pytest.fixture(autouse=True)
def reference_accelerator() -> Iterator[None]:
    before = accelerator._current
    accelerator._current = accelerator._reference
    yield
    accelerator._current = before
