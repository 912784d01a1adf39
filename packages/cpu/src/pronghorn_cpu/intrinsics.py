"""What a kernel can do that plain Numba cannot: read its argument block, view raw memory, talk to other
threads.

A kernel gets addresses as int64, so every function here takes an ``int64`` address (in bytes) and, where it
needs one, an ``int64`` index (in elements). All are module globals: Numba would compile an intrinsic that
hides in a closure anew each time. Only kernels call them; calling one from Python is an error.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

_arrays: Any = arrayobj  # these have no types
_utilities: Any = cgutils
_INT64 = ir.IntType(64)
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_ARM = platform.machine().lower() in ("aarch64", "arm64")

_Emit = Callable[[Any, ir.IRBuilder, tuple[Any, ...]], Any]


def _pointer(builder: ir.IRBuilder, address: Any, kind: ir.Type = _INT64) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _element(builder: ir.IRBuilder, address: Any, index: Any, kind: ir.Type) -> Any:
    return builder.gep(_pointer(builder, address, kind), [index])


def _intrinsic(name: str, signature: Any, emit: _Emit) -> Any:
    """An intrinsic of the fixed ``signature`` whose code is ``emit(context, builder, arguments)``."""

    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: tuple[Any, ...]) -> Any:
        result = emit(context, builder, arguments)
        return context.get_dummy_value() if signature.return_type is types.void else result

    # Numba asks for as many named parameters as the signature has.
    parameters = ", ".join(f"a{i}" for i in range(len(signature.args)))
    answer = {"answer": (signature, generate)}
    typer: Callable[..., Any] = eval(f"lambda context, {parameters}: answer", answer)
    typer.__name__ = name
    return intrinsic(typer)


# The argument block: 64-bit slots.


def _load_slot(kind: ir.Type) -> _Emit:
    return lambda context, builder, a: builder.load(_element(builder, a[0], a[1], kind))


def _store_slot(kind: ir.Type) -> _Emit:
    return lambda context, builder, a: builder.store(a[2], _element(builder, a[0], a[1], kind))


slot = _intrinsic("slot", types.int64(types.int64, types.int64), _load_slot(_INT64))
"""``slot(p, i) -> int64``: slot ``i`` of the block at ``p``: a size, a stride, an address."""

slot_f64 = _intrinsic("slot_f64", types.float64(types.int64, types.int64), _load_slot(ir.DoubleType()))
"""``slot_f64(p, i) -> float64``: slot ``i`` read as the bits of a float64: a scalar argument."""

set_slot = _intrinsic("set_slot", types.void(types.int64, types.int64, types.int64), _store_slot(_INT64))
"""``set_slot(p, i, value)``: writes an int64 into slot ``i``."""

set_slot_f64 = _intrinsic(
    "set_slot_f64", types.void(types.int64, types.int64, types.float64), _store_slot(ir.DoubleType())
)
"""``set_slot_f64(p, i, value)``: writes the bits of a float64 into slot ``i``."""

flag = _intrinsic(
    "flag",
    types.boolean(types.int64),
    lambda context, builder, a: builder.icmp_unsigned(
        "!=", builder.load(_pointer(builder, a[0], ir.IntType(8))), ir.Constant(ir.IntType(8), 0)
    ),
)
"""``flag(address) -> bool``: the bool (one byte) at ``address``."""


# Raw memory as an array.


def _view(dtype: Any) -> Any:
    array = types.Array(dtype, 1, "C")

    def emit(context: Any, builder: ir.IRBuilder, arguments: tuple[Any, ...]) -> Any:
        address, length = arguments
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(dtype)))
        result = _arrays.make_array(array)(context, builder)
        _arrays.populate_array(
            result,
            data=builder.inttoptr(address, context.get_data_type(dtype).as_pointer()),
            shape=[length],
            strides=[itemsize],
            itemsize=itemsize,
            meminfo=None,
        )
        return result._getvalue()

    return _intrinsic(f"{dtype}_array", array(types.int64, types.int64), emit)


# ``f32_array(address, n)``: the n contiguous float32 at address as a one-dimensional array, which owns
# nothing. Likewise the others. float16 and bfloat16 are read as u16_array; a bool is one byte and read as
# u8_array.
f32_array = _view(types.float32)
f64_array = _view(types.float64)
i8_array = _view(types.int8)
i16_array = _view(types.int16)
i32_array = _view(types.int32)
i64_array = _view(types.int64)
u8_array = _view(types.uint8)
u16_array = _view(types.uint16)
u32_array = _view(types.uint32)
u64_array = _view(types.uint64)

void_pointer = _intrinsic(
    "void_pointer",
    types.voidptr(types.int64),
    lambda context, builder, a: _pointer(builder, a[0], ir.IntType(8)),
)
"""``void_pointer(address) -> void*``: for external C functions."""


# The bits of a number as another type of the same width.


def _reinterpret(name: str, source: Any, target: Any, kind: ir.Type) -> Any:
    return _intrinsic(name, target(source), lambda context, builder, a: builder.bitcast(a[0], kind))


f32_from_bits = _reinterpret("f32_from_bits", types.int32, types.float32, ir.FloatType())
f64_from_bits = _reinterpret("f64_from_bits", types.int64, types.float64, ir.DoubleType())
bits_of_f32 = _reinterpret("bits_of_f32", types.float32, types.int32, ir.IntType(32))
bits_of_f64 = _reinterpret("bits_of_f64", types.float64, types.int64, _INT64)


# Between threads. Loads and additions are sequentially consistent (a sleeping thread announces itself and
# then looks for work, the one who brings work does the reverse: neither order may be turned around), stores
# release.

atomic_load = _intrinsic(
    "atomic_load",
    types.int64(types.int64),
    lambda context, builder, a: builder.load_atomic(_pointer(builder, a[0]), "seq_cst", 8),
)
"""``atomic_load(address) -> int64``."""

atomic_store = _intrinsic(
    "atomic_store",
    types.void(types.int64, types.int64),
    lambda context, builder, a: builder.store_atomic(a[1], _pointer(builder, a[0]), "release", 8),
)
"""``atomic_store(address, value)``: all earlier writes are seen by whoever loads the value."""

atomic_add = _intrinsic(
    "atomic_add",
    types.int64(types.int64, types.int64),
    lambda context, builder, a: builder.atomic_rmw("add", _pointer(builder, a[0]), a[1], "seq_cst"),
)
"""``atomic_add(address, value) -> int64``: the value before the addition."""


def _emit_pause(context: Any, builder: ir.IRBuilder, _: tuple[Any, ...]) -> Any:
    if _X86:
        kind = ir.FunctionType(ir.VoidType(), [])
        return builder.call(_utilities.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
    if _ARM:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
        hint = _utilities.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
        return builder.call(hint, [ir.Constant(ir.IntType(32), 1)])
    return None


pause = _intrinsic("pause", types.void(), _emit_pause)
"""``pause()``: tells the core that this is a spinning loop; nothing on machines without such an
instruction."""


# Subnormal numbers. A processor that meets them in arithmetic takes a hundred cycles, and averages that decay
# (an optimizer's, of a gradient that is no more) end among them and stay. Programs take them for zeros, as those of
# TensorFlow and XLA do.

_INT32 = ir.IntType(32)
_MXCSR_FLUSH = 1 << 15 | 1 << 6  # results, and operands
_FPCR_FLUSH = 1 << 24


def _emit_mode(context: Any, builder: ir.IRBuilder, arguments: tuple[Any, ...]) -> Any:
    """Sets the flags if the first argument is not 0, else clears them; whether they were set."""
    before = ir.Constant(_INT64, 0)

    def function(name: str, result: ir.Type, *parameters: ir.Type) -> Any:
        return _utilities.get_or_insert_function(builder.module, ir.FunctionType(result, parameters), name)

    wanted = builder.icmp_unsigned("!=", arguments[0], ir.Constant(_INT64, 0))
    if _X86:
        cell = _utilities.alloca_once(builder, _INT32)
        pointer = builder.bitcast(cell, ir.IntType(8).as_pointer())
        builder.call(function("llvm.x86.sse.stmxcsr", ir.VoidType(), pointer.type), [pointer])
        mode = builder.load(cell)
        before = builder.zext(builder.and_(mode, ir.Constant(_INT32, _MXCSR_FLUSH)), _INT64)
        others = builder.and_(mode, ir.Constant(_INT32, ~_MXCSR_FLUSH))
        flags = builder.select(wanted, ir.Constant(_INT32, _MXCSR_FLUSH), ir.Constant(_INT32, 0))
        builder.store(builder.or_(others, flags), cell)
        builder.call(function("llvm.x86.sse.ldmxcsr", ir.VoidType(), pointer.type), [pointer])
    if _ARM:
        mode = builder.call(function("llvm.aarch64.get.fpcr", _INT64), [])
        before = builder.and_(mode, ir.Constant(_INT64, _FPCR_FLUSH))
        others = builder.and_(mode, ir.Constant(_INT64, ~_FPCR_FLUSH))
        flags = builder.select(wanted, ir.Constant(_INT64, _FPCR_FLUSH), ir.Constant(_INT64, 0))
        builder.call(function("llvm.aarch64.set.fpcr", ir.VoidType(), _INT64), [builder.or_(others, flags)])
    return before


flush_subnormals = _intrinsic("flush_subnormals", types.int64(types.int64), _emit_mode)
"""``flush_subnormals(wanted) -> int64``: whether this thread takes subnormal numbers for zeros from now on, and whether
it did before."""


def _emit_call(context: Any, builder: ir.IRBuilder, arguments: tuple[Any, ...]) -> Any:
    kind = ir.FunctionType(ir.VoidType(), [_INT64, _INT64, _INT64])
    return builder.call(_pointer(builder, arguments[0], kind), list(arguments[1:]))


call_kernel = _intrinsic("call_kernel", types.void(*[types.int64] * 4), _emit_call)
"""``call_kernel(address, p, t, threads)``: calls the kernel at ``address``."""
