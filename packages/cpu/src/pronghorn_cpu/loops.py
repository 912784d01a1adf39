"""What generated kernels are built of besides expressions: their argument block, counted loops, each thread's
share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from pronghorn_cpu.claims import claimed
from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.launch import Slot, claims_for
from pronghorn_cpu.staging import Code
from pronghorn_cpu.vectors import INT64, Builder, element

LANES = 16
"""The lanes of every kernel on every machine: LLVM splits them where vectors are shorter, and the bits stay.
"""


HEADER = 3
"""Slots of a table before its groups."""


def table(records: Sequence[tuple[int, Sequence[Slot]]], work: int = 0) -> tuple[Slot, ...]:
    """The block of a kernel that runs over a table of groups: each a number of items and a record.

    Slots: the number of groups, that of all items, where they are claimed (if the `work`, as for `worth_parallel`, is
    much); then per group the items before it, its items, its record.
    """
    slots: list[Slot] = [len(records), sum(items for items, _ in records), claims_for(work)]
    before = 0
    for items, record in records:
        slots += [before, items, *record]
        before += items
    return tuple(slots)


def integer(value: int) -> ir.Constant:
    """An int64 constant."""
    return ir.Constant(INT64, value)


class Frame:
    """A kernel under construction: int64 arithmetic, the block's slots, loops. `emitter` works at the same
    position.
    """

    def __init__(self, builder: Builder, block: Any, width: int = LANES) -> None:
        self.builder = builder
        self.block = block
        self.width = width
        self.emitter = Emitter(builder, width)

    def slot(self, index: Any, base: Any = None) -> Any:
        """The int64 in slot `index` of the block, or of a record that starts at the address `base`."""
        index = integer(index) if isinstance(index, int) else index
        pointer = self.builder.inttoptr(self.block if base is None else base, INT64.as_pointer())
        return self.builder.load(self.builder.gep(pointer, [index]))

    def slots(self, base: Any, first: int, count: int) -> list[Any]:
        """`count` slots of the record at `base`."""
        return [self.slot(first + k, base) for k in range(count)]

    def least(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def most(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed(">", a, b), a, b)

    def times(self, a: Any, factor: int) -> Any:
        return a if factor == 1 else self.builder.mul(a, integer(factor))

    def plus(self, *terms: Any) -> Any:
        """The sum of int64 values and ints."""
        total = terms[0] if not isinstance(terms[0], int) else integer(terms[0])
        for term in terms[1:]:
            total = self.builder.add(total, integer(term) if isinstance(term, int) else term)
        return total

    def share(self, count: Any, t: Any, threads: Any) -> tuple[Any, Any]:
        """Thread `t`'s contiguous part of `count` items."""
        b = self.builder
        return b.sdiv(b.mul(count, t), threads), b.sdiv(b.mul(count, b.add(t, integer(1))), threads)

    def divide(self, a: Any, by: Any) -> tuple[Any, Any]:
        """Quotient and remainder of non-negative integers; no division where `by` is 1, as it mostly is."""
        b = self.builder
        before = b.block
        with b.if_then(b.icmp_unsigned("!=", by, integer(1))):
            quotient = b.udiv(a, by)
            inside = b.block
        phi = b.phi(INT64)
        phi.add_incoming(a, before)
        phi.add_incoming(quotient, inside)
        return phi, b.sub(a, b.mul(phi, by))

    def unravel(self, flat: Any, sizes: Sequence[Any]) -> list[Any]:
        """The index in every dimension of a row-major flat index; the first size is not needed."""
        indices: list[Any] = []
        for size in reversed(sizes[1:]):
            flat, remainder = self.divide(flat, size)
            indices.insert(0, remainder)
        return [flat, *indices] if sizes else []

    def offset(self, indices: Sequence[Any], strides: Sequence[Any]) -> Any:
        """The sum of products; 0 for none."""
        total: Any = integer(0)
        for index, stride in zip(indices, strides, strict=True):
            total = self.builder.add(total, self.builder.mul(index, stride))
        return total

    @contextmanager
    def loop(self, start: Any, stop: Any, step: Any = 1) -> Iterator[Any]:
        """`for index in range(start, stop, step)`."""
        b = self.builder
        before = b.block
        head, body, end = (b.append_basic_block(name) for name in ("head", "body", "end"))
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(INT64)
        index.add_incoming(integer(start) if isinstance(start, int) else start, before)
        b.cbranch(b.icmp_signed("<", index, stop), body, end)
        b.position_at_end(body)
        yield index
        index.add_incoming(self.plus(index, step), b.block)
        b.branch(head)
        b.position_at_end(end)

    @contextmanager
    def groups(self, t: Any, threads: Any, record: int) -> Iterator[tuple[Any, Any, Any]]:
        """For every group of a `table` block of which thread `t` has a part: its record's address and range
        of items.
        """
        b = self.builder
        code = Code(b)
        groups, items, line = self.slots(self.block, 0, HEADER)
        with claimed(code, *map(code.word, (line, items, t, threads))) as (low, high, _), self.loop(0, groups) as group:
            base = self.plus(self.block, 8 * HEADER, self.times(group, 8 * (record + 2)))
            first = self.slot(0, base)
            start = self.most(b.sub(low.value, first), integer(0))
            stop = self.least(b.sub(high.value, first), self.slot(1, base))
            with self.when(b.icmp_signed("<", start, stop)):
                yield self.plus(base, 16), start, stop

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        with self.builder.if_then(condition):
            yield

    def vectors(self, start: Any, stop: Any, emit: Callable[[Any, Any], None]) -> None:
        """`emit(index, mask)` for every `width` indices from `start`; the last, partial vector has a mask,
        the others None.
        """
        b = self.builder
        whole = b.add(start, b.and_(b.sub(stop, start), integer(-self.width)))
        with self.loop(start, whole, self.width) as index:
            emit(index, None)
        with self.when(b.icmp_signed("<", whole, stop)):
            emit(whole, self.emitter.tail_mask(b.sub(stop, whole)))

    def at(self, base: Any, index: Any, dtype: str) -> Any:
        """The address of element `index` of an array at `base`."""
        return self.builder.add(base, self.times(index, element(dtype).size))

    def variable(self, kind: ir.Type, value: Any = None) -> Any:
        """A mutable value (LLVM keeps it in a register)."""
        with self.builder.goto_entry_block():
            pointer = self.builder.alloca(kind)
        if value is not None:
            self.builder.store(value, pointer)
        return pointer
