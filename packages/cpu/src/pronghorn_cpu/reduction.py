"""Fused map-reduce kernels: a `Body` evaluated over an iteration space and reduced over some of its
dimensions.

Two forms. If the innermost dimension is kept ("columns": a bias gradient), lanes are neighbouring outputs and
rows are added one after the other. If it is reduced ("rows": a loss), 16 lanes run along it and end in a
fixed tree. Either way a partial sum covers at most `BLOCK` rows or `CHUNK` elements before it is added to the
next level, which keeps rounding errors small. A long reduction with few outputs is cut into a number of parts
that depends on the shape alone; they are written to scratch memory and a second launch reduces them. So the
bits depend on shapes only, not on threads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pronghorn.body import Body
from pronghorn_cpu.accumulate import ARGUMENTS, Accumulator, accumulator_dtype
from pronghorn_cpu.elementwise import Reader, cost
from pronghorn_cpu.emit import Emitter, kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import LANES, Frame, integer, table
from pronghorn_cpu.spaces import Space, collapse, dense_strides, pattern, runs_of
from pronghorn_cpu.vectors import Builder, element

STRIP = 64
"""Columns of an item."""
SIDE_BY_SIDE = 4
"""Vectors of columns that are summed in one walk down the rows, if the body is short."""
SHORT_BODY = 4
BLOCK = 256
"""Rows that a column adds up before it starts a new partial sum."""
CHUNK = 4096
"""Elements that a row adds up before it starts a new partial sum."""
PARTS = 64
"""Parts that a long reduction is cut into, at most."""
SHORT = 32768
"""Elements of a reduction that is not worth a second pass."""


@dataclass(frozen=True)
class ReduceForm:
    """What a reduction kernel's source depends on besides its body.

    `kept` and `reduced` count the collapsed dimensions, `columns` says that the innermost one is kept,
    `patterns` how each input runs along it, `dtype` is the result's.
    """

    kind: str
    dtype: str
    kept: int
    reduced: int
    columns: bool
    patterns: tuple[str, ...]


def reduce_source(body: Body, form: ReduceForm) -> str:
    """Source of the kernel that reduces the first output of `body` and writes its other outputs.

    The block is a `loops.table`; a record has: parts, items per part, units (rows, or chunks of rows, to be
    shared by the parts), strips per row of outputs or chunks per row of inputs, the sizes of the kept and of
    the reduced dimensions, per operand (inputs, then written outputs) its address and strides along kept and
    reduced dimensions, the result's address.
    """
    return kernel_source(reduce_kernel, body, form)


def reduce_kernel(body: Body, form: ReduceForm) -> Any:
    """The intrinsic of `reduce_source`."""

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        _Reduction(Frame(builder, p), body, form).emit(t, threads)

    return kernel_intrinsic(emit)


class _Operand:
    """An operand's address and strides, of a group."""

    def __init__(self, frame: Frame, base: Any, first: int, form: ReduceForm, dtype: str) -> None:
        self.frame = frame
        self.dtype = dtype
        self.address = frame.slot(first, base)
        self.kept = frame.slots(base, first + 1, form.kept)
        self.reduced = frame.slots(base, first + 1 + form.kept, form.reduced)
        self.inner = (self.kept if form.columns else self.reduced)[-1]

    def moved(self, address: Any, indices: Sequence[Any], strides: Sequence[Any]) -> Any:
        """`address` moved by as many elements as `indices` along dimensions of `strides` say."""
        return self.frame.at(address, self.frame.offset(indices, strides), self.dtype)


class _Group:
    """A record of the block, read into registers."""

    def __init__(self, frame: Frame, base: Any, form: ReduceForm, dtypes: Sequence[str]) -> None:
        self.parts, self.per_part, self.units, self.pieces = frame.slots(base, 0, 4)
        self.kept = frame.slots(base, 4, form.kept)
        self.reduced = frame.slots(base, 4 + form.kept, form.reduced)
        size = 1 + form.kept + form.reduced
        self.operands = [_Operand(frame, base, 3 + size + k * size, form, dtype) for k, dtype in enumerate(dtypes)]
        self.result = frame.slot(3 + size + len(dtypes) * size, base)

    @staticmethod
    def slots(form: ReduceForm, operands: int) -> int:
        """The slots of a record."""
        return 4 + (operands + 1) * (form.kept + form.reduced) + operands + 1


class _Reduction:
    """The emission of one reduction kernel."""

    def __init__(self, frame: Frame, body: Body, form: ReduceForm) -> None:
        self.frame = frame
        self.body = body
        self.form = form
        self.value = body.dtype(body.outputs[0])
        self.dtypes = [*body.inputs, *(body.dtype(k) for k in body.outputs[1:])]
        count = SIDE_BY_SIDE if form.columns and len(body.steps) <= SHORT_BODY else 1
        self.totals = [Accumulator(frame, form.kind, self.value) for _ in range(count)]
        self.partials = [Accumulator(frame, form.kind, self.value) for _ in range(count)]
        self.total, self.partial = self.totals[0], self.partials[0]

    def emit(self, t: Any, threads: Any) -> None:
        frame = self.frame
        with frame.groups(t, threads, _Group.slots(self.form, len(self.dtypes))) as (base, start, stop):
            group = _Group(frame, base, self.form, self.dtypes)
            with frame.loop(start, stop) as item:
                part, rest = frame.divide(item, group.per_part)
                units = frame.share(group.units, part, group.parts)
                if self.form.columns:
                    self.columns(group, part, rest, units)
                else:
                    self.row(group, rest, units, frame.at(group.result, item, self.form.dtype))

    def columns(self, group: _Group, part: Any, rest: Any, rows: tuple[Any, Any]) -> None:
        """A strip of columns over a part's rows."""
        frame, b, width = self.frame, self.frame.builder, group.kept[-1]
        outer, strip = frame.divide(rest, group.pieces)
        result_row = b.add(b.mul(part, b.udiv(group.per_part, group.pieces)), outer)
        outers = frame.unravel(outer, group.kept[:-1])
        bases = [o.moved(o.address, outers, o.kept[:-1]) for o in group.operands]
        first = frame.times(strip, STRIP)

        def side_by_side(index: Any, mask: Any, count: int) -> None:
            totals, partials = self.totals[:count], self.partials[:count]
            places = [frame.plus(index, k * frame.width) for k in range(count)]
            for total in totals:
                total.reset()
            with frame.loop(rows[0], rows[1], BLOCK) as block:
                for partial in partials:
                    partial.reset()
                with frame.loop(block, frame.least(frame.plus(block, BLOCK), rows[1])) as row:
                    indices = frame.unravel(row, group.reduced)
                    starts = zip(group.operands, bases, strict=True)
                    addresses = [o.moved(base, indices, o.reduced) for o, base in starts]
                    for partial, place in zip(partials, places, strict=True):
                        value = self.evaluate(group, addresses, place, mask)
                        partial.add(value, self.value, frame.emitter.splat(row))
                for total, partial in zip(totals, partials, strict=True):
                    total.merge(partial.values())
            for total, place in zip(totals, places, strict=True):
                result = total.result(frame.emitter, total.values(), self.form.dtype)
                address = frame.at(group.result, b.add(b.mul(result_row, width), place), self.form.dtype)
                frame.emitter.store(self.form.dtype, result, address, mask)

        stop, together = frame.least(frame.plus(first, STRIP), width), len(self.totals) * frame.width
        if together > frame.width:
            whole = b.add(first, b.mul(b.sdiv(b.sub(stop, first), integer(together)), integer(together)))
            with frame.loop(first, whole, together) as index:
                side_by_side(index, None, len(self.totals))
            first = whole
        frame.vectors(first, stop, lambda index, mask: side_by_side(index, mask, 1))

    def row(self, group: _Group, outer: Any, units: tuple[Any, Any], place: Any) -> None:
        """One output over a part's chunks of rows."""
        frame, b, length = self.frame, self.frame.builder, group.reduced[-1]
        outers = frame.unravel(outer, group.kept)
        bases = [o.moved(o.address, outers, o.kept) for o in group.operands]
        self.total.reset()
        with frame.loop(units[0], units[1]) as unit:
            row, chunk = frame.divide(unit, group.pieces)
            indices = frame.unravel(row, group.reduced[:-1])
            starts = zip(group.operands, bases, strict=True)
            addresses = [o.moved(base, indices, o.reduced[:-1]) for o, base in starts]
            first = frame.times(chunk, CHUNK)
            before = b.mul(row, length)
            self.partial.reset()

            def vector(index: Any, mask: Any) -> None:
                value = self.evaluate(group, addresses, index, mask)
                position = b.add(frame.emitter.splat(b.add(before, index)), frame.emitter.lanes())
                self.partial.add(value, self.value, position, mask)

            frame.vectors(first, frame.least(frame.plus(first, CHUNK), length), vector)
            self.total.merge(self.partial.values())
        one = Emitter(b, 1)
        one.store(self.form.dtype, self.total.result(one, self.total.across(), self.form.dtype), place)

    def evaluate(self, group: _Group, addresses: Sequence[Any], index: Any, mask: Any) -> Any:
        """The values to reduce; the body's other outputs are written."""
        frame, count = self.frame, len(self.body.inputs)
        places = list(zip(group.operands, addresses, strict=True))
        inputs = [
            Reader(frame, o.dtype, kind, address, o.inner)(index, mask)
            for kind, (o, address) in zip(self.form.patterns, places[:count], strict=True)
        ]
        value, *written = frame.emitter.apply(self.body, inputs)
        for result, (o, address) in zip(written, places[count:], strict=True):
            frame.emitter.store(o.dtype, result, frame.at(address, index, o.dtype), mask)
        return value


# ------------------------------------------------------------------------------------------------ planning


@dataclass(frozen=True)
class ReduceSpace:
    """A space and which of its dimensions are reduced."""

    space: Space
    reduced: tuple[bool, ...]


def turned(target: ReduceSpace, kind: str, body: Body) -> ReduceSpace:
    """The target with its short rows as columns, where no order of reduction shows: lanes are rows then."""
    shape, reduced = target.space.shape, target.reduced
    length = math.prod(shape[k] for k in range(len(shape)) if reduced[k])
    if kind in ("sum", "prod") or len(body.outputs) > 1 or length > LANES or not (reduced and reduced[-1]):
        return target
    order = sorted(range(len(shape)), key=lambda k: not reduced[k])
    strides = tuple(tuple(s[k] for k in order) for s in target.space.strides)
    return ReduceSpace(Space(tuple(shape[k] for k in order), strides), tuple(reduced[k] for k in order))


@dataclass(frozen=True)
class _Collapsed:
    kept: tuple[int, ...]
    reduced: tuple[int, ...]
    strides: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    columns: bool
    patterns: tuple[str, ...]

    @property
    def outputs(self) -> int:
        return math.prod(self.kept)

    @property
    def signature(self) -> Signature:
        return len(self.kept), len(self.reduced), self.columns, self.patterns


Signature = tuple[int, int, bool, tuple[str, ...]]


def reduce_runs(target: ReduceSpace) -> tuple[int, ...]:
    """The runs of dimensions that merge, to be kept for plans of the same program at other sizes."""
    return runs_of(target.space, target.reduced)


def signature(body: Body, target: ReduceSpace, runs: Sequence[int] | None = None) -> Signature:
    """How `target` collapses: targets of equal signatures can share a launch."""
    return _collapse(body, target, reduce_runs(target) if runs is None else runs).signature


def plan_reduce(
    body: Body,
    kind: str,
    dtype: str,
    targets: Sequence[ReduceSpace],
    runs: Sequence[Sequence[int]] | None = None,
) -> tuple[Launch, ...]:
    """One or two launches that reduce the first output of `body` over each target's reduced dimensions, by
    `kind`.

    `kind` is one of `accumulate.KINDS`; `dtype` is the result's. Further outputs of the body are written,
    dense over the whole space (neighbouring dimensions are walked once, so the map costs no pass of its own).
    Operands are numbered target by target: inputs, written outputs, the result (dense over the kept
    dimensions). `runs` as in `plan_map`.

    Raises:
        ValueError: the targets do not collapse alike.
    """
    runs = [reduce_runs(target) for target in targets] if runs is None else runs
    collapsed = [_collapse(body, target, run) for target, run in zip(targets, runs, strict=True)]
    kinds = {c.signature for c in collapsed}
    if len(kinds) != 1:
        raise ValueError(
            f"{kind} of {body}: targets of one launch must collapse alike, got {sorted(kinds)}; plan them apart"
        )
    parts = [1 if kind in ARGUMENTS else _parts(c) for c in collapsed]
    form = ReduceForm(kind, dtype, *kinds.pop())
    work = sum(target.space.size for target in targets) * cost(body)
    count = len(body.inputs) + len(body.outputs)
    operands = [[Pointer(k * count + i) for i in range(count)] for k in range(len(targets))]
    if max(parts) == 1:
        records = [_record(c, 1, o[:-1], o[-1]) for c, o in zip(collapsed, operands, strict=True)]
        return (Launch(reduce_source(body, form), table(records, work), parallel=worth_parallel(work)),)
    partial = accumulator_dtype(kind, body.dtype(body.outputs[0]))
    sizes = [n * c.outputs * element(partial).size for c, n in zip(collapsed, parts, strict=True)]
    starts = [sum(-(-size // 64) * 64 for size in sizes[:k]) for k in range(len(sizes) + 1)]
    firsts, seconds = [], []
    for c, n, o, start in zip(collapsed, parts, operands, starts[:-1], strict=True):
        firsts.append(_record(c, n, o[:-1], Scratch(start)))
        seconds.append(Parts(c.outputs, n, Scratch(start), o[-1]))
    first = reduce_source(body, dataclasses.replace(form, dtype=partial))
    return (
        Launch(first, table(firsts, work), starts[-1], worth_parallel(work)),
        plan_parts(kind, partial, dtype, seconds, starts[-1]),
    )


class Parts(NamedTuple):
    """Results of parts of a reduction, `outputs` of each, one part behind the other at `source`."""

    outputs: int
    parts: int
    source: Scratch
    target: Slot


def plan_parts(kind: str, partial: str, dtype: str, groups: Sequence[Parts], scratch_bytes: int) -> Launch:
    """One launch that reduces results of parts, of dtype `partial`, to results of `dtype`."""
    records = []
    for outputs, parts, source, target in groups:
        rows = _Collapsed((outputs,), (parts,), (((1,), (outputs,)),), True, ("contiguous",))
        records.append(_record(rows, 1, [source], target))
    kernel = reduce_source(Body((partial,), (), (0,)), ReduceForm(kind, dtype, 1, 1, True, ("contiguous",)))
    work = sum(group.outputs * group.parts for group in groups) * element(partial).size
    return Launch(kernel, table(records, work), scratch_bytes, worth_parallel(work))


def _collapse(body: Body, target: ReduceSpace, runs: Sequence[int]) -> _Collapsed:
    written = (dense_strides(target.space.shape),) * (len(body.outputs) - 1)
    space = collapse(Space(target.space.shape, (*target.space.strides, *written)), runs)
    starts = [sum(runs[:k]) for k in range(len(runs))]
    flags = [target.reduced[k] for k in starts] or [True]
    if not any(flags):  # nothing is reduced: a dimension of size 1 is
        flags = [True, *flags]
        space = Space((1, *space.shape), tuple((0, *s) for s in space.strides))

    def of(values: Sequence[int], flag: bool) -> tuple[int, ...]:
        return tuple(v for v, reduced in zip(values, flags, strict=True) if reduced is flag)

    strides = tuple((of(s, False), of(s, True)) for s in space.strides)
    patterns = tuple(pattern(s[-1]) for s in space.strides[: len(body.inputs)])
    return _Collapsed(of(space.shape, False), of(space.shape, True), strides, not flags[-1], patterns)


def _parts(c: _Collapsed) -> int:
    """Into how many parts the reduced dimensions are cut: a function of the shape alone."""
    length = math.prod(c.reduced)
    if length * c.outputs < SHORT:
        return 1
    if c.columns:
        strips = math.prod(c.kept[:-1]) * -(-c.kept[-1] // STRIP)
        return max(1, min(length // BLOCK, PARTS // strips))
    return max(1, min(length // CHUNK, PARTS // c.outputs, _units(c)))


def _units(c: _Collapsed) -> int:
    return math.prod(c.reduced) if c.columns else math.prod(c.reduced[:-1]) * -(-c.reduced[-1] // CHUNK)


def _record(c: _Collapsed, parts: int, operands: Sequence[Slot], result: Slot) -> tuple[int, list[Slot]]:
    pieces = max(1, -(-c.kept[-1] // STRIP) if c.columns else -(-c.reduced[-1] // CHUNK))
    per_part = math.prod(c.kept[:-1]) * pieces if c.columns else c.outputs
    slots: list[Slot] = [parts, per_part, _units(c), pieces, *c.kept, *c.reduced]
    for address, (kept, reduced) in zip(operands, c.strides, strict=True):
        slots += [address, *kept, *reduced]
    return parts * per_part if c.outputs else 0, [*slots, result]
