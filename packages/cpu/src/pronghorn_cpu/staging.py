"""Writing kernels as LLVM IR that still read like Python.

Type inference is most of what Numba spends on a kernel (compiling the loops around a matmul's tiles as
Numba code took 1.1 s, like this it takes 0.3). A kernel that is nothing but address arithmetic around a few
vector instructions does not need it: its generator runs as ordinary Python over `Word` values, and writes
instructions as it goes::

    with code.loop(0, rows) as row:
        vector = code.load(a + row.index * stride, code.vector("float32", 16))

Addresses are int64 in bytes, as everywhere in this package. Floating point is written with llvmlite's own
builder, `code.builder`, and without fast-math flags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, TypeAlias

from llvmlite import ir

from pronghorn_cpu.emit import kernel_intrinsic
from pronghorn_cpu.host import has_fma

INT64 = ir.IntType(64)
_INT32 = ir.IntType(32)
_FLOATS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}

Condition: TypeAlias = Any
"""An LLVM value of type i1."""


class Word:
    """An int64 of the kernel being written: a size, an index, or an address in bytes."""

    __slots__ = ("code", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, code: Code, value: ir.Value) -> None:
        self.code = code
        self.value = value

    def _binary(self, method: str, left: Word | int, right: Word | int) -> Word:
        operation = getattr(self.code.builder, method)
        return Word(self.code, operation(self.code.value(left), self.code.value(right)))

    def _compare(self, operator: str, other: Word | int) -> Condition:
        return self.code.builder.icmp_signed(operator, self.value, self.code.value(other))

    def __add__(self, other: Word | int) -> Word:
        return self._binary("add", self, other)

    def __radd__(self, other: int) -> Word:
        return self._binary("add", other, self)

    def __sub__(self, other: Word | int) -> Word:
        return self._binary("sub", self, other)

    def __rsub__(self, other: int) -> Word:
        return self._binary("sub", other, self)

    def __mul__(self, other: Word | int) -> Word:
        return self._binary("mul", self, other)

    def __rmul__(self, other: int) -> Word:
        return self._binary("mul", other, self)

    def __floordiv__(self, other: Word | int) -> Word:
        """The quotient of values that are not negative."""
        return self._binary("udiv", self, other)

    def __mod__(self, other: Word | int) -> Word:
        """The remainder of values that are not negative."""
        return self._binary("urem", self, other)

    def __and__(self, other: Word | int) -> Word:
        return self._binary("and_", self, other)

    def __lt__(self, other: Word | int) -> Condition:
        return self._compare("<", other)

    def __le__(self, other: Word | int) -> Condition:
        return self._compare("<=", other)

    def __gt__(self, other: Word | int) -> Condition:
        return self._compare(">", other)

    def __ge__(self, other: Word | int) -> Condition:
        return self._compare(">=", other)

    def __eq__(self, other: object) -> Condition:
        assert isinstance(other, Word | int)
        return self._compare("==", other)

    def __ne__(self, other: object) -> Condition:
        assert isinstance(other, Word | int)
        return self._compare("!=", other)


class Variable:
    """An int64 that changes; see `Code.variable`."""

    def __init__(self, code: Code, pointer: ir.Value) -> None:
        self.code = code
        self.pointer = pointer

    def get(self) -> Word:
        return Word(self.code, self.code.builder.load(self.pointer))

    def set(self, value: Word | int) -> None:
        self.code.builder.store(self.code.value(value), self.pointer)


class Slots(IntEnum):
    """Names for the slots of an argument block, counted from 0."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Loop:
    """A loop being written: its `index`, and the values it carries from one turn to the next."""

    def __init__(self, index: Word, carried: list[ir.Value]) -> None:
        self.index = index
        self.carried = carried
        self.following = carried
        self.results: list[ir.Value] = []

    def carry(self, following: Sequence[ir.Value]) -> None:
        """The values of `carried` in the next turn; after the last one they are the loop's `results`."""
        self.following = list(following)


class Code:
    """What a kernel is written with; it writes at the end of the builder's current block."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def value(self, number: Word | int) -> ir.Value:
        """The int64 IR value of a Word or of a Python integer."""
        return number.value if isinstance(number, Word) else ir.Constant(INT64, number)

    def word(self, value: ir.Value | int) -> Word:
        return Word(self, self.value(value) if isinstance(value, int) else value)

    # Integers

    def variable(self, value: int) -> Variable:
        """An int64 that keeps what it is set to from one turn of a loop to the next."""
        with self.builder.goto_entry_block():
            pointer = self.builder.alloca(INT64)
        self.builder.store(self.value(value), pointer)
        return Variable(self, pointer)

    def select(self, condition: Condition, yes: Word | int, no: Word | int) -> Word:
        return Word(self, self.builder.select(condition, self.value(yes), self.value(no)))

    def maximum(self, x: Word | int, y: Word | int) -> Word:
        return self.select(self.builder.icmp_signed(">", self.value(x), self.value(y)), x, y)

    def minimum(self, x: Word | int, y: Word | int) -> Word:
        return self.select(self.builder.icmp_signed("<", self.value(x), self.value(y)), x, y)

    def all(self, *conditions: Condition) -> Condition:
        result = conditions[0]
        for condition in conditions[1:]:
            result = self.builder.and_(result, condition)
        return result

    # Control flow

    @contextmanager
    def loop(
        self, start: Word | int, stop: Word | int, step: Word | int = 1, carried: Sequence[ir.Value] = ()
    ) -> Iterator[Loop]:
        """``for index in range(start, stop, step)``, step positive; `carried` are the first turn's values."""
        builder = self.builder
        first, end = self.value(start), self.value(stop)
        before = builder.block
        body = builder.append_basic_block("loop")
        after = builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed("<", first, end), body, after)
        builder.position_at_end(body)
        index = builder.phi(INT64)
        phis = [builder.phi(value.type) for value in carried]
        loop = Loop(Word(self, index), list(phis))
        yield loop
        following = builder.add(index, self.value(step))
        for phi, initial, next_ in zip([index, *phis], [first, *carried], [following, *loop.following], strict=True):
            phi.add_incoming(initial, before)
            phi.add_incoming(next_, builder.block)
        last = builder.block
        builder.cbranch(builder.icmp_signed("<", following, end), body, after)
        builder.position_at_end(after)
        for initial, next_ in zip(carried, loop.following, strict=True):
            result = builder.phi(initial.type)
            result.add_incoming(initial, before)
            result.add_incoming(next_, last)
            loop.results.append(result)

    @contextmanager
    def when(self, condition: Condition) -> Iterator[None]:
        """``if condition:``"""
        with self.builder.if_then(condition):
            yield

    @contextmanager
    def either(self, condition: Condition) -> Iterator[tuple[Any, Any]]:
        """``with code.either(condition) as (yes, no): with yes: …; with no: …``"""
        with self.builder.if_else(condition) as branches:
            yield branches

    # Memory

    def slot(self, block: Word, index: Word | int) -> Word:
        """Slot `index` of the argument block at `block`."""
        return Word(self, self.load(block + self.word(self.value(index)) * 8, INT64, align=8))

    def set_slot(self, block: Word, index: int, value: Word | int) -> None:
        self.store(self.value(value), block + 8 * index, align=8)

    def load(self, address: Word, kind: ir.Type, align: int = 1) -> ir.Value:
        """The value of LLVM type `kind` at `address`, a multiple of `align`."""
        return self.builder.load(self.builder.inttoptr(address.value, kind.as_pointer()), align=align)

    def store(self, value: ir.Value, address: Word, align: int = 1) -> None:
        self.builder.store(value, self.builder.inttoptr(address.value, value.type.as_pointer()), align=align)

    def add_atomically(self, address: Word, value: int) -> Word:
        """Adds to the int64 at `address`; what was there before."""
        pointer = self.builder.inttoptr(address.value, INT64.as_pointer())
        return Word(self, self.builder.atomic_rmw("add", pointer, self.value(value), "seq_cst"))

    def prefetch(self, address: Word, *, write: bool = True, level: int = 1) -> None:
        """Asks for the cache line at `address`, which will be written or read, in the first- or second-level cache."""
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT32, _INT32, _INT32])
        options = (ir.Constant(_INT32, value) for value in (int(write), 4 - level, 1))
        arguments = [self.builder.inttoptr(address.value, pointer), *options]
        self.builder.call(self._declared("llvm.prefetch.p0", kind), arguments)

    # Vectors

    def vector(self, dtype: str, lanes: int) -> ir.Type:
        """The type of `lanes` elements; one lane is the plain scalar."""
        return _FLOATS[dtype] if lanes == 1 else ir.VectorType(_FLOATS[dtype], lanes)

    def zeros(self, kind: ir.Type) -> ir.Value:
        return ir.Constant(kind, None)

    def splat(self, scalar: ir.Value, lanes: int) -> ir.Value:
        """A vector with `scalar` in every lane."""
        kind = ir.VectorType(scalar.type, lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes))

    def shuffle(self, x: ir.Value, y: ir.Value, lanes: Sequence[int]) -> ir.Value:
        """The given lanes of x and y laid end to end."""
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT32, len(lanes)), list(lanes)))

    def multiply_add(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        """``x * y + z`` with one rounding where the processor can, else with two."""
        if not has_fma():
            return self.builder.fadd(self.builder.fmul(x, y), z)
        element = x.type.element if isinstance(x.type, ir.VectorType) else x.type
        bits = 32 if element == _FLOATS["float32"] else 64
        suffix = f"v{x.type.count}f{bits}" if isinstance(x.type, ir.VectorType) else f"f{bits}"
        kind = ir.FunctionType(x.type, [x.type] * 3)
        return self.builder.call(self._declared(f"llvm.fma.{suffix}", kind), [x, y, z])

    def _declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        module = self.builder.module
        return module.globals.get(name) or ir.Function(module, kind, name)

    # Calls

    def call_kernel(self, kernel: Word, block: Word) -> None:
        """Calls the kernel at the address `kernel` for all of its work."""
        kind = ir.FunctionType(ir.VoidType(), [INT64] * 3)
        pointer = self.builder.inttoptr(kernel.value, kind.as_pointer())
        self.builder.call(pointer, [block.value, ir.Constant(INT64, 0), ir.Constant(INT64, 1)])

    def call(self, name: str, write: Callable[..., None], *arguments: Word | int) -> None:
        """Calls a procedure of Words, which ``write(code, *parameters)`` writes once per module as `name`.

        Procedures keep what LLVM optimises at a time small, and a microkernel's registers its own.
        """
        module = self.builder.module
        procedure = module.globals.get(name)
        if procedure is None:
            kind = ir.FunctionType(ir.VoidType(), [INT64] * len(arguments))
            procedure = ir.Function(module, kind, name)
            procedure.linkage = "internal"
            procedure.attributes.add("noinline")
            builder = ir.IRBuilder(procedure.append_basic_block("entry"))
            inner = Code(builder)
            write(inner, *(Word(inner, argument) for argument in procedure.args))
            builder.ret_void()
        self.builder.call(procedure, [self.value(argument) for argument in arguments])


def intrinsic(write: Callable[[Code, Word, Word, Word], None]) -> Any:
    """``write(code, p, t, threads)`` as a Numba intrinsic."""

    def emit(builder: ir.IRBuilder, *arguments: ir.Value) -> None:
        code = Code(builder)
        write(code, *(code.word(argument) for argument in arguments))

    return kernel_intrinsic(emit)


def share(code: Code, total: Word, t: Word, threads: Word) -> tuple[Word, Word]:
    """The range of `total` pieces of work that is thread t's; empty for threads beyond `threads`."""
    return code.minimum(total * t // threads, total), code.minimum(total * (t + 1) // threads, total)
