"""Arrays begin on a line of the cache, whatever their size; variables' do on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn.tensor import Variable
from pronghorn_cpu.memory import aligned


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (7, 300_001), (1 << 23,)])
def test_a_copy_is_equal_and_begins_on_a_line(shape: tuple[int, ...], dtype: str) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    copy = aligned(array)
    assert copy.ctypes.data % 64 == 0 and copy.dtype == array.dtype and copy.flags.c_contiguous and copy.flags.writeable
    assert not np.shares_memory(copy, array)
    np.testing.assert_array_equal(copy, array)


def test_objects_and_nothing_are_copied_as_they_are() -> None:
    for array in (np.array(["a", "b"], object), np.zeros((0, 3))):
        copy = aligned(array)
        assert copy is not array
        np.testing.assert_array_equal(copy, array)


def test_variables_lie_on_lines(on_cpu: None) -> None:
    for size in (5, 1000, 1 << 21):
        assert Variable(np.ones(size, "float32")).buffer.ctypes.data % 64 == 0
