"""How variables, signals and sets of points go together; histograms."""

from __future__ import annotations

from typing import Any

from pronghorn import dtypes, ops
from pronghorn.op import composed, promote
from pronghorn.ops.attributes import Windows
from pronghorn.tensor import convert_to_tensor
from pronghorn_ops.complex_numbers import of_parts
from pronghorn_ops.primitives.convolution import convolution


@composed
def corrcoef(x: Any) -> Any:
    """Pearson's correlation of each row (a variable) with each other; a vector, or a number, is one row."""
    x = convert_to_tensor(x)
    if len(x.shape) > 2:
        raise ValueError(f"corrcoef: `x` must be a vector or a matrix, got shape {x.shape}")
    rows = ops.reshape(ops.cast(x, dtypes.floating(x.dtype)), (1,) * (2 - len(x.shape)) + x.shape)
    centered = rows - ops.mean(rows, -1, True)
    covariance: Any = ops.matmul(centered, ops.conj(ops.transpose(centered)))
    deviation = ops.sqrt(ops.real(ops.diagonal(covariance)))
    result: Any = covariance / ops.expand_dims(deviation, 1) / deviation
    if result.dtype in dtypes.COMPLEX:
        result = of_parts(*(ops.clip(part, -1.0, 1.0) for part in (ops.real(result), ops.imag(result))))
    else:
        result = ops.clip(result, -1.0, 1.0)
    return result if len(x.shape) == 2 else ops.reshape(result, ())


@composed
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """Sums of products of two vectors, the second one moved along the first.

    Args:
        mode: "valid" where they overlap whole, "full" wherever they overlap, "same" in the middle, of the size of the
            longer.
    """
    a, b = promote([convert_to_tensor(x1), convert_to_tensor(x2)], "float")
    if len(a.shape) != 1 or len(b.shape) != 1:
        raise ValueError(f"correlate: expected two vectors, got the shapes {a.shape} and {b.shape}")
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"correlate: argument `mode` must be 'valid', 'same' or 'full', got {mode!r}")
    n, m = a.shape[0], b.shape[0]
    if not n or not m:
        raise ValueError(f"correlate: expected vectors of at least one element, got the shapes {a.shape} and {b.shape}")
    if n < m:
        return ops.flip(correlate(b, a, mode))
    before, after = {"valid": (0, 0), "full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2)}[mode]
    windows = Windows((m,), (1,), ((before, after),), (1,))
    result = convolution(ops.reshape(a, (1, -1, 1)), ops.reshape(b, (-1, 1, 1)), windows=windows, groups=1)
    return ops.reshape(result, (-1,))


@composed
def cdist(x: Any, y: Any) -> Any:
    """Euclidean distances (…, m, n) of the points (…, m, size) from the points (…, n, size)."""
    a, b = promote([convert_to_tensor(x), convert_to_tensor(y)], "float")
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"cdist: expected points (…, count, size) of one size, got the shapes {a.shape} and {b.shape}")
    apart = ops.expand_dims(a, -2) - ops.expand_dims(b, -3)
    squared: Any = ops.sum(ops.square(apart), -1)
    same = ops.equal(squared, 0)  # there, the root has no slope
    return ops.where(same, 0, ops.sqrt(ops.where(same, 1, squared)))


@composed
def histogram(x: Any, bins: int = 10, range: Any = None) -> Any:
    """How many elements are in each of `bins` equal intervals, and the edges of these.

    Args:
        range: (least, greatest), those of `x` by default; what is outside is not counted. The last interval has both
            of its edges.

    Returns:
        Counts (int32) and edges, one more.
    """
    x = convert_to_tensor(x)
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"histogram: argument `bins` must be a positive integer, got {bins!r}")
    values = ops.ravel(ops.cast(x, dtypes.floating(x.dtype)))
    if range is None:
        low, high = (ops.min(values), ops.max(values)) if values.size else (ops.zeros(()), ops.ones(()))
    else:
        if len(range) != 2 or not float(range[0]) <= float(range[1]):
            raise ValueError(f"histogram: argument `range` must be (least, greatest), got {range!r}")
        low, high = (ops.cast(v, values.dtype) for v in range)
    flat = ops.equal(low, high)
    low, high = ops.where(flat, low - 0.5, low), ops.where(flat, high + 0.5, high)
    edges = ops.linspace(low, high, bins + 1)
    place = ops.searchsorted(edges, values, side="right") - 1
    place = ops.where(ops.equal(values, high), bins - 1, place)
    inside = ops.logical_and(values >= low, values <= high)
    return ops.segment_sum(ops.cast(inside, "int32"), ops.where(inside, place, 0), bins), edges


@composed
def psnr(x1: Any, x2: Any, max_val: Any) -> Any:
    """The peak signal-to-noise ratio in decibels, 20 log10(max_val) - 10 log10(mean squared difference)."""
    a, b = promote([convert_to_tensor(x1), convert_to_tensor(x2)], "float")
    if a.shape != b.shape:
        raise ValueError(f"psnr: the operands must have one shape, got {a.shape} and {b.shape}")
    error = ops.mean(ops.square(a - b))
    return 20 * ops.log10(ops.cast(max_val, a.dtype)) - 10 * ops.log10(error)
