"""Tests marked `gpu` run on a card or under Numba's simulator (`hatch run cudasim:test`), else they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pronghorn import accelerator
from pronghorn.testing.kernels import using_accelerator


def pytest_collection_modifyitems(items: list[Any]) -> None:
    own = [item for item in items if item.path.parent.name == "tests" and item.path.parent.parent.name == "gpu"]
    if any(item.get_closest_marker("gpu") for item in own) and "gpu" not in accelerator.installed():
        for item in own:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device or NUMBA_ENABLE_CUDASIM=1"))


@pytest.fixture(autouse=True)
def _on_the_gpu(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("gpu") is None:
        yield
        return
    with using_accelerator("gpu"):
        yield
