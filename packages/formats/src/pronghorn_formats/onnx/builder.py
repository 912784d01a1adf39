"""Nodes of an ONNX graph as they are made: names, constants, sizes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn_formats.onnx.sizes import Affine, Nonlinear, Size

Array = np.ndarray[Any, Any]


@functools.cache
def package() -> Any:
    """The onnx package.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise ImportError(".onnx files need the onnx package: pip install onnx") from None
    return onnx


def element_type(dtype: str) -> int:
    """ONNX's number for a dtype."""
    name = {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper())
    return getattr(package().TensorProto, name)  # type: ignore[no-any-return]


def value_info(name: str, dtype: str, shape: Sequence[Any]) -> Any:
    """The declaration of an input or output."""
    return package().helper.make_tensor_value_info(name, element_type(dtype), list(shape))


class Builder:
    """The nodes of one graph; that of a loop's body has its own, and the constants of the graph around it.

    Args:
        outer: the builder of the graph around it.
    """

    def __init__(self, outer: Builder | None = None) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {} if outer is None else outer.constants
        self.symbols: dict[str, str] = {} if outer is None else outer.symbols
        self._names: list[int] = [0] if outer is None else outer._names
        self.prefix = ""

    def name(self, hint: str) -> str:
        """A new name."""
        self._names[0] += 1
        return f"{self.prefix or hint}_{self._names[0]}"

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node; its output's name, or the list of its outputs' names."""
        names = [self.name(kind) for _ in range(outputs)]
        self.nodes.append(package().helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, dtype: str | None = None, name: str | None = None) -> str:
        """An array as a constant of the model."""
        array = np.asarray(value) if dtype is None else np.asarray(value, dtypes.numpy_dtype(dtype))
        kind = dtypes.standardize(array.dtype)
        name = name or self.name("constant")
        if name not in self.constants:
            raw = np.ascontiguousarray(array).tobytes()
            self.constants[name] = package().helper.make_tensor(name, element_type(kind), array.shape, raw, raw=True)
        return name

    def integers(self, values: Iterable[int]) -> str:
        """A vector of int64."""
        return self.constant(np.array(list(values), np.int64))

    def sizes(self, sizes: Sequence[Size]) -> str:
        """A vector of sizes, computed where some are unknown.

        Raises:
            NotImplementedError: a size is no sum of unknown ones and numbers.
        """
        if all(isinstance(n, int) for n in sizes):
            return self.integers(sizes)  # type: ignore[arg-type]
        parts = [self.size(n) for n in sizes]
        return self.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def size(self, size: Size) -> str:
        """A vector of one size."""
        if isinstance(size, int):
            return self.integers([size])
        if isinstance(size, Nonlinear):
            raise NotImplementedError(
                "a size depends on the inputs' in a way that is not exported; give Input all sizes"
            )
        total = self.integers([size.constant])
        for symbol, factor in size.factors:
            part = self.symbols[symbol]
            part = part if factor == 1 else self.add("Mul", part, self.integers([factor]))
            total = (
                part
                if total is not None and size.constant == 0 and symbol == size.factors[0][0]
                else self.add("Add", total, part)
            )
        return total

    def cast(self, x: str, dtype: str) -> str:
        return self.add("Cast", x, to=element_type(dtype))  # type: ignore[no-any-return]

    def transpose(self, x: str, axes: Sequence[int]) -> str:
        return x if list(axes) == sorted(axes) else self.add("Transpose", x, perm=list(axes))


def dimensions(shape: Sequence[Size]) -> list[Any]:
    """A shape for ONNX: unknown sizes by their symbol where they are one, else without a name."""
    found: list[Any] = []
    for n in shape:
        single = isinstance(n, Affine) and n.constant == 0 and len(n.factors) == 1 and n.factors[0][1] == 1
        found.append(n if isinstance(n, int) else n.factors[0][0] if single else None)  # type: ignore[union-attr]
    return found
