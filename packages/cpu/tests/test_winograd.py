"""3x3 convolutions by minimal filtering against the reference: borders, ragged tiles, threads, widths, epilogues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from pronghorn.op import Op
from pronghorn.ops.attributes import Windows
from pronghorn.testing import KernelContract
from pronghorn_cpu import host, winograd
from pronghorn_ops.primitives import convolution as reference

SAME = Windows((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
VALID = Windows((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1))
UNEVEN = Windows((3, 3), (1, 1), ((2, 1), (0, 3)), (1, 1))


class _Contract(KernelContract):
    rtol: ClassVar[float] = 5e-6

    def test_takes_this_way(self) -> None:
        lowered = {"windows": self.attrs["windows"], "groups": 1}
        for shapes in self.shapes:
            kernel, outputs = self.places(*shapes)
            assert winograd.applies(kernel, lowered["windows"], 1, outputs)

    def places(self, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The kernel's shape, and the spatial one of what the tiles cover."""
        raise NotImplementedError


class TestConvolution(_Contract):
    op: ClassVar[Op] = reference.convolution
    attrs: ClassVar[dict[str, Any]] = {"windows": SAME, "groups": 1}
    shapes: ClassVar[Sequence[tuple[tuple[int, ...], ...]]] = (
        ((1, 8, 8, 16), (3, 3, 16, 16)),
        ((3, 7, 9, 48), (3, 3, 48, 112)),
        ((20, 6, 5, 32), (3, 3, 32, 64)),
    )

    def places(self, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return second, self.attrs["windows"].count(first[1:-1])


class TestUnevenPadding(TestConvolution):
    attrs: ClassVar[dict[str, Any]] = {"windows": UNEVEN, "groups": 1}


class TestInputGradient(_Contract):
    op: ClassVar[Op] = reference.convolution_input_gradient
    attrs: ClassVar[dict[str, Any]] = {"windows": VALID, "groups": 1, "sizes": (9, 11)}
    shapes: ClassVar[Sequence[tuple[tuple[int, ...], ...]]] = (
        ((1, 7, 9, 16), (3, 3, 32, 16)),
        ((5, 7, 9, 80), (3, 3, 48, 80)),
    )

    def places(self, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return second, self.attrs["sizes"]


class TestKernelGradient(_Contract):
    op: ClassVar[Op] = reference.convolution_kernel_gradient
    attrs: ClassVar[dict[str, Any]] = {"windows": UNEVEN, "groups": 1}
    shapes: ClassVar[Sequence[tuple[tuple[int, ...], ...]]] = (
        ((1, 8, 8, 16), (1, 9, 9, 16)),
        ((3, 7, 8, 48), (3, 8, 9, 112)),
        ((40, 6, 7, 32), (40, 7, 8, 64)),
    )

    def places(self, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (3, 3, first[-1], second[-1]), second[1:-1]


def test_what_goes_another_way() -> None:
    def applies(
        kernel: tuple[int, ...], outputs: tuple[int, ...] = (8, 8), lie: Windows = SAME, groups: int = 1
    ) -> bool:
        return winograd.applies(kernel, lie, groups, outputs)

    assert applies((3, 3, 16, 32))
    assert not applies((3, 3, 16, 33))
    assert not applies((3, 3, 3, 16))
    assert not applies((1, 1, 16, 16), lie=Windows((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)))
    assert not applies((3, 3, 16, 16), lie=Windows((3, 3), (2, 2), ((0, 0), (0, 0)), (1, 1)))
    assert not applies((3, 3, 16, 32), groups=2)
    assert not applies((3, 3, 16, 16), (1, 9))  # half of every tile would be wasted
    assert not applies((3, 3, 16, 16), (0, 8))


@pytest.mark.skipif(not host.has_fma(), reason="without fused multiply-add every width rounds twice")
def test_bits_do_not_depend_on_the_vector_width(monkeypatch: pytest.MonkeyPatch, execute: Any) -> None:
    rng = np.random.default_rng(0)
    x, w, dy = (rng.normal(size=s).astype("float32") for s in ((3, 7, 8, 48), (3, 3, 48, 112), (3, 8, 9, 112)))
    results = []
    for lanes in (16, 8, 4):
        monkeypatch.setattr(host, "float32_lanes", lambda lanes=lanes: lanes)
        monkeypatch.setattr(host, "vector_registers", lambda lanes=lanes: 32 if lanes == 16 else 16)
        y, dx, dw = (np.zeros_like(a) for a in (dy, x, w))
        execute(winograd.plan_convolution("float32", x.shape, w.shape, UNEVEN, threads=2), [x, w, y], 2)
        plan = winograd.plan_input_gradient("float32", dy.shape, w.shape, x.shape[1:-1], UNEVEN, threads=2)
        execute(plan, [dy, w, dx], 2)
        execute(winograd.plan_kernel_gradient("float32", x.shape, dy.shape, UNEVEN, threads=2), [x, dy, dw], 2)
        results.append((y, dx, dw))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
