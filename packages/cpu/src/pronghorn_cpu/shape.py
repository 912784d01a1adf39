"""Moving elements: strided copies and transposes, fills, gathers with a cast on the fly.

Copies know elements by their size alone. Concatenation, slices, padding and flips are copies between a part
of one array and a part of another; several of one form make one launch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from pronghorn_cpu.emit import Emitter, kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import HEADER, LANES, Frame, integer, table
from pronghorn_cpu.spaces import Space, collapse, pattern, runs_of
from pronghorn_cpu.staging import Code
from pronghorn_cpu.vectors import INT32, Builder, element

CHUNK = 4096
"""Elements of a long row that make an item."""

_HELD = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


def held(dtype: str) -> str:
    """The unsigned integer that stands for elements of `dtype` in copies."""
    sizes = {"complex64": 8}
    return _HELD[sizes[dtype] if dtype in sizes else element(dtype).size]


# ------------------------------------------------------------------------------------------------ copies


@dataclass(frozen=True)
class Copy:
    """`shape` elements from one array to another: element strides (negative ones too) and the first element's
    offset of each.
    """

    shape: tuple[int, ...]
    source: tuple[int, ...]
    target: tuple[int, ...]
    source_offset: int = 0
    target_offset: int = 0
    merged: bool = False
    """Whether dimensions that lie side by side in both arrays are one already."""


@dataclass(frozen=True)
class CopyForm:
    """What a copy kernel's source depends on.

    `kind`: "rows" where both run along the innermost dimension one by one, "transpose" where the target does
    and the source runs so along the dimension before it, otherwise "strided".
    """

    dtype: str
    rank: int
    kind: str


def copy_source(form: CopyForm) -> str:
    """Source of a copy kernel.

    The block is a `loops.table`; a record has: pieces per row, the `rank` sizes, the source's address and
    element strides, the target's address and element strides.
    """
    return kernel_source(copy_kernel, form)


def copy_kernel(form: CopyForm) -> Any:
    """The intrinsic of `copy_source`."""
    rank = form.rank

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame = Frame(builder, p)
        with frame.groups(t, threads, 3 + 3 * rank) as (base, start, stop):
            pieces, sizes = frame.slot(0, base), frame.slots(base, 1, rank)
            source, *steps = frame.slots(base, 1 + rank, 1 + rank)
            target, *strides = frame.slots(base, 2 + 2 * rank, 1 + rank)
            inner = 2 if form.kind == "transpose" else 1
            with frame.loop(start, stop) as item:
                row, piece = frame.divide(item, pieces)
                indices = frame.unravel(row, sizes[:-inner]) if rank > inner else []
                read = frame.at(source, frame.offset(indices, steps[:-inner]), form.dtype)
                write = frame.at(target, frame.offset(indices, strides[:-inner]), form.dtype)
                if form.kind == "transpose":
                    _transpose_strip(frame, form.dtype, piece, sizes[-2:], (read, steps[-1]), (write, strides[-2]))
                else:
                    _copy_row(frame, form, piece, sizes[-1], (read, steps[-1]), (write, strides[-1]))

    return kernel_intrinsic(emit)


def _copy_row(
    frame: Frame, form: CopyForm, piece: Any, size: Any, source: tuple[Any, Any], target: tuple[Any, Any]
) -> None:
    """A chunk of a row."""
    first = frame.times(piece, CHUNK)
    last = frame.least(frame.plus(first, CHUNK), size)
    if form.kind == "rows":
        frame.vectors(first, last, lambda index, mask: _move(frame, form.dtype, source[0], target[0], index, mask))
        return
    one = Emitter(frame.builder, 1)
    with frame.loop(first, last) as index:
        value = one.load(form.dtype, frame.at(source[0], frame.builder.mul(index, source[1]), form.dtype))
        one.store(form.dtype, value, frame.at(target[0], frame.builder.mul(index, target[1]), form.dtype))


def _move(frame: Frame, dtype: str, source: Any, target: Any, index: Any, mask: Any) -> None:
    value = frame.emitter.load(dtype, frame.at(source, index, dtype), mask)
    frame.emitter.store(dtype, value, frame.at(target, index, dtype), mask)


def _tile(dtype: str) -> int:
    """The side of a square of elements that is transposed in registers."""
    return 8 if element(dtype).size == 8 else LANES


def _transpose_strip(
    frame: Frame,
    dtype: str,
    piece: Any,
    sizes: Sequence[Any],
    source: tuple[Any, Any],
    target: tuple[Any, Any],
) -> None:
    """Target rows `piece * tile …`: source[b * step + a] goes to target[a * stride + b], tile by tile."""
    b, side = frame.builder, _tile(dtype)
    (read, step), (write, stride) = source, target
    first = frame.times(piece, side)
    last = frame.least(frame.plus(first, side), sizes[0])
    whole = b.and_(sizes[1], integer(-side))
    full = b.icmp_signed("==", b.sub(last, first), integer(side))
    edge = b.select(full, whole, integer(0))
    e = Emitter(b, side)
    with frame.loop(0, edge, side) as column:
        rows = [
            e.load(dtype, frame.at(read, frame.plus(b.mul(frame.plus(column, k), step), first), dtype))
            for k in range(side)
        ]
        for k, row in enumerate(_transposed(b, rows)):
            e.store(dtype, row, frame.at(write, frame.plus(b.mul(frame.plus(first, k), stride), column), dtype))
    one = Emitter(b, 1)
    with frame.loop(first, last) as row, frame.loop(edge, sizes[1]) as column:
        value = one.load(dtype, frame.at(read, b.add(b.mul(column, step), row), dtype))
        one.store(dtype, value, frame.at(write, b.add(b.mul(row, stride), column), dtype))


def _transposed(builder: Builder, rows: list[Any]) -> list[Any]:
    """A square of vectors transposed: in step s, lanes of neighbours s apart change places."""
    side, s = len(rows), 1
    while s < side:
        for k in range(side):
            if k & s:
                continue
            a, b = rows[k], rows[k + s]
            low = [lane + side - s if lane & s else lane for lane in range(side)]
            high = [lane + side if lane & s else lane + s for lane in range(side)]
            rows[k], rows[k + s] = (
                builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, side), order)) for order in (low, high)
            )
        s *= 2
    return rows


def plan_copy(dtype: str, copies: Sequence[Copy]) -> tuple[Launch, ...]:
    """Launches of all `copies` (operands of each: its source, its target), one for every form among them."""
    groups: dict[CopyForm, list[tuple[int, list[Slot]]]] = {}
    work = 0
    for k, copy in enumerate(copies):
        form, record = _copy_record(held(dtype), copy, 2 * k)
        groups.setdefault(form, []).append(record)
        work += math.prod(copy.shape) * 2 * element(form.dtype).size
    return tuple(
        Launch(copy_source(form), table(records, work), parallel=worth_parallel(work))
        for form, records in groups.items()
    )


def _copy_record(dtype: str, copy: Copy, operand: int) -> tuple[CopyForm, tuple[int, list[Slot]]]:
    # The target is walked in the order of its memory.
    order = sorted(range(len(copy.shape)), key=lambda k: -abs(copy.target[k]))
    strides = (tuple(copy.source[k] for k in order), tuple(copy.target[k] for k in order))
    space = Space(tuple(copy.shape[k] for k in order), strides)
    if not copy.merged:
        space = collapse(space, runs_of(space))
    shape, (source, target) = space.shape, space.strides
    rank, kind = len(shape), "strided"
    if not copy.shape or source[-1] == target[-1] == 1:
        kind = "rows"
    elif rank > 1 and target[-1] == 1 and 1 in source:
        kind, across = "transpose", source.index(1)
        moved = [k for k in range(rank - 1) if k != across] + [across, rank - 1]
        shape, source, target = (tuple(x[k] for k in moved) for x in (shape, source, target))
    size = element(dtype).size
    pieces, rows = (
        (-(-shape[-2] // _tile(dtype)), shape[:-2]) if kind == "transpose" else (-(-shape[-1] // CHUNK), shape[:-1])
    )
    slots: list[Slot] = [max(1, pieces), *shape]
    slots += [
        Pointer(operand, copy.source_offset * size),
        *source,
        Pointer(operand + 1, copy.target_offset * size),
        *target,
    ]
    return CopyForm(dtype, rank, kind), (math.prod(rows) * pieces, slots)


def transpose_copy(shape: Sequence[int], axes: Sequence[int]) -> Copy:
    """The copy that makes axis k of a dense result from axis `axes[k]` of a dense array of `shape`.

    Axes that are neighbours in both become one; others never do, also where a size of 1 lets them: so another size
    needs no other kernel.
    """
    strides = _dense(shape)
    result = tuple(shape[k] for k in axes)
    if not result:
        return Copy((), (), ())
    starts = [k for k in range(len(axes)) if k == 0 or axes[k] != axes[k - 1] + 1]
    runs = [stop - start for start, stop in zip(starts, [*starts[1:], len(axes)], strict=True)]
    space = collapse(Space(result, (tuple(strides[k] for k in axes), _dense(result))), runs)
    source, target = space.strides
    return Copy(space.shape, source, target, merged=True)


def slice_copy(shape: Sequence[int], start: Sequence[int], size: Sequence[int], step: Sequence[int]) -> Copy:
    """The copy of elements `start + i * step`, i < `size`, of a dense array of `shape` to a dense result."""
    strides = _dense(shape)
    steps = tuple(s * k for s, k in zip(strides, step, strict=True))
    return Copy(tuple(size), steps, _dense(size), source_offset=_offset(start, strides))


def place_copy(
    part: Sequence[int], shape: Sequence[int], start: Sequence[int], step: Sequence[int] | None = None
) -> Copy:
    """The copy of a dense array of shape `part` to elements `start + i * step` of a dense one of `shape`."""
    strides = _dense(shape)
    steps = strides if step is None else tuple(s * k for s, k in zip(strides, step, strict=True))
    return Copy(tuple(part), _dense(part), steps, target_offset=_offset(start, strides))


def concatenate_copies(shapes: Sequence[Sequence[int]], axis: int) -> list[Copy]:
    """The copies of dense arrays of `shapes`, one after another along `axis`, into one dense result."""
    total = sum(shape[axis] for shape in shapes)
    result = [*shapes[0][:axis], total, *shapes[0][axis + 1 :]]
    copies, at = [], 0
    for shape in shapes:
        copies.append(place_copy(shape, result, [at if k == axis else 0 for k in range(len(shape))]))
        at += shape[axis]
    return copies


def _dense(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))


def _offset(start: Sequence[int], strides: Sequence[int]) -> int:
    return sum(a * s for a, s in zip(start, strides, strict=True))


# ------------------------------------------------------------------------------------------------ fills


def fill_source(dtype: str) -> str:
    """Source of the kernel that fills arrays of `dtype` (as `held`); a record has: elements, the element's
    bits, address.
    """
    return kernel_source(fill_kernel, dtype)


def fill_kernel(dtype: str) -> Any:
    """The intrinsic of `fill_source`."""

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame = Frame(builder, p)
        with frame.groups(t, threads, 3) as (base, start, stop):
            count, bits, address = frame.slots(base, 0, 3)
            scalar = element(dtype).register
            value = frame.emitter.splat(builder.trunc(bits, scalar) if scalar.width < 64 else bits)

            def vector(index: Any, mask: Any) -> None:
                frame.emitter.store(dtype, value, frame.at(address, index, dtype), mask)

            frame.vectors(frame.times(start, CHUNK), frame.least(frame.times(stop, CHUNK), count), vector)

    return kernel_intrinsic(emit)


@dataclass(frozen=True)
class Fill:
    """`count` elements, each with the bits of the unsigned integer `bits`."""

    count: int
    bits: int


def plan_fill(dtype: str, fills: Sequence[Fill]) -> Launch:
    """One launch that fills every operand."""
    name = held(dtype)
    records: list[tuple[int, list[Slot]]] = [
        (-(-f.count // CHUNK), [f.count, f.bits - (1 << 64) if f.bits >> 63 else f.bits, Pointer(k)])
        for k, f in enumerate(fills)
    ]
    work = sum(f.count for f in fills) * element(name).size
    return Launch(fill_source(name), table(records, work), parallel=worth_parallel(work))


# -------------------------------------------------------------------------------- gathering rows


@dataclass(frozen=True)
class GatherForm:
    """What a gather kernel's source depends on: dtypes, the collapsed dimensions of a row, how the source
    runs along the last.
    """

    source: str
    target: str
    index: str
    rank: int
    pattern: str
    swapped: bool = False


def gather_source(form: GatherForm) -> str:
    """Source of the kernel that gathers rows of `source` elements, in foreign byte order if `swapped`, and
    casts them.

    target[o, k, …] = source[o, indices[k], …]. The block is a `loops.table` of one group, whose record has:
    chunks per innermost row, indices, source rows, the row's `rank` sizes, address of the indices, of the
    source, the source's *byte* strides (o, row, then the row's dimensions), address of the target, how many
    rows ahead one is asked for. A negative index counts from the end; what is still out of range is moved to
    the nearest row, so that no foreign memory is read.
    """
    return kernel_source(gather_kernel, form)


_FIRST = HEADER + 2
SOURCE_ROWS, SOURCE_ADDRESS, SOURCE_STRIDES = _FIRST + 2, _FIRST + 4, _FIRST + 5
"""Slots of a gather's block that change with the array it reads; add the form's `rank` to the last two."""
_BYTES_AHEAD, _ROWS_AHEAD = 4096, 8
"""How far ahead rows are asked for, in bytes and in rows: the first ones come late, so it must not be too far."""
GATHER_SLOTS = _FIRST + 9
"""Slots of a gather's block, less two for every dimension of the form's `rank`."""


def gather_kernel(form: GatherForm) -> Any:
    """The intrinsic of `gather_source`."""
    rank = form.rank

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame, b, code = Frame(builder, p), builder, Code(builder)
        with frame.groups(t, threads, 9 + 2 * rank) as (base, start, stop):
            chunks, count, rows = frame.slots(base, 0, 3)
            sizes = frame.slots(base, 3, rank)
            indices, source, outer_stride, row_stride = frame.slots(base, 3 + rank, 4)
            steps = frame.slots(base, 7 + rank, rank)
            target, distance = frame.slots(base, 7 + 2 * rank, 2)
            with frame.loop(start, stop) as item:
                line, chunk = frame.divide(item, chunks)
                outer, k, *inner = frame.unravel(line, [integer(0), count, *sizes[:-1]])

                def row_at(k: Any, outer: Any = outer, inner: Any = inner) -> Any:
                    row = _row_index(frame, form.index, frame.at(indices, k, form.index), rows)
                    offset = frame.offset([outer, row, *inner], [outer_stride, row_stride, *steps[:-1]])
                    return frame.plus(source, offset)

                address = row_at(k)
                after = row_at(frame.least(frame.plus(k, distance), frame.plus(count, -1)))
                first = frame.times(chunk, CHUNK)
                before = b.mul(line, sizes[-1])

                def vector(index: Any, mask: Any) -> None:
                    if form.pattern == "contiguous":  # rows may be anywhere: nothing else asks for them early
                        code.prefetch(code.word(frame.at(after, index, form.source)), write=False)
                    value = _read(frame, form, address, steps[-1], index, mask)
                    value = frame.emitter.cast(value, form.source, form.target)
                    place = frame.at(target, frame.plus(before, index), form.target)
                    frame.emitter.store(form.target, value, place, mask)

                frame.vectors(first, frame.least(frame.plus(first, CHUNK), sizes[-1]), vector)

    return kernel_intrinsic(emit)


def _row_index(frame: Frame, dtype: str, address: Any, rows: Any) -> Any:
    b, one = frame.builder, Emitter(frame.builder, 1)
    index = one.cast(one.load(dtype, address), dtype, "int64")
    index = b.select(b.icmp_signed("<", index, integer(0)), b.add(index, rows), index)
    return frame.most(frame.least(index, frame.plus(rows, -1)), integer(0))


def _read(frame: Frame, form: GatherForm, address: Any, step: Any, index: Any, mask: Any) -> Any:
    """A vector of the source; `step` is in bytes."""
    e, b = frame.emitter, frame.builder
    dtype = _HELD[element(form.source).size] if form.swapped else form.source
    if form.pattern == "contiguous":
        value = e.load(dtype, frame.at(address, index, dtype), mask)
    else:
        value = e.gather(dtype, b.add(address, b.mul(index, step)), step, mask)
    return e.from_bits(e.swap_bytes(value), form.source) if form.swapped else value


@dataclass(frozen=True)
class Gather:
    """Rows of an array whose axes are (outer, row, *row dimensions): `shape`, and `byte_strides` of the same
    length.
    """

    shape: tuple[int, ...]
    byte_strides: tuple[int, ...]
    count: int
    swapped: bool = False


def plan_gather(gather: Gather, source: str, target: str, index: str = "int64") -> Launch:
    """One launch that gathers `count` rows; operands: source, indices, target (dense: outer, count, *row
    dimensions).

    The array's number of rows, address and strides may change from call to call: `SOURCE_ROWS` and so on are
    their slots, as long as the row's dimensions collapse to the same form.
    """
    size = element(source).size
    outer, rows, *row = gather.shape
    space = Space(tuple(row), (gather.byte_strides[2:],))
    space = collapse(space, runs_of(space)) if row else Space((1,), ((size,),))
    steps = space.strides[0]
    kind = pattern(1 if steps[-1] == size else 2)
    form = GatherForm(source, target, index, len(steps), kind, gather.swapped and size > 1)
    chunks = max(1, -(-space.shape[-1] // CHUNK))
    slots: list[Slot] = [
        chunks,
        gather.count,
        rows,
        *space.shape,
        Pointer(1),
        Pointer(0),
        *gather.byte_strides[:2],
        *steps,
        Pointer(2),
        max(1, min(_ROWS_AHEAD, _BYTES_AHEAD // (space.size * size + 64))),
    ]
    items = outer * gather.count * math.prod(space.shape[:-1]) * chunks
    work = outer * gather.count * space.size * (size + element(target).size)
    return Launch(gather_source(form), table([(items, slots)], work), parallel=worth_parallel(work))
