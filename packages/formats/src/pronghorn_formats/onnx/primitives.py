"""Primitives as nodes of ONNX: one function each, in one table. The elementwise ones come from their expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pronghorn_formats.onnx.builder import Builder
from pronghorn_formats.onnx.sizes import Affine, Size

Shape = tuple[Size, ...]
Emit = Callable[..., Any]

_END = 2**31 - 1
"""Beyond any size: a slice that ends there ends with the axis."""

PRIMITIVES: dict[str, Emit] = {}
"""Name -> function of (builder, names of the inputs, their shapes, **attributes) that gives the output's name, or those
of several."""


def primitive(name: str) -> Callable[[Emit], Emit]:
    def register(emit: Emit) -> Emit:
        PRIMITIVES[name] = emit
        return emit

    return register


# ------------------------------------------------------------------------------------------------ shapes


@primitive("reshape")
def reshape(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], shape: Shape) -> str:
    unknown = [i for i, n in enumerate(shape) if not isinstance(n, int)]
    if len(unknown) == 1:  # the rest says what it is
        target = b.integers(-1 if i in unknown else n for i, n in enumerate(shape))  # type: ignore[misc]
    else:
        target = b.sizes(shape)
    return b.add("Reshape", inputs[0], target)  # type: ignore[no-any-return]


@primitive("transpose")
def transpose(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axes: Sequence[int]) -> str:
    return b.add("Transpose", inputs[0], perm=list(axes))  # type: ignore[no-any-return]


@primitive("broadcast_to")
def broadcast_to(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], shape: Shape) -> str:
    return b.add("Expand", inputs[0], b.sizes(shape))  # type: ignore[no-any-return]


@primitive("concatenate")
def concatenate(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axis: int) -> str:
    return b.add("Concat", *inputs, axis=axis)  # type: ignore[no-any-return]


@primitive("slice")
def slices(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], start: Shape, size: Shape, step: Any) -> str:
    axes = [
        i
        for i, (a, n, s, whole) in enumerate(zip(start, size, step, shapes[0], strict=True))
        if (a, s) != (0, 1) or n != whole
    ]
    if not axes:
        return b.add("Identity", inputs[0])  # type: ignore[no-any-return]
    starts = [_END if step[i] < 0 and _plus(start[i], 1) == shapes[0][i] else start[i] for i in axes]
    ends = [_end(start[i], size[i], step[i], shapes[0][i]) for i in axes]
    vectors = (b.sizes(starts), b.sizes(ends), b.integers(axes), b.integers(step[i] for i in axes))
    return b.add("Slice", inputs[0], *vectors)  # type: ignore[no-any-return]


def _end(start: Size, size: Size, step: int, whole: Size) -> Size:
    if isinstance(start, int) and isinstance(size, int):
        end = start + size * step
        return -_END if end < 0 else end
    if step < 0:  # from the last element, and as far as it goes
        return -_END
    if step == 1 and start == 0:
        return size
    return _END if size != whole or isinstance(start, int) else size


def _plus(size: Size, number: int) -> Size:
    if isinstance(size, Affine):
        return Affine(size.constant + number, size.factors)
    return size + number if isinstance(size, int) else size


@primitive("pad")
def pad(
    b: Builder,
    inputs: Sequence[str],
    shapes: Sequence[Shape],
    low: Any,
    high: Any,
    interior: Any,
    value: float,
    dtype: str,
) -> str:
    if any(interior):
        raise NotImplementedError("padding between elements")
    return b.add("Pad", inputs[0], b.integers([*low, *high]), b.constant(value, dtype))  # type: ignore[no-any-return]


@primitive("gather")
def gather(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axis: int) -> str:
    return b.add("Gather", *inputs, axis=axis)  # type: ignore[no-any-return]


@primitive("stop_gradient")
def stop_gradient(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape]) -> str:
    return b.add("Identity", *inputs)  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------ sums


def _reduction(kind: str) -> Emit:
    def emit(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axis: Any, keepdims: bool) -> str:
        return b.add(kind, inputs[0], b.integers(axis), keepdims=int(keepdims), noop_with_empty_axes=1)  # type: ignore[no-any-return]

    return emit


def _of_booleans(kind: str) -> Emit:
    def emit(b: Builder, inputs: Sequence[str], *args: Any, **attributes: Any) -> str:
        return b.cast(_reduction(kind)(b, [b.cast(inputs[0], "int32")], *args, **attributes), "bool")

    return emit


def _index(kind: str) -> Emit:
    def emit(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axis: int, keepdims: bool = False) -> str:
        return b.cast(b.add(kind, inputs[0], axis=axis, keepdims=int(keepdims)), "int32")

    return emit


PRIMITIVES |= {
    "argmax": _index("ArgMax"),
    "argmin": _index("ArgMin"),
    "reduce_all": _of_booleans("ReduceMin"),
    "reduce_any": _of_booleans("ReduceMax"),
    "reduce_max": _reduction("ReduceMax"),
    "reduce_min": _reduction("ReduceMin"),
    "reduce_prod": _reduction("ReduceProd"),
    "reduce_sum": _reduction("ReduceSum"),
    "log_softmax": lambda b, inputs, shapes: b.add("LogSoftmax", inputs[0], axis=-1),
    "softmax": lambda b, inputs, shapes: b.add("Softmax", inputs[0], axis=-1),
}


@primitive("cumsum")
def cumsum(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axis: int, reverse: bool) -> str:
    return b.add("CumSum", inputs[0], b.constant(axis, "int64"), reverse=int(reverse))  # type: ignore[no-any-return]


@primitive("moments")
def moments(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], axes: Any) -> tuple[str, str]:
    mean = _reduction("ReduceMean")(b, inputs, shapes, axes, True)
    deviation = b.add("Sub", inputs[0], mean)
    return mean, _reduction("ReduceMean")(b, [b.add("Mul", deviation, deviation)], shapes, axes, True)


@primitive("normalized_rows")
def normalized_rows(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], epsilon: float) -> str:
    return b.add("LayerNormalization", *inputs, axis=-1, epsilon=epsilon)  # type: ignore[no-any-return]


@primitive("matmul")
def matmul(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], transpose_a: bool, transpose_b: bool) -> str:
    operands = []
    for x, shape, turned in zip(inputs, shapes, (transpose_a, transpose_b), strict=True):
        axes = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        operands.append(b.add("Transpose", x, perm=axes) if turned else x)
    return b.add("MatMul", *operands)  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------ windows


def _channels_first(b: Builder, x: str, rank: int) -> str:
    return b.transpose(x, [0, rank - 1, *range(1, rank - 1)])


def _channels_last(b: Builder, x: str, rank: int) -> str:
    return b.transpose(x, [0, *range(2, rank), 1])


def _kernel(b: Builder, x: str, rank: int) -> str:
    """(*window, channels, filters) as (filters, channels, *window)."""
    return b.transpose(x, [rank - 1, rank - 2, *range(rank - 2)])


def _pads(windows: Any) -> list[int]:
    return [low for low, _ in windows.padding] + [max(high, 0) for _, high in windows.padding]


@primitive("convolution")
def convolution(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], windows: Any, groups: int) -> str:
    rank = len(shapes[0])
    options = {"strides": windows.strides, "dilations": windows.dilation, "kernel_shape": windows.size}
    x, kernel = _channels_first(b, inputs[0], rank), _kernel(b, inputs[1], rank)
    return _channels_last(b, b.add("Conv", x, kernel, pads=_pads(windows), group=groups, **options), rank)


@primitive("convolution_input_gradient")
def convolution_transpose(
    b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], sizes: Shape, windows: Any, groups: int
) -> str:
    rank = len(shapes[0])
    if not all(isinstance(n, int) for n in (*sizes, *shapes[0][1:-1])):
        raise NotImplementedError("a transposed convolution of unknown size")
    lows, highs = zip(*((low, max(high, 0)) for low, high in windows.padding), strict=True)
    reached = [
        (n - 1) * stride + extent - low - high  # type: ignore[operator]
        for n, stride, extent, low, high in zip(
            shapes[0][1:-1], windows.strides, windows.extent, lows, highs, strict=True
        )
    ]
    missing = [n - m for n, m in zip(sizes, reached, strict=True)]
    # ONNX takes less than a stride after the end; the rest is padding that is taken back
    pads = [*lows, *(high - min(more, 0) for high, more in zip(highs, missing, strict=True))]
    options = {"strides": windows.strides, "dilations": windows.dilation, "kernel_shape": windows.size}
    x, kernel = _channels_first(b, inputs[0], rank), _kernel(b, inputs[1], rank)
    inner = [min(max(more, 0), stride - 1) for more, stride in zip(missing, windows.strides, strict=True)]
    y = b.add("ConvTranspose", x, kernel, pads=pads, group=groups, output_padding=inner, **options)
    rest = [max(more, 0) - part for more, part in zip(missing, inner, strict=True)]
    if any(rest):
        y = b.add("Pad", y, b.integers([0] * rank + [0, 0, *rest]))
    return _channels_last(b, y, rank)


def _pool(kind: str) -> Emit:
    def emit(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], windows: Any) -> str:
        rank = len(shapes[0])
        options: dict[str, Any] = {"kernel_shape": windows.size, "strides": windows.strides, "pads": _pads(windows)}
        if kind == "MaxPool":
            options["dilations"] = windows.dilation
        elif any(n != 1 for n in windows.dilation):
            raise NotImplementedError("an average of windows with gaps")
        else:
            options["count_include_pad"] = 1
        y = b.add(kind, _channels_first(b, inputs[0], rank), **options)
        return _channels_last(b, y, rank)

    return emit


PRIMITIVES["max_pool"] = _pool("MaxPool")


@primitive("sum_pool")
def sum_pool(b: Builder, inputs: Sequence[str], shapes: Sequence[Shape], windows: Any, dtype: str) -> str:
    average = _pool("AveragePool")(b, inputs, shapes, windows)
    return b.add("Mul", average, b.constant(math.prod(windows.size), dtype))  # type: ignore[no-any-return]
