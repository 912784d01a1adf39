"""Adding rows at indices: to a dense array of zeros, or summed by themselves with a note of where each row's sum is.

The second is how the gradient of a gather from a large table reaches its optimizer (`row_gradients`): the sums are
those of the dense array, added in the same order, but the rows that no index names are not written and read.
"""

from __future__ import annotations

from typing import Any

from pronghorn_cpu.emit import Emitter, kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import LANES, Frame, integer, table
from pronghorn_cpu.vectors import Builder, Typed, element

SCATTER_PARTS = 16
"""Parts that a scatter's rows are cut into, at most: each looks at every index."""


def _row(frame: Frame, index: str, indices: Any, k: Any, rows: Any) -> Any:
    """The row that indices[k] means; a negative index counts from the end."""
    b, one = frame.builder, Emitter(frame.builder, 1)
    row = one.cast(one.load(index, frame.at(indices, k, index)), index, "int64")
    return b.select(b.icmp_signed("<", row, integer(0)), b.add(row, rows), row)


def _inside(frame: Frame, row: Any, low: Any, high: Any) -> Any:
    return frame.builder.and_(frame.builder.icmp_signed(">=", row, low), frame.builder.icmp_signed("<", row, high))


def _add(frame: Frame, dtype: str, target: Any, source: Any, start: Any, stop: Any, first: Any = None) -> None:
    """Adds elements `start` to `stop` of a row to those of another, which count as zeros where `first` holds."""
    e, zero = frame.emitter, frame.emitter.constant(dtype, 0)

    def vector(column: Any, mask: Any) -> None:
        old = e.load(dtype, frame.at(target, column, dtype), mask)
        if first is not None:
            old = frame.builder.select(first, zero, old)
        x, y = Typed(old, dtype), Typed(e.load(dtype, frame.at(source, column, dtype), mask), dtype)
        total = e.expression("x + y", {"x": x, "y": y}, dtype)
        e.store(dtype, total.value, frame.at(target, column, dtype), mask)

    frame.vectors(start, stop, vector)


def _clear(frame: Frame, dtype: str, target: Any, start: Any, stop: Any) -> None:
    zero = frame.emitter.constant(dtype, 0)
    frame.vectors(start, stop, lambda k, mask: frame.emitter.store(dtype, zero, frame.at(target, k, dtype), mask))


def scatter_kernel(dtype: str, index: str) -> Any:
    """Makes zeros with values[k] added to row indices[k], in the order of k.

    What is out of range is left out. The block is a `loops.table` of one group; the record has: parts, rows, columns,
    indices, addresses of values, of the indices, of the target.
    """

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame, b = Frame(builder, p), builder
        with frame.groups(t, threads, 7) as (base, start, stop):
            parts, rows, columns, count, values, indices, target = frame.slots(base, 0, 7)
            low, high = frame.share(rows, start, parts)[0], frame.share(rows, stop, parts)[0]
            _clear(frame, dtype, target, b.mul(low, columns), b.mul(high, columns))
            with frame.loop(0, count) as k:
                row = _row(frame, index, indices, k, rows)
                with frame.when(_inside(frame, row, low, high)):
                    source = frame.at(values, b.mul(k, columns), dtype)
                    _add(frame, dtype, frame.at(target, b.mul(row, columns), dtype), source, integer(0), columns)

    return kernel_intrinsic(emit)


def plan_scatter(rows: int, columns: int, count: int, dtype: str, index: str = "int64") -> Launch:
    """One launch that adds `count` rows of `columns` to zeros; operands: values, indices, target (dense)."""
    parts = max(1, min(rows, SCATTER_PARTS))
    slots: list[Slot] = [parts, rows, columns, count, Pointer(0), Pointer(1), Pointer(2)]
    work = (rows + 2 * count) * columns * element(dtype).size
    source = kernel_source(scatter_kernel, dtype, index)
    # None are claimed: whoever takes more parts looks through all indices again.
    return Launch(source, table([(parts, slots)]), parallel=worth_parallel(work))


def first_rows_kernel(index: str) -> Any:
    """For each of `rows` one more than the place (int32) where the indices first name it, 0 where they do not.

    The block is a `loops.table` of one group with one item; the record has: rows, number of indices, addresses of the
    indices and of the places.
    """

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame, b = Frame(builder, p), builder
        with frame.groups(t, threads, 4) as (base, _, _):
            rows, count, indices, places = frame.slots(base, 0, 4)
            _clear(frame, "int32", places, integer(0), rows)
            with frame.loop(0, count) as turn:  # from the last to the first, which stays
                k = b.sub(b.sub(count, turn), integer(1))
                row = _row(frame, index, indices, k, rows)
                with frame.when(_inside(frame, row, integer(0), rows)):
                    one = Emitter(b, 1)
                    place = one.cast(frame.plus(k, 1), "int64", "int32")
                    one.store("int32", place, frame.at(places, row, "int32"))

    return kernel_intrinsic(emit)


def sum_rows_kernel(dtype: str, index: str) -> Any:
    """Adds each row values[k] at the place of its index, in the order of k; place 0 is a row of zeros.

    Threads share the columns, so that each meets all indices. The block is a `loops.table` of one group, an item for
    every `LANES` columns; the record has: rows, columns, indices, addresses of values, of the indices, of the places,
    of the sums.
    """

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame, b = Frame(builder, p), builder
        with frame.groups(t, threads, 7) as (base, start, stop):
            rows, columns, count, values, indices, places, sums = frame.slots(base, 0, 7)
            low, high = frame.times(start, LANES), frame.least(frame.times(stop, LANES), columns)
            _clear(frame, dtype, sums, low, high)
            with frame.loop(0, count) as k:
                row = _row(frame, index, indices, k, rows)
                with frame.when(_inside(frame, row, integer(0), rows)):
                    one = Emitter(b, 1)
                    place = one.cast(one.load("int32", frame.at(places, row, "int32")), "int32", "int64")
                    target = frame.at(sums, b.mul(place, columns), dtype)
                    source = frame.at(values, b.mul(k, columns), dtype)
                    first = frame.emitter.splat(b.icmp_signed("==", place, frame.plus(k, 1)))
                    _add(frame, dtype, target, source, low, high, first)

    return kernel_intrinsic(emit)


def plan_sum_rows(rows: int, columns: int, count: int, dtype: str, index: str = "int64") -> tuple[Launch, Launch]:
    """Sums `count` rows of `columns` by index; operands: values, indices, sums (count + 1, columns), places (rows)."""
    note = Launch(
        kernel_source(first_rows_kernel, index), table([(1, [rows, count, Pointer(1), Pointer(3)])]), parallel=False
    )
    slots: list[Slot] = [rows, columns, count, Pointer(0), Pointer(1), Pointer(3), Pointer(2)]
    add = Launch(
        kernel_source(sum_rows_kernel, dtype, index),
        table([(-(-columns // LANES), slots)]),
        parallel=worth_parallel(2 * count * columns * element(dtype).size),
    )
    return note, add
