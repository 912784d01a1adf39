"""KernelContract: what every fast kernel must do, on every accelerator that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from pronghorn import accelerator, dtypes, ops, tree
from pronghorn.op import Op
from pronghorn.program import Program
from pronghorn.tensor import Tensor
from pronghorn.testing.kernels import accelerators, using_accelerator

Array = np.ndarray[Any, Any]

EDGES = (0, 1, 2, 7, 16, 33, 130)
"""Sizes that kernels get wrong: none, one, odd, a vector, just over one, more than a tile."""


class KernelContract:
    """Checks the kernels of an op against its reference. Subclass it in a test module and say which op.

    ```python
    class TestSwish(KernelContract):
        op = swish
        operands = 1
    ```

    Attributes:
        op: the primitive.
        operands: how many tensors it takes.
        attrs: its attributes.
        dtypes: those to try.
        ranks: numbers of dimensions to try.
        shapes: operand shapes to try instead of generated ones, a tuple of shapes for each case.
        low, high: the range that values are drawn from.
        rtol: relative difference allowed to the reference; 0 demands equal bits.
    """

    op: ClassVar[Op]
    operands: ClassVar[int] = 1
    attrs: ClassVar[dict[str, Any]] = {}
    dtypes: ClassVar[Sequence[str]] = ("float32", "float64")
    ranks: ClassVar[Sequence[int]] = (1, 2, 3)
    shapes: ClassVar[Sequence[tuple[tuple[int, ...], ...]]] = ()
    low: ClassVar[float] = -3.0
    high: ClassVar[float] = 3.0
    rtol: ClassVar[float] = 1e-5

    def cases(self) -> Iterator[list[Array]]:
        """Operands on all shapes and dtypes."""
        rng = np.random.default_rng(0)
        shapes = list(self.shapes) or [(shape,) * self.operands for shape in self._generated(rng)]
        for dtype in self.dtypes:
            for operands in shapes:
                yield [self.values(rng, shape, dtype) for shape in operands]

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
        """Values of one operand."""
        return rng.uniform(self.low, self.high, shape).astype(dtypes.numpy_dtype(dtype))

    def _generated(self, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
        for rank in self.ranks:
            for edge in EDGES:
                yield (*(int(n) for n in rng.choice((1, 2, 5), rank - 1)), edge)

    def program(self) -> Program:
        """The op alone, compiled."""
        return Program(lambda *tensors: type(self).op(*tensors, **self.attrs))

    def test_equals_the_reference(self) -> None:
        for name in accelerators():
            with using_accelerator(name):
                program = self.program()
                for arrays in self.cases():
                    self.compare(program(*arrays), arrays, name)

    def test_the_result_does_not_depend_on_what_it_is_fused_with(self) -> None:
        """The same bits alone, and between elementwise operations that do not change the value."""
        for name in accelerators():
            with using_accelerator(name):
                alone = self.program()
                between = Program(lambda *ts: tree.map_structure(_wrap, type(self).op(*map(_wrap, ts), **self.attrs)))
                for arrays in self.cases():
                    for a, b in zip(_leaves(alone(*arrays)), _leaves(between(*arrays)), strict=True):
                        np.testing.assert_array_equal(a.numpy(), b.numpy())

    def test_the_same_bits_on_any_number_of_threads(self) -> None:
        for name in accelerators():
            device = accelerator.installed()[name]
            with using_accelerator(name):
                program = self.program()
                for arrays in self.cases():
                    found = [[t.numpy() for t in _leaves(program(*arrays))] for _ in device.each_thread_count()]
                    for other in found[1:]:
                        for a, b in zip(found[0], other, strict=True):
                            np.testing.assert_array_equal(a, b)

    def compare(self, result: Any, arrays: Sequence[Array], name: str) -> None:
        """Raises AssertionError where a kernel's result is not the reference's."""
        expected = type(self).op.reference(*arrays, **self.attrs)
        for got, want in zip(_leaves(result), expected if isinstance(expected, tuple) else (expected,), strict=True):
            shapes = [a.shape for a in arrays]
            message = f"{type(self).op.name} on {name}, shapes {shapes}, {arrays[0].dtype}"
            assert got.dtype == np.asarray(want).dtype.name, message
            scale = float(np.max(np.abs(want), initial=1.0, where=np.isfinite(want)))
            np.testing.assert_allclose(got.numpy(), want, rtol=self.rtol, atol=self.rtol * scale, err_msg=message)


def _wrap(t: Tensor) -> Tensor:
    return ops.negative(ops.negative(t)) if dtypes.is_float(t.dtype) else t


def _leaves(result: Any) -> list[Tensor]:
    return list(result) if isinstance(result, (list, tuple)) else [result]
