"""Vectors of every dtype in LLVM IR: how elements are held, constants, loads and stores, conversions.

In registers a bool is one bit and float16 and bfloat16 are float32 (rounded after every step); in memory a
bool is one byte.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llvmlite import ir

INT8, INT16, INT32, INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
Builder: TypeAlias = ir.IRBuilder
Number = int | float | bool


class Unsupported(Exception):
    """The expression or dtype has no vector form here."""


@dataclass(frozen=True)
class Element:
    """How a dtype lives in memory and in registers. `kind`: f float, i signed, u unsigned, b bool."""

    kind: str
    size: int
    register: ir.Type
    memory: ir.Type


ELEMENTS = {
    "float32": Element("f", 4, ir.FloatType(), ir.FloatType()),
    "float64": Element("f", 8, ir.DoubleType(), ir.DoubleType()),
    "float16": Element("f", 2, ir.FloatType(), ir.HalfType()),
    "bfloat16": Element("f", 2, ir.FloatType(), INT16),
    "int8": Element("i", 1, INT8, INT8),
    "int16": Element("i", 2, INT16, INT16),
    "int32": Element("i", 4, INT32, INT32),
    "int64": Element("i", 8, INT64, INT64),
    "uint8": Element("u", 1, INT8, INT8),
    "uint16": Element("u", 2, INT16, INT16),
    "uint32": Element("u", 4, INT32, INT32),
    "uint64": Element("u", 8, INT64, INT64),
    "bool": Element("b", 1, ir.IntType(1), INT8),
}


def element(dtype: str) -> Element:
    """How `dtype` is held; Unsupported for complex and string."""
    if dtype not in ELEMENTS:
        raise Unsupported(f"kernels do not hold {dtype}")
    return ELEMENTS[dtype]


@dataclass(frozen=True)
class Typed:
    """A value in registers with the dtype that says what it means."""

    value: Any
    dtype: str


class Vectors:
    """Emits the instructions on vectors of `width` lanes (scalars if 1) at the builder's position."""

    def __init__(self, builder: Builder, width: int) -> None:
        self.builder = builder
        self.width = width

    # -------------------------------------------------------------------------------- types and constants

    def vector(self, scalar: ir.Type) -> ir.Type:
        """The type of `width` such scalars."""
        return ir.VectorType(scalar, self.width) if self.width > 1 else scalar

    def type(self, dtype: str) -> ir.Type:
        """The register type of `dtype`."""
        return self.vector(element(dtype).register)

    def constant(self, dtype: str, number: Number) -> ir.Constant:
        """`number` in every lane; out of range integers wrap."""
        held = element(dtype)
        value: Number = float(number) if held.kind == "f" else int(number)
        if held.kind == "b":
            value = int(bool(number))
        elif held.kind != "f":
            value = (int(number) + (1 << (8 * held.size - 1))) % (1 << (8 * held.size)) - (1 << (8 * held.size - 1))
        return ir.Constant(self.type(dtype), [value] * self.width if self.width > 1 else value)

    def splat(self, scalar: Any) -> Any:
        """`scalar` in every lane."""
        if self.width == 1:
            return scalar
        empty = ir.Constant(self.vector(scalar.type), ir.Undefined)
        first = self.builder.insert_element(empty, scalar, ir.Constant(INT32, 0))
        return self.builder.shuffle_vector(
            first, empty, ir.Constant(ir.VectorType(INT32, self.width), [0] * self.width)
        )

    def lanes(self, scalar: ir.Type = INT64) -> ir.Constant:
        """0, 1, 2, … as integers."""
        return ir.Constant(self.vector(scalar), list(range(self.width)) if self.width > 1 else 0)

    def tail_mask(self, count: Any) -> Any:
        """True in the lanes below `count` (int64)."""
        return self.builder.icmp_signed("<", self.lanes(), self.splat(count))

    # ------------------------------------------------------------------------------------------ memory

    def _to_register(self, dtype: str, raw: Any) -> Any:
        b = self.builder
        if dtype == "bool":
            return b.icmp_unsigned("!=", raw, ir.Constant(raw.type, None))
        if dtype == "float16":
            return b.fpext(raw, self.type(dtype))
        if dtype == "bfloat16":
            wide = b.zext(raw, self.vector(INT32))
            return b.bitcast(b.shl(wide, self.constant("int32", 16)), self.type(dtype))
        return raw

    def _to_memory(self, dtype: str, value: Any) -> Any:
        b = self.builder
        memory = self.vector(element(dtype).memory)
        if dtype == "bool":
            return b.zext(value, memory)
        if dtype == "float16":
            return b.fptrunc(value, memory)
        if dtype == "bfloat16":
            bits = b.bitcast(self._round(dtype, value), self.vector(INT32))
            return b.trunc(b.lshr(bits, self.constant("int32", 16)), memory)
        return value

    def _round(self, dtype: str, value: Any) -> Any:
        """A float32 rounded to a 16-bit float, held as float32."""
        b = self.builder
        if dtype == "float16":
            return b.fpext(b.fptrunc(value, self.vector(ir.HalfType())), value.type)
        if dtype != "bfloat16":
            return value
        bits = b.bitcast(value, self.vector(INT32))
        odd = b.and_(b.lshr(bits, self.constant("int32", 16)), self.constant("int32", 1))
        even = b.add(bits, b.add(odd, self.constant("int32", 0x7FFF)))
        kept = b.and_(even, self.constant("int32", 0xFFFF0000))
        quiet = self.constant("int32", 0x7FC00000)
        return b.bitcast(b.select(b.fcmp_unordered("uno", value, value), quiet, kept), value.type)

    def _intrinsic(self, name: str, result: ir.Type, arguments: Sequence[Any]) -> Any:
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            function = ir.Function(module, ir.FunctionType(result, [a.type for a in arguments]), name)
        return self.builder.call(function, arguments)

    def _mangled(self, scalar: ir.Type) -> str:
        names = {ir.FloatType(): "f32", ir.DoubleType(): "f64", ir.HalfType(): "f16"}
        name = names[scalar] if scalar in names else f"i{scalar.width}"
        return f"v{self.width}{name}" if self.width > 1 else name

    def load(self, dtype: str, address: Any, mask: Any = None) -> Any:
        """`width` contiguous elements at `address` (int64, bytes); lanes outside `mask` read 0 and touch no
        memory.
        """
        held = element(dtype)
        memory = self.vector(held.memory)
        pointer = self.builder.inttoptr(address, memory.as_pointer())
        if mask is None:
            return self._to_register(dtype, self.builder.load(pointer, align=held.size))
        arguments = [pointer, ir.Constant(INT32, held.size), mask, ir.Constant(memory, None)]
        name = f"llvm.masked.load.{self._mangled(held.memory)}.p0"
        return self._to_register(dtype, self._intrinsic(name, memory, arguments))

    def store(self, dtype: str, value: Any, address: Any, mask: Any = None) -> None:
        """Writes the lanes in `mask` to contiguous elements at `address` (int64, bytes)."""
        held = element(dtype)
        raw = self._to_memory(dtype, value)
        pointer = self.builder.inttoptr(address, raw.type.as_pointer())
        if mask is None:
            self.builder.store(raw, pointer, align=held.size)
            return
        name = f"llvm.masked.store.{self._mangled(held.memory)}.p0"
        self._intrinsic(name, ir.VoidType(), [raw, pointer, ir.Constant(INT32, held.size), mask])

    def load_scalar(self, dtype: str, address: Any) -> Any:
        """The element at `address` in every lane."""
        one = Vectors(self.builder, 1)
        return self.splat(one.load(dtype, address))

    def gather(self, dtype: str, address: Any, stride: Any, mask: Any = None) -> Any:
        """Elements `stride` bytes apart, the first at `address` (both int64)."""
        held = element(dtype)
        memory, b = self.vector(held.memory), self.builder
        addresses = b.add(self.splat(address), b.mul(self.lanes(), self.splat(stride)))
        pointers = b.inttoptr(addresses, self.vector(held.memory.as_pointer()))
        everywhere = ir.Constant(self.vector(ir.IntType(1)), [1] * self.width)
        arguments = [
            pointers,
            ir.Constant(INT32, held.size),
            everywhere if mask is None else mask,
            ir.Constant(memory, None),
        ]
        name = f"llvm.masked.gather.{self._mangled(held.memory)}.v{self.width}p0"
        return self._to_register(dtype, self._intrinsic(name, memory, arguments))

    def swap_bytes(self, value: Any) -> Any:
        """Integers of the other byte order."""
        scalar = value.type.element if self.width > 1 else value.type
        return self._intrinsic(f"llvm.bswap.{self._mangled(scalar)}", value.type, [value])

    def from_bits(self, value: Any, dtype: str) -> Any:
        """Integers as memory elements of `dtype`, in registers."""
        memory = self.vector(element(dtype).memory)
        return self._to_register(dtype, value if value.type == memory else self.builder.bitcast(value, memory))

    # ------------------------------------------------------------------------------------------ conversions

    def cast(self, value: Any, source: str, target: str) -> Any:
        """`value` as another dtype, as NumPy converts on x86: floats out of an integer's range give its
        lowest value or wrap.
        """
        b, old, new = self.builder, element(source), element(target)
        if source == target:
            return value
        if new.kind == "b":
            zero = ir.Constant(value.type, None)
            return b.fcmp_unordered("!=", value, zero) if old.kind == "f" else b.icmp_unsigned("!=", value, zero)
        kind = self.type(target)
        if old.kind == "f" and new.kind == "f":
            if target == "float64":
                return b.fpext(value, kind)
            return self._round(target, self._narrow(value, target) if source == "float64" else value)
        if new.kind == "f":
            return self._round(target, (b.sitofp if old.kind == "i" else b.uitofp)(value, kind))
        if old.kind == "f":
            return self._float_to_integer(value, source, target)
        if new.size < old.size:
            return b.trunc(value, kind)
        if new.size > old.size or old.kind == "b":
            return (b.sext if old.kind == "i" else b.zext)(value, kind)
        return value

    def _narrow(self, value: Any, target: str) -> Any:
        """float64 to the float32 that a 16-bit target is held in, rounded to odd there so that the second
        rounding is the only one.
        """
        b = self.builder
        near = b.fptrunc(value, self.type("float32"))
        if element(target).size != 2:
            return near
        back = b.fpext(near, value.type)
        bits = b.bitcast(near, self.type("int32"))
        magnitude = functools.partial(self._call, "fabs")
        beyond = b.fcmp_ordered(">", magnitude(back), magnitude(value))
        toward_zero = b.sub(bits, b.zext(beyond, bits.type))
        inexact = b.zext(b.fcmp_ordered("!=", back, value), bits.type)
        return b.bitcast(b.or_(toward_zero, inexact), near.type)

    def _float_to_integer(self, value: Any, source: str, target: str) -> Any:
        b, new = self.builder, element(target)
        register = "float64" if source == "float64" else "float32"

        def checked(x: Any, through: str) -> Any:
            limit = 2.0 ** (8 * element(through).size - 1)
            fits = b.and_(
                b.fcmp_ordered(">=", x, self.constant(register, -limit)),
                b.fcmp_ordered("<", x, self.constant(register, limit)),
            )
            safe = b.select(fits, x, self.constant(register, 0.0))
            return b.select(fits, b.fptosi(safe, self.type(through)), self.constant(through, int(-limit)))

        if target == "uint64":
            half = self.constant(register, 2.0**63)
            large = b.fcmp_ordered(">=", value, half)
            shifted = checked(b.select(large, b.fsub(value, half), value), "int64")
            return b.xor(shifted, b.select(large, self.constant("int64", -(1 << 63)), self.constant("int64", 0)))
        through = "int64" if target in ("int64", "uint32") else "int32"
        whole = checked(value, through)
        return whole if element(through).size == new.size else b.trunc(whole, self.type(target))

    def _call(self, name: str, *arguments: Any) -> Any:
        kind = arguments[0].type
        scalar = kind.element if self.width > 1 else kind
        return self._intrinsic(f"llvm.{name}.{self._mangled(scalar)}", kind, arguments)
