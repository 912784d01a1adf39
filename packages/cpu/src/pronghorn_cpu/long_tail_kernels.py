"""Kernels of ops that move, order and count elements: what Numba makes of plain loops is fast enough for them.

They are imported by kernels' sources alone. Lines are the elements along one axis: element i of line (o, c) of a
tensor (outer, size, inner) is at (o * size + i) * inner + c. Each thread has lines, rows or elements of its own, so
that results do not depend on their number.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from numba import njit

from pronghorn_cpu.intrinsics import slot

_jit = njit(error_model="numpy", nogil=True)
_RUN = 16


@_jit
def share(count, t, threads):
    """The part of `count` things that thread `t` does."""
    return count * t // threads, count * (t + 1) // threads


@_jit
def running_sum(x, out, outer, size, inner, reverse, t, threads):
    """Running sums along lines, from their end where `reverse` is set."""
    first, last = share(outer * inner, t, threads)
    for line in range(first, last):
        at = line // inner * size * inner + line % inner
        step = inner
        if reverse:
            at += (size - 1) * inner
            step = -inner
        if size:
            out[at] = x[at]
        for _ in range(1, size):
            out[at + step] = out[at] + x[at + step]
            at += step


@_jit
def before(a, b, descending):
    """Whether `a` comes before `b`; NaN is the largest."""
    if descending:
        a, b = b, a
    return a < b or (b != b and a == a)


@_jit
def merge(x, source, target, base, step, low, middle, high, descending):
    """Merges two sorted runs of indices; of equal elements those on the left come first."""
    left, right = low, middle
    for k in range(low, high):
        take_right = left == middle
        if not take_right and right < high:
            a, b = source[base + left * step], source[base + right * step]
            take_right = before(x[base + b * step], x[base + a * step], descending)
        if take_right:
            target[base + k * step] = source[base + right * step]
            right += 1
        else:
            target[base + k * step] = source[base + left * step]
            left += 1


@_jit
def sorting_indices(x, out, scratch, outer, size, inner, descending, t, threads):
    """Indices that sort lines, by insertion in short runs and merging of these."""
    first, last = share(outer * inner, t, threads)
    for line in range(first, last):
        base = line // inner * size * inner + line % inner
        for low in range(0, size, _RUN):
            for i in range(low, min(low + _RUN, size)):
                value = x[base + i * inner]
                k = i
                while k > low and before(value, x[base + out[base + (k - 1) * inner] * inner], descending):
                    out[base + k * inner] = out[base + (k - 1) * inner]
                    k -= 1
                out[base + k * inner] = i
        width, in_out = _RUN, True
        while width < size:
            for low in range(0, size, 2 * width):
                middle, high = min(low + width, size), min(low + 2 * width, size)
                if in_out:
                    merge(x, out, scratch, base, inner, low, middle, high, descending)
                else:
                    merge(x, scratch, out, base, inner, low, middle, high, descending)
            width, in_out = 2 * width, not in_out
        if not in_out:
            for i in range(size):
                out[base + i * inner] = scratch[base + i * inner]


@_jit
def insertion_points(sequence, values, out, count, number, right, t, threads):
    """Where `values` would go into a sorted vector of `count` elements."""
    first, last = share(number, t, threads)
    for k in range(first, last):
        value, low, high = values[k], 0, count
        while low < high:
            middle = (low + high) // 2
            if right:
                beyond = before(value, sequence[middle], False)
            else:
                beyond = not before(sequence[middle], value, False)
            if beyond:
                high = middle
            else:
                low = middle + 1
        out[k] = low


@_jit
def block_start(p, at, start, rank):
    """The first element of a block whose place is clamped; slots from `at`: the sizes of the tensor, of the block."""
    offset = 0
    for k in range(rank):
        whole, part = slot(p, at + k), slot(p, at + rank + k)
        offset = offset * whole + min(max(start[k], 0), whole - part)
    return offset


@_jit
def block(p, x, out, start, rank, rows, t, threads):
    """The block at `start`, row by row of its last axis. Slots from 8: the sizes of the tensor, then of the block."""
    origin = block_start(p, 8, start, rank)
    width = slot(p, 8 + 2 * rank - 1)
    first, last = share(rows, t, threads)
    for row in range(first, last):
        rest, stride, at = row, slot(p, 8 + rank - 1), origin
        for k in range(rank - 2, -1, -1):
            at += rest % slot(p, 8 + rank + k) * stride
            rest //= slot(p, 8 + rank + k)
            stride *= slot(p, 8 + k)
        for i in range(width):
            out[row * width + i] = x[at + i]


@_jit
def block_update(p, x, update, out, start, rank, rows, t, threads):
    """`x` with the block at `start` replaced, row by row of `x`. Slots from 8: the sizes of `x`, then of the block."""
    size, width = slot(p, 8 + rank - 1), slot(p, 8 + 2 * rank - 1)
    place = min(max(start[rank - 1], 0), size - width)
    first, last = share(rows, t, threads)
    for row in range(first, last):
        for i in range(size):
            out[row * size + i] = x[row * size + i]
        rest, scale, at, inside = row, 1, 0, True
        for k in range(rank - 2, -1, -1):
            whole, part = slot(p, 8 + k), slot(p, 8 + rank + k)
            c = rest % whole - min(max(start[k], 0), whole - part)
            inside = inside and 0 <= c < part
            at += c * scale
            scale *= part
            rest //= whole
        if inside:
            for i in range(width):
                out[row * size + place + i] = update[at * width + i]


@_jit
def combined(a, b, reduction):
    """0: b, 1: a + b, 2: the larger, 3: the smaller (NaN wins), 4: a * b."""
    if reduction == 1:
        return a + b
    if reduction == 2:
        return a if a > b or a != a else b
    if reduction == 3:
        return a if a < b or a != a else b
    return a * b if reduction == 4 else b


@_jit
def scatter(x, rows, indices, out, height, width, count, reduction, from_zeros, t, threads):
    """`x`, or zeros, with rows[k] put at or combined with row indices[k], in the order of k."""
    first, last = share(height, t, threads)
    for i in range(first * width, last * width):
        if from_zeros:
            out[i] = 0
        else:
            out[i] = x[i]
    for k in range(count):
        row = indices[k]
        if row < 0:
            row += height
        if first <= row < last:
            for i in range(width):
                out[row * width + i] = combined(out[row * width + i], rows[k * width + i], reduction)


@_jit
def divisors(x, y, out, count, multiple, t, threads):
    """Greatest common divisors, or least common multiples."""
    first, last = share(count, t, threads)
    for i in range(first, last):
        a, b = abs(x[i]), abs(y[i])
        while b != 0:
            a, b = b, a % b
        if multiple:
            a = a if a == 0 else abs(x[i]) // a * abs(y[i])
        out[i] = a


@_jit
def copied(x, out, count, t, threads):
    """A copy of `count` elements."""
    first, last = share(count, t, threads)
    for i in range(first, last):
        out[i] = x[i]


@_jit
def signs(x, out, count, shift, t, threads):
    """The highest of the bits of each element."""
    first, last = share(count, t, threads)
    for i in range(first, last):
        out[i] = x[i] >> shift
