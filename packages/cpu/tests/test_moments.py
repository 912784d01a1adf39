"""Mean and variance together, against the reference: ragged columns and blocks, large means, threads, gradients."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.op import Op
from pronghorn.program import jit
from pronghorn.testing import KernelContract
from pronghorn_ops.statistics import moments_together


class TestOfColumns(KernelContract):
    op: ClassVar[Op] = moments_together
    attrs: ClassVar[dict[str, Any]] = {"axes": (0, 1)}
    shapes: ClassVar[Any] = [((1, 1, 1),), ((3, 50, 37),), ((9, 900, 3),), ((70, 6, 130),), ((2, 3, 16, 5),)]


class TestOfRows(KernelContract):
    op: ClassVar[Op] = moments_together
    attrs: ClassVar[dict[str, Any]] = {"axes": (1, 2)}
    shapes: ClassVar[Any] = [((1, 1, 1),), ((3, 5, 37),), ((130, 2, 16),), ((2, 60, 60),)]


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), None], ids=str)
def test_no_digits_are_lost_where_the_mean_is_large(axes: Any, on_cpu: None) -> None:
    x = (np.random.default_rng(0).normal(size=(2000, 33)) + 1000).astype("float32")
    mean, variance = jit(lambda t: ops.moments(t, axes))(x)
    np.testing.assert_allclose(mean.numpy(), x.astype("float64").mean(axes), rtol=1e-6)
    np.testing.assert_allclose(variance.numpy(), x.astype("float64").var(axes), rtol=1e-4)


@pytest.mark.parametrize("axes", [(0, 1), (2,)], ids=str)
def test_gradients_of_both_orders(axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    check_gradients(lambda t: list(moments_together(t, axes=axes)), [x], order=2, rtol=1e-4, atol=1e-6)
