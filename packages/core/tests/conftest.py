"""Core is tested on the accelerator it has itself; the others are compared with it by their own packages."""

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
