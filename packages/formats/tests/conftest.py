"""Files do not depend on the device: these tests run on the engine's reference accelerator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pronghorn import accelerator, config


@pytest.fixture(autouse=True)
def reference_accelerator() -> Iterator[None]:
    before = accelerator.current().name
    config.set_accelerator("numpy")
    yield
    config.set_accelerator(before)
