"""Fused map-reduce kernels: a `Body` evaluated over an iteration space and reduced over some of its dimensions.

Two forms. If the innermost dimension is kept ("columns": a bias gradient), lanes are neighbouring outputs and rows are added
one after the other. If it is reduced ("rows": a loss), 16 lanes run along it and end in a fixed tree. Either way a partial
sum covers at most `BLOCK` rows or `CHUNK` elements before it is added to the next level, which keeps rounding errors small.
A long reduction with few outputs is cut into a number of parts that depends on the shape alone; they are written to scratch
memory and a second launch reduces them. So the bits depend on shapes only, not on threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pronghorn.body import Body
from pronghorn_cpu.accumulate import ARGUMENTS, Accumulator, accumulator_dtype
from pronghorn_cpu.elementwise import Reader, cost
from pronghorn_cpu.emit import Builder, Emitter, element, kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import Frame, table
from pronghorn_cpu.spaces import Space, collapse, dense_strides, pattern, runs_of

STRIP = 32
"""Columns of an item."""
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

    `kept` and `reduced` count the collapsed dimensions, `columns` says that the innermost one is kept, `patterns` how each
    input runs along it, `dtype` is the result's.
    """

    kind: str
    dtype: str
    kept: int
    reduced: int
    columns: bool
    patterns: tuple[str, ...]


def reduce_source(body: Body, form: ReduceForm) -> str:
    """Source of the kernel that reduces the first output of `body` and writes its other outputs.

    The block is a `loops.table`; a record has: parts, items per part, units (rows, or chunks of rows, to be shared by the
    parts), strips per row of outputs or chunks per row of inputs, the sizes of the kept and of the reduced dimensions, per
    operand (inputs, then written outputs) its address and strides along kept and reduced dimensions, the result's address.
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


class _Reduction:
    """The emission of one reduction kernel."""

    def __init__(self, frame: Frame, body: Body, form: ReduceForm) -> None:
        self.frame = frame
        self.body = body
        self.form = form
        self.value = body.dtype(body.outputs[0])
        dtypes = [*body.inputs, *(body.dtype(k) for k in body.outputs[1:])]
        self.dtypes = dtypes
        self.per_operand = 1 + form.kept + form.reduced
        self.operands_at = 4 + form.kept + form.reduced
        self.record = self.operands_at + len(dtypes) * self.per_operand + 1
        self.total = Accumulator(frame, form.kind, self.value)
        self.partial = Accumulator(frame, form.kind, self.value)

    def emit(self, t: Any, threads: Any) -> None:
        frame, form = self.frame, self.form
        with frame.groups(t, threads, self.record) as (base, start, stop):
            parts, per_part, units, pieces = frame.slots(base, 0, 4)
            kept, reduced = frame.slots(base, 4, form.kept), frame.slots(base, 4 + form.kept, form.reduced)
            operands = [
                _Operand(frame, base, self.operands_at + k * self.per_operand, form, dtype)
                for k, dtype in enumerate(self.dtypes)
            ]
            result = frame.slot(self.record - 1, base)
            with frame.loop(start, stop) as item:
                part, rest = frame.divide(item, per_part)
                low, high = frame.share(units, part, parts)
                if form.columns:
                    self.columns(operands, kept, reduced, pieces, rest, (low, high), (result, part, per_part))
                else:
                    address = frame.at(result, item, form.dtype)
                    self.row(operands, kept, reduced, pieces, rest, (low, high), address)

    def columns(
        self, operands: Sequence[_Operand], kept: Sequence[Any], reduced: Sequence[Any], strips: Any, rest: Any,
        rows: tuple[Any, Any], target: tuple[Any, Any, Any],
    ) -> None:  # fmt: skip
        """A strip of columns over a part's rows."""
        frame, b = self.frame, self.frame.builder
        outer, strip = frame.divide(rest, strips)
        result, part, per_part = target
        result_row = b.add(b.mul(part, b.udiv(per_part, strips)), outer)
        outers = frame.unravel(outer, kept[:-1])
        bases = [frame.at(o.address, frame.offset(outers, o.kept[:-1]), o.dtype) for o in operands]
        first = frame.times(strip, STRIP)

        def column(index: Any, mask: Any) -> None:
            self.total.reset()
            with frame.loop(rows[0], rows[1], BLOCK) as block:
                self.partial.reset()
                with frame.loop(block, frame.least(frame.plus(block, BLOCK), rows[1])) as row:
                    indices = frame.unravel(row, reduced)
                    addresses = [
                        frame.at(base, frame.offset(indices, o.reduced), o.dtype)
                        for base, o in zip(bases, operands, strict=True)
                    ]
                    value = self.evaluate(operands, addresses, index, mask)
                    self.partial.add(value, self.value, frame.emitter.splat(row))
                self.total.merge(self.partial.values())
            address = frame.at(result, b.add(b.mul(result_row, kept[-1]), index), self.form.dtype)
            frame.emitter.store(self.form.dtype, self.total.result(frame.emitter, self.total.values(), self.form.dtype), address, mask)

        frame.vectors(first, frame.least(frame.plus(first, STRIP), kept[-1]), column)

    def row(
        self, operands: Sequence[_Operand], kept: Sequence[Any], reduced: Sequence[Any], chunks: Any, outer: Any,
        units: tuple[Any, Any], address: Any,
    ) -> None:  # fmt: skip
        """One output over a part's chunks of rows."""
        frame, b = self.frame, self.frame.builder
        outers = frame.unravel(outer, kept)
        bases = [frame.at(o.address, frame.offset(outers, o.kept), o.dtype) for o in operands]
        self.total.reset()
        with frame.loop(units[0], units[1]) as unit:
            row, chunk = frame.divide(unit, chunks)
            indices = frame.unravel(row, reduced[:-1])
            addresses = [
                frame.at(base, frame.offset(indices, o.reduced[:-1]), o.dtype)
                for base, o in zip(bases, operands, strict=True)
            ]
            first = frame.times(chunk, CHUNK)
            before = b.mul(row, reduced[-1])
            self.partial.reset()

            def vector(index: Any, mask: Any) -> None:
                value = self.evaluate(operands, addresses, index, mask)
                position = b.add(frame.emitter.splat(b.add(before, index)), frame.emitter.lanes())
                self.partial.add(value, self.value, position, mask)

            frame.vectors(first, frame.least(frame.plus(first, CHUNK), reduced[-1]), vector)
            self.total.merge(self.partial.values())
        one = Emitter(b, 1)
        one.store(self.form.dtype, self.total.result(one, self.total.across(), self.form.dtype), address)

    def evaluate(self, operands: Sequence[_Operand], addresses: Sequence[Any], index: Any, mask: Any) -> Any:
        """The values to reduce; the body's other outputs are written."""
        frame, body = self.frame, self.body
        count = len(body.inputs)
        inputs = [
            Reader(frame, o.dtype, kind, address, o.inner)(index, mask)
            for o, kind, address in zip(operands[:count], self.form.patterns, addresses[:count], strict=True)
        ]
        value, *written = frame.emitter.apply(body, inputs)
        for result, o, address in zip(written, operands[count:], addresses[count:], strict=True):
            frame.emitter.store(o.dtype, result, frame.at(address, index, o.dtype), mask)
        return value


# ------------------------------------------------------------------------------------------------ planning


@dataclass(frozen=True)
class ReduceSpace:
    """A space and which of its dimensions are reduced."""

    space: Space
    reduced: tuple[bool, ...]


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


def reduce_runs(target: ReduceSpace) -> tuple[int, ...]:
    """The runs of dimensions that merge, to be kept for plans of the same program at other sizes."""
    return runs_of(target.space, target.reduced)


def plan_reduce(
    body: Body, kind: str, dtype: str, targets: Sequence[ReduceSpace], runs: Sequence[Sequence[int]] | None = None
) -> tuple[Launch, ...]:
    """One or two launches that reduce the first output of `body` over each target's reduced dimensions, by `kind`.

    `kind` is one of `accumulate.KINDS`; `dtype` is the result's. Further outputs of the body are written, dense over the
    whole space (neighbouring dimensions are walked once, so the map costs no pass of its own). Operands are numbered target
    by target: inputs, written outputs, the result (dense over the kept dimensions). `runs` as in `plan_map`.

    Raises:
        ValueError: the targets do not collapse alike.
    """
    runs = [reduce_runs(target) for target in targets] if runs is None else runs
    collapsed = [_collapse(body, target, run) for target, run in zip(targets, runs, strict=True)]
    kinds = {(len(c.kept), len(c.reduced), c.columns, c.patterns) for c in collapsed}
    if len(kinds) != 1:
        raise ValueError(f"{kind} of {body}: targets of one launch must collapse alike, got {sorted(kinds)}; plan them apart")
    parts = [1 if kind in ARGUMENTS else _parts(c) for c in collapsed]
    cut = max(parts) > 1
    operands = len(body.inputs) + len(body.outputs)
    partial = accumulator_dtype(kind, body.dtype(body.outputs[0])) if cut else dtype
    records, offsets = [], []
    scratch = 0
    for k, (c, count) in enumerate(zip(collapsed, parts, strict=True)):
        offsets.append(scratch)
        result: Slot = Scratch(scratch) if cut else Pointer((k + 1) * operands - 1)
        scratch += -(-count * c.outputs * element(partial).size // 64) * 64
        records.append(_record(c, count, k * operands, result))
    work = sum(target.space.size for target in targets) * cost(body)
    form = ReduceForm(kind, partial, *kinds.pop())
    scratch = scratch if cut else 0
    first = Launch(reduce_source(body, form), table(records), scratch, worth_parallel(work))
    if not cut:
        return (first,)
    return first, _second_pass(kind, partial, dtype, collapsed, parts, offsets, operands, scratch)


def _second_pass(
    kind: str, partial: str, dtype: str, collapsed: Sequence[_Collapsed], parts: Sequence[int], offsets: Sequence[int],
    operands: int, scratch: int,
) -> Launch:  # fmt: skip
    """Reduces the parts of every target, in their order."""
    form = ReduceForm(kind, dtype, 1, 1, True, ("contiguous",))
    records = []
    for k, (c, count, offset) in enumerate(zip(collapsed, parts, offsets, strict=True)):
        items, slots = _record(
            _Collapsed((c.outputs,), (count,), (((1,), (c.outputs,)),), True, ("contiguous",)), 1, 0, Pointer((k + 1) * operands - 1)
        )
        records.append((items, [Scratch(offset) if slot == Pointer(0) else slot for slot in slots]))
    work = sum(c.outputs * count for c, count in zip(collapsed, parts, strict=True)) * element(partial).size
    return Launch(reduce_source(Body((partial,), (), (0,)), form), table(records), scratch, worth_parallel(work))


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


def _record(c: _Collapsed, parts: int, operand: int, result: Slot) -> tuple[int, list[Slot]]:
    pieces = max(1, -(-c.kept[-1] // STRIP) if c.columns else -(-c.reduced[-1] // CHUNK))
    per_part = math.prod(c.kept[:-1]) * pieces if c.columns else c.outputs
    slots: list[Slot] = [parts, per_part, _units(c), pieces, *c.kept, *c.reduced]
    for k, (kept, reduced) in enumerate(c.strides):
        slots += [Pointer(operand + k), *kept, *reduced]
    return parts * per_part if c.outputs else 0, [*slots, result]
