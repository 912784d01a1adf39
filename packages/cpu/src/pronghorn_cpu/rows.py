"""Row programs: formulas over the rows of a matrix, run as one instruction.

A program is assignments in the language of the elementwise table plus `max_row(e)` and `sum_row(e)`, which
reduce an expression over the row to a number, and `sum_column(e)`, which adds it up over all rows; `column` is
the index in the row. Statements run in order, in as few passes over the row as the numbers allow: a statement
that needs a number of the current pass starts the next one. What a pass assigns lives in registers; a later
pass reads an output back from memory and computes anything else anew. Short rows take each pass in blocks.
Rows are split over threads; within a row 16 lanes run along the columns and end in a fixed tree. Columns are
summed over parts of the rows, whose number depends on the shape alone, and these by a second launch.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from pronghorn_cpu import elementary
from pronghorn_cpu.accumulate import Accumulator
from pronghorn_cpu.emit import kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, float_bits, kernel_source, worth_parallel
from pronghorn_cpu.loops import Frame, integer, table
from pronghorn_cpu.reduction import Parts, plan_parts
from pronghorn_cpu.vectors import INT32, Builder, Typed, element

_BLOCK_ROWS, _BLOCK_ELEMENTS = 16, 2048
"""The most rows that take a pass one after the other before the next pass, and the most elements, which stay in the
first-level cache: while the lanes of a row's sum are added up, the next row is under way."""

_PART_ROWS = 128
"""Rows that a column adds up in one go (part of the bits)."""

_COLUMN = "column"
_REDUCTIONS = {"max_row": "max", "sum_row": "sum", "sum_column": _COLUMN}


@dataclass(frozen=True)
class RowProgram:
    """`source` over named operands, each "name: role", in the order of the op's.

    A "row" has a value in every column, a "number" one per row, a "label" one integer per row (of any dtype,
    read as int64); a "column" is an output with a sum for each column. `parameters` are constants of a launch,
    `outputs` the assigned names that are written.
    """

    source: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    @property
    def operands(self) -> tuple[str, ...]:
        """The names of inputs, then outputs."""
        return tuple(operand.split(":")[0] for operand in (*self.inputs, *self.outputs))

    def named(self, role: str, outputs: bool) -> tuple[str, ...]:
        """The inputs or outputs in `role`."""
        listed = (operand.split(": ") for operand in (self.outputs if outputs else self.inputs))
        return tuple(name for name, r in listed if r == role)


@dataclass(frozen=True)
class _Statement:
    target: str
    expression: str
    reduction: str | None
    names: frozenset[str]


def _statements(program: RowProgram) -> list[_Statement]:
    result = []
    for node in ast.parse(program.source).body:
        assert isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        value, reduction = node.value, None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _REDUCTIONS:
            reduction, value = _REDUCTIONS[value.func.id], value.args[0]
        names = frozenset(n.id for n in ast.walk(value) if isinstance(n, ast.Name))
        result.append(_Statement(node.targets[0].id, ast.unparse(value), reduction, names))
    return result


def _passes(program: RowProgram) -> list[list[_Statement]]:
    """The statements grouped into passes, each with those of earlier passes that it has to compute anew in
    front.
    """
    numbers = {*program.named("number", False), *program.named("label", False), *program.parameters}
    written = set(program.named("row", True))
    passes: list[list[_Statement]] = [[]]
    fresh: set[str] = set()
    vectors: dict[str, _Statement] = {}
    known: set[str] = set()

    def recall(names: frozenset[str]) -> None:
        for name in sorted(names & vectors.keys() - known - written):
            recall(vectors[name].names)
            passes[-1].append(vectors[name])
            known.add(name)

    for statement in _statements(program):
        if statement.names & fresh:
            passes.append([])
            fresh, known = set(), set()
        recall(statement.names)
        passes[-1].append(statement)
        if statement.reduction == _COLUMN:
            continue
        if statement.reduction:
            fresh.add(statement.target)
            numbers.add(statement.target)
        elif statement.names <= numbers | elementary.PROGRAMS.keys():
            numbers.add(statement.target)
        else:
            vectors[statement.target] = statement
            known.add(statement.target)
    return passes


def row_source(program: RowProgram, dtypes: tuple[str, ...]) -> str:
    """Source of the kernel of `program` for operands (inputs, then outputs) of `dtypes`.

    The block is a `loops.table` of one group, an item a row, or a part of the rows where columns are summed;
    the record has: columns, rows, the parameters as float64 bits, per operand its address and the stride in
    elements from row to row, from part to part for sums of columns.
    """
    return kernel_source(row_kernel, program, dtypes)


def row_kernel(program: RowProgram, dtypes: tuple[str, ...]) -> Any:
    """The intrinsic of `row_source`."""

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        _Rows(Frame(builder, p), program, dtypes).emit(t, threads)

    return kernel_intrinsic(emit)


class _Rows:
    """The emission of one row kernel."""

    def __init__(self, frame: Frame, program: RowProgram, dtypes: tuple[str, ...]) -> None:
        self.frame = frame
        self.program = program
        self.dtypes = dict(zip(program.operands, dtypes, strict=True))
        self.work = "float64" if "float64" in (self.dtypes[name] for name in program.named("row", False)) else "float32"
        self.labels = program.named("label", False)
        self.read_numbers = (*program.named("number", False), *self.labels)
        self.written_rows = program.named("row", True)
        self.summed = program.named(_COLUMN, True)
        self.addresses: dict[str, Any] = {}
        self.numbers: dict[str, Typed] = {}
        self.kept: dict[str, tuple[Any, str]] = {}

    def emit(self, t: Any, threads: Any) -> None:
        frame, program = self.frame, self.program
        first = 2 + len(program.parameters)
        names = program.operands
        with frame.groups(t, threads, first + 2 * len(names)) as (base, start, stop):
            columns, rows = frame.slots(base, 0, 2)
            parameters = {name: self.parameter(frame.slot(2 + k, base)) for k, name in enumerate(program.parameters)}
            places = {name: frame.slots(base, first + 2 * k, 2) for k, name in enumerate(names)}
            if not self.summed:
                self.rows(start, stop, columns, parameters, places)
                return
            with frame.loop(start, stop) as part:
                sums = {name: self.place(name, part, *places.pop(name)) for name in self.summed}
                for name, address in sums.items():
                    self.clear(name, address, columns)
                self.addresses = sums
                self.rows(*frame.share(rows, part, frame.slot(1)), columns, parameters, places)

    def rows(
        self, start: Any, stop: Any, columns: Any, parameters: dict[str, Typed], places: dict[str, list[Any]]
    ) -> None:
        """All passes over rows, a block of them at a time."""
        frame = self.frame
        fitting = frame.builder.udiv(integer(_BLOCK_ELEMENTS), frame.most(columns, integer(1)))
        height = frame.most(frame.least(fitting, integer(_BLOCK_ROWS)), integer(1))
        with frame.loop(start, stop, height) as top:
            bottom = frame.least(frame.plus(top, height), stop)
            for statements in _passes(self.program):
                with frame.loop(top, bottom) as row:
                    place = frame.builder.sub(row, top)
                    for name, (address, stride) in places.items():
                        self.addresses[name] = self.place(name, row, address, stride)
                    read = {name: self.number(name) for name in self.read_numbers}
                    self.numbers = {**parameters, **read, **self.recalled(place)}
                    known = set(self.numbers)
                    self.sweep(statements, columns)
                    for name in self.numbers:
                        if name not in known:
                            self.keep(name, place)

    def place(self, name: str, index: Any, address: Any, stride: Any) -> Any:
        """The address of an operand's row, or part, `index`."""
        return self.frame.at(address, self.frame.builder.mul(index, stride), self.dtypes[name])

    def clear(self, name: str, address: Any, columns: Any) -> None:
        """Sets sums of columns to 0."""
        frame, dtype = self.frame, self.dtypes[name]
        zero = frame.emitter.splat(ir.Constant(element(dtype).register, 0))

        def vector(index: Any, mask: Any) -> None:
            frame.emitter.store(dtype, zero, frame.at(address, index, dtype), mask)

        frame.vectors(frame.plus(0), columns, vector)

    def keep(self, name: str, place: Any) -> None:
        """Writes a number of the row at `place` in its block, where the passes to come find it."""
        if name in self.program.named("number", True):
            self.write_number(name)
        value = self.numbers[name]
        if name not in self.kept:
            array = ir.ArrayType(value.value.type.element, _BLOCK_ROWS)
            self.kept[name] = self.frame.variable(array), value.dtype
        scalar = self.frame.builder.extract_element(value.value, ir.Constant(INT32, 0))
        self.frame.builder.store(scalar, self.frame.builder.gep(self.kept[name][0], [integer(0), place]))

    def recalled(self, place: Any) -> dict[str, Typed]:
        """The numbers that earlier passes found for that row."""
        builder = self.frame.builder
        return {
            name: Typed(self.frame.emitter.splat(builder.load(builder.gep(pointer, [integer(0), place]))), dtype)
            for name, (pointer, dtype) in self.kept.items()
        }

    def parameter(self, bits: Any) -> Typed:
        frame = self.frame
        value = frame.builder.bitcast(bits, element("float64").register)
        return Typed(frame.emitter.cast(frame.emitter.splat(value), "float64", self.work), self.work)

    def number(self, name: str) -> Typed:
        dtype = self.dtypes[name]
        target = "int64" if name in self.labels else self.work
        value = self.frame.emitter.load_scalar(dtype, self.addresses[name])
        return Typed(self.frame.emitter.cast(value, dtype, target), target)

    def write_number(self, name: str) -> None:
        frame, dtype = self.frame, self.dtypes[name]
        value = frame.emitter.cast(self.numbers[name].value, self.work, dtype)
        frame.emitter.store(dtype, value, self.addresses[name], frame.emitter.tail_mask(frame.plus(1)))

    def sweep(self, statements: Sequence[_Statement], columns: Any) -> None:
        """One pass over the row: statements on numbers alone run once, before it."""
        frame, e = self.frame, self.frame.emitter
        vectors: list[_Statement] = []
        for statement in statements:
            if statement.reduction is None and statement.names <= self.numbers.keys() | elementary.PROGRAMS.keys():
                self.numbers[statement.target] = e.expression(statement.expression, dict(self.numbers), self.work)
            else:
                vectors.append(statement)
        if not vectors:
            return
        sums = {
            s.target: Accumulator(frame, s.reduction, self.work) for s in vectors if s.reduction not in (None, _COLUMN)
        }
        for accumulator in sums.values():
            accumulator.reset()

        def vector(index: Any, mask: Any) -> None:
            lanes = frame.builder.add(e.splat(index), e.lanes())
            environment = {**self.numbers, "column": Typed(lanes, "int64")}
            for statement in vectors:
                for name in sorted(statement.names - environment.keys()):
                    if name in self.dtypes:
                        environment[name] = self.read(name, index, mask)
                value = e.expression(statement.expression, environment, self.work)
                if statement.reduction == _COLUMN:
                    total = frame.builder.fadd(self.read(statement.target, index, mask).value, value.value)
                    self.write(statement.target, Typed(total, self.work), index, mask)
                    continue
                if statement.reduction is not None:
                    sums[statement.target].add(value.value, self.work, mask=mask)
                    continue
                environment[statement.target] = value
                if statement.target in self.written_rows:
                    self.write(statement.target, value, index, mask)

        frame.vectors(frame.plus(0), columns, vector)
        for name, accumulator in sums.items():
            self.numbers[name] = Typed(e.splat(accumulator.across()[0]), self.work)

    def read(self, name: str, index: Any, mask: Any) -> Typed:
        dtype = self.dtypes[name]
        value = self.frame.emitter.load(dtype, self.frame.at(self.addresses[name], index, dtype), mask)
        return Typed(self.frame.emitter.cast(value, dtype, self.work), self.work)

    def write(self, name: str, value: Typed, index: Any, mask: Any) -> None:
        dtype = self.dtypes[name]
        stored = self.frame.emitter.cast(value.value, self.work, dtype)
        self.frame.emitter.store(dtype, stored, self.frame.at(self.addresses[name], index, dtype), mask)


def plan_rows(
    program: RowProgram, dtypes: Sequence[str], rows: int, columns: int, parameters: Sequence[float] = (),
    row_strides: Sequence[int] | None = None,
) -> tuple[Launch, ...]:  # fmt: skip
    """`program` on matrices of `rows` x `columns`, one launch, or two where columns are summed over many rows.

    Operands are the program's inputs, then its outputs.

    `dtypes` has one entry per operand. Matrices are dense (a number operand has one element per row) unless
    `row_strides` gives every operand's stride in elements from row to row; 0 repeats one row or number.
    """
    matrices = {*program.named("row", False), *program.named("row", True)}
    names = program.operands
    strides = [columns if name in matrices else 1 for name in names] if row_strides is None else row_strides
    summed = program.named(_COLUMN, True)
    items = max(1, -(-rows // _PART_ROWS)) if summed else rows
    part_bytes = -(-items * columns * element(dtypes[-1]).size // 64) * 64  # sums of columns have one dtype
    slots: list[Slot] = [columns, rows, *(float_bits(x) for x in parameters)]
    parts: list[Parts] = []
    for k, (name, stride) in enumerate(zip(names, strides, strict=True)):
        if name in summed and items > 1:
            memory = Scratch(len(parts) * part_bytes)
            parts.append(Parts(columns, items, memory, Pointer(k)))
            slots += [memory, columns]
        else:
            slots += [Pointer(k), stride]
    moved = sum(element(d).size for d, name in zip(dtypes, names, strict=True) if name in matrices)
    functions = sum(program.source.count(name + "(") for name in elementary.PROGRAMS)
    work = rows * (columns + 16) * (moved + 32 * functions)
    scratch = len(parts) * part_bytes
    first = Launch(row_source(program, tuple(dtypes)), table([(items, slots)], work), scratch, worth_parallel(work))
    return (first, plan_parts("sum", dtypes[-1], dtypes[-1], parts, scratch)) if parts else (first,)
