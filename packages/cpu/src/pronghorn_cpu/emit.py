"""Scalar expressions as vector LLVM IR: what every generated kernel computes with.

An `Emitter` turns the syntax tree of an expression (or a whole `Body`) into instructions on vectors of
`width` lanes. Numba sees one opaque intrinsic and infers no types inside it, which is where its compile time
would go. There are no fast-math flags and no contraction: every operation rounds once, a multiply-add is
fused only where the expression says `fma`, and so the bits are the same at any width, fused or not. Functions
such as `exp` are expression programs (`elementary`); vectors themselves are those of `vectors`.
"""

from __future__ import annotations

import ast
import functools
import operator as python
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from pronghorn.body import Body, Step
from pronghorn_cpu import elementary
from pronghorn_cpu.vectors import Builder, Number, Typed, Unsupported, Vectors, element

_INTEGER_OF = {"float32": "int32", "float64": "int64"}
_FLOAT_OF = {"int32": "float32", "int64": "float64"}

Operand = Typed | Number


@functools.lru_cache(maxsize=4096)
def _parse(source: str) -> ast.expr:
    return ast.parse(source.strip(), mode="eval").body


class Emitter(Vectors):
    """Emits expressions and bodies."""

    def apply(self, body: Body, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of `body` for `inputs`, all in register form."""
        values = [Typed(v, dtype) for v, dtype in zip(inputs, body.inputs, strict=True)]
        for step in body.steps:
            values.append(self.step(step, [values[k] for k in step.arguments]))
        return [values[k].value for k in body.outputs]

    def step(self, step: Step, arguments: Sequence[Typed]) -> Typed:
        """One row of the elementwise table."""
        return self.expression(step.expression, dict(zip(step.parameters, arguments, strict=True)), step.dtype)

    def expression(self, source: str, environment: dict[str, Typed], dtype: str) -> Typed:
        """`source` over the names of `environment`, as a value of `dtype` (which `cast(x)` converts to)."""
        numbers = [v.dtype for v in environment.values() if v.dtype != "bool"]
        working = dtype if dtype != "bool" or not numbers else numbers[0]
        result = _Expression(self, dict(environment), working, dtype).typed(_parse(source), dtype)
        if result.dtype != dtype:
            raise Unsupported(f"{source!r} gives {result.dtype}, not {dtype}")
        return Typed(self._round(dtype, result.value), dtype)

    def program(self, name: str, arguments: Sequence[Typed]) -> Typed:
        """An elementary function: its expression program, run on registers of the first argument's dtype."""
        program = elementary.PROGRAMS[name]
        dtype = arguments[0].dtype
        inside = "float32" if dtype in ("float16", "bfloat16") else dtype
        if inside not in ("float32", "float64"):
            raise Unsupported(f"{name} of {dtype}")
        environment = {p: Typed(a.value, inside) for p, a in zip(program.parameters, arguments, strict=True)}
        run = _Expression(self, environment, inside, inside, program.constants.get(inside, {}))
        for target, tree in program.statements:
            run.environment[target] = run.typed(tree)
        result = run.environment["result"]
        return Typed(result.value, dtype if result.dtype == inside else result.dtype)


# ------------------------------------------------------------------------------------------------ expressions

_FLOAT_BINARY = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_INTEGER_BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and_",
    ast.BitOr: "or_",
    ast.LShift: "shl",
}
_BOOL_BINARY = {ast.Add: "or_", ast.Mult: "and_", ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_INTRINSICS = {
    "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "rint": "rint", "trunc": "trunc", "abs": "fabs",
    "fma": "fma", "copysign": "copysign",
}  # fmt: skip
_BITWISE = {"bit_and": "and_", "bit_or": "or_", "bit_xor": "xor"}


def _fold(operator: ast.operator, left: Number, right: Number) -> Number:
    """Arithmetic on two literals, in double precision."""
    functions: dict[type[ast.operator], Callable[[Any, Any], Number]] = {
        ast.Add: python.add, ast.Sub: python.sub, ast.Mult: python.mul, ast.Div: python.truediv,
    }  # fmt: skip
    if type(operator) not in functions:
        raise Unsupported(f"the operator {type(operator).__name__} of two numbers")
    return functions[type(operator)](left, right)


class _Expression:
    """One pass over a syntax tree. `environment` holds names in registers, `constants` numbers and tables of
    coefficients.
    """

    def __init__(
        self,
        emitter: Emitter,
        environment: dict[str, Typed],
        working: str,
        target: str,
        constants: dict[str, float | tuple[float, ...]] | None = None,
    ) -> None:
        self.emitter = emitter
        self.builder = emitter.builder
        self.environment = environment
        self.working = working
        self.target = target
        self.constants = constants or {}

    def typed(self, tree: ast.expr, dtype: str | None = None) -> Typed:
        return self.lift(self.visit(tree), dtype or self.working)

    def lift(self, operand: Operand, dtype: str) -> Typed:
        """A number becomes a constant of `dtype`."""
        return operand if isinstance(operand, Typed) else Typed(self.emitter.constant(dtype, operand), dtype)

    def unify(self, operands: Sequence[Operand]) -> list[Typed]:
        """Operands of one dtype: numbers take that of their partners."""
        dtypes = {o.dtype for o in operands if isinstance(o, Typed)}
        if len(dtypes) > 1:
            raise Unsupported(f"operands of dtypes {' and '.join(sorted(dtypes))}")
        dtype = dtypes.pop() if dtypes else self.working
        return [self.lift(o, dtype) for o in operands]

    def condition(self, tree: ast.expr) -> Any:
        """A value as a mask: anything but zero is true."""
        x = self.typed(tree, "bool")
        return self.emitter.cast(x.value, x.dtype, "bool")

    def visit(self, tree: ast.expr) -> Operand:
        method: Callable[[Any], Operand] | None = getattr(self, f"visit_{type(tree).__name__}", None)
        if method is None:
            raise Unsupported(f"{type(tree).__name__} in an expression")
        return method(tree)

    def visit_Constant(self, tree: ast.Constant) -> Operand:
        if not isinstance(tree.value, (int, float)):
            raise Unsupported(f"the constant {tree.value!r}")
        return tree.value

    def visit_Name(self, tree: ast.Name) -> Operand:
        if tree.id in self.environment:
            return self.environment[tree.id]
        number = self.constants.get(tree.id)
        if not isinstance(number, (int, float)):
            raise Unsupported(f"the name {tree.id}")
        return number

    def visit_UnaryOp(self, tree: ast.UnaryOp) -> Operand:
        if isinstance(tree.op, ast.Not):
            return Typed(self.builder.not_(self.condition(tree.operand)), "bool")
        x = self.visit(tree.operand)
        if not isinstance(tree.op, ast.USub):
            raise Unsupported(f"the operator {type(tree.op).__name__}")
        if not isinstance(x, Typed):
            return -x
        if x.dtype == "bool":
            raise Unsupported("minus of a bool")
        return Typed(self.builder.fneg(x.value) if self.is_float(x) else self.builder.neg(x.value), x.dtype)

    def visit_BoolOp(self, tree: ast.BoolOp) -> Operand:
        combine = self.builder.and_ if isinstance(tree.op, ast.And) else self.builder.or_
        return Typed(functools.reduce(combine, [self.condition(v) for v in tree.values]), "bool")

    def visit_IfExp(self, tree: ast.IfExp) -> Operand:
        test = self.condition(tree.test)
        a, b = self.unify([self.visit(tree.body), self.visit(tree.orelse)])
        return Typed(self.builder.select(test, a.value, b.value), a.dtype)

    def visit_BinOp(self, tree: ast.BinOp) -> Operand:
        left, right = self.visit(tree.left), self.visit(tree.right)
        if not isinstance(left, Typed) and not isinstance(right, Typed):
            return _fold(tree.op, left, right)
        a, b = self.unify([left, right])
        kind = element(a.dtype).kind
        table = {"f": _FLOAT_BINARY, "b": _BOOL_BINARY}.get(kind, _INTEGER_BINARY)
        if kind != "f" and isinstance(tree.op, ast.RShift):
            return Typed((self.builder.ashr if kind == "i" else self.builder.lshr)(a.value, b.value), a.dtype)
        name = table.get(type(tree.op))
        if name is None:
            raise Unsupported(f"the operator {type(tree.op).__name__} of {a.dtype}")
        return Typed(getattr(self.builder, name)(a.value, b.value), a.dtype)

    def visit_Compare(self, tree: ast.Compare) -> Operand:
        left, parts = self.visit(tree.left), []
        for operator, comparator in zip(tree.ops, tree.comparators, strict=True):
            right = self.visit(comparator)
            parts.append(self.compare(_COMPARISONS[type(operator)], left, right))
            left = right
        return Typed(functools.reduce(self.builder.and_, parts), "bool")

    def compare(self, operator: str, left: Operand, right: Operand) -> Any:
        a, b = self.unify([left, right])
        kind = element(a.dtype).kind
        if kind == "f":
            ordered = self.builder.fcmp_unordered if operator == "!=" else self.builder.fcmp_ordered
            return ordered(operator, a.value, b.value)
        return (self.builder.icmp_signed if kind == "i" else self.builder.icmp_unsigned)(operator, a.value, b.value)

    # -------------------------------------------------------------------------------------------- calls

    def visit_Call(self, tree: ast.Call) -> Operand:
        if not isinstance(tree.func, ast.Name):
            raise Unsupported("a call of something that is no name")
        name = tree.func.id
        if name == "poly":
            return self.polynomial(tree)
        own: Callable[..., Operand] | None = getattr(self, f"call_{name}", None)
        arguments = [self.visit(a) for a in tree.args]
        mixed = name == "cast" or name.startswith("libm_")
        operands = [self.lift(a, self.target) for a in arguments] if mixed else self.unify(arguments)
        if own is not None:
            return own(*operands)
        if name in elementary.PROGRAMS:
            return self.emitter.program(name, operands)
        if name in _BITWISE and not self.is_float(operands[0]):
            return Typed(getattr(self.builder, _BITWISE[name])(*(o.value for o in operands)), operands[0].dtype)
        if name in _INTRINSICS:
            return self.intrinsic(name, operands)
        raise Unsupported(f"the function {name}")

    def is_float(self, x: Typed) -> bool:
        return element(x.dtype).kind == "f"

    def intrinsic(self, name: str, operands: Sequence[Typed]) -> Typed:
        x = operands[0]
        if self.is_float(x):
            return Typed(self.emitter._call(_INTRINSICS[name], *(o.value for o in operands)), x.dtype)
        if name in ("floor", "ceil", "rint", "trunc"):
            return x
        if name == "abs" and element(x.dtype).kind == "i":
            zero = ir.Constant(x.value.type, None)
            negative = self.builder.icmp_signed("<", x.value, zero)
            return Typed(self.builder.select(negative, self.builder.neg(x.value), x.value), x.dtype)
        if name == "abs":
            return x
        if name == "fma":
            return self.run("x * y + z", x=operands[0], y=operands[1], z=operands[2])
        raise Unsupported(f"{name} of {x.dtype}")

    def run(self, source: str, **environment: Typed) -> Typed:
        """A further expression over the given names."""
        working = next(iter(environment.values())).dtype
        return _Expression(self.emitter, environment, working, self.target, self.constants).typed(_parse(source))

    def polynomial(self, tree: ast.Call) -> Typed:
        """`poly(x, TABLE)`: Horner's rule with fused multiply-adds; the table starts at the constant term."""
        x, table = self.typed(tree.args[0]), tree.args[1]
        coefficients = self.constants[table.id] if isinstance(table, ast.Name) else ()
        assert isinstance(coefficients, tuple)
        value = self.emitter.constant(x.dtype, coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value = self.emitter._call("fma", value, x.value, self.emitter.constant(x.dtype, c))
        return Typed(value, x.dtype)

    def call_cast(self, x: Typed) -> Typed:
        return Typed(self.emitter.cast(x.value, x.dtype, self.target), self.target)

    def call_bits(self, x: Typed) -> Typed:
        """The bits of a float as a signed integer."""
        dtype = _INTEGER_OF[x.dtype]
        return Typed(self.builder.bitcast(x.value, self.emitter.type(dtype)), dtype)

    def call_real(self, x: Typed) -> Typed:
        """The float with the given bits."""
        dtype = _FLOAT_OF[x.dtype]
        return Typed(self.builder.bitcast(x.value, self.emitter.type(dtype)), dtype)

    def call_widen(self, x: Typed) -> Typed:
        return Typed(self.emitter.cast(x.value, x.dtype, "float64"), "float64")

    def call_narrow(self, x: Typed) -> Typed:
        return Typed(self.emitter.cast(x.value, x.dtype, "float32"), "float32")

    def call_libm_sin(self, x: Typed, far: Typed) -> Typed:
        return self.libm("sin", x, far)

    def call_libm_cos(self, x: Typed, far: Typed) -> Typed:
        return self.libm("cos", x, far)

    def libm(self, name: str, x: Typed, far: Typed) -> Typed:
        """The C library's function, lane by lane, if any lane is `far`; an unspecified value otherwise."""
        emitter, b = self.emitter, self.builder
        lanes = ir.IntType(emitter.width)
        some = b.icmp_unsigned("!=", b.bitcast(far.value, lanes), ir.Constant(lanes, 0))
        before = b.block
        with b.if_then(some, likely=False):
            called = emitter._call(name, x.value)
            inside = b.block
        phi = b.phi(x.value.type)
        phi.add_incoming(x.value, before)
        phi.add_incoming(called, inside)
        return Typed(phi, x.dtype)

    def call_pow(self, x: Typed, y: Typed) -> Typed:
        wide = x.dtype == "float64"
        return self.emitter.program("pow_float64" if wide else "pow_float32", [x, y])

    def call_erf_tail(self, b: Typed) -> Typed:
        return self.emitter.program(f"erf_tail_{b.dtype}", [b])

    def call_rsqrt(self, x: Typed) -> Typed:
        return self.run("1.0 / sqrt(x)", x=x)

    def call_isnan(self, x: Typed) -> Typed:
        return self.run("x != x", x=x)

    def call_isinf(self, x: Typed) -> Typed:
        return self.run("abs(x) == 1e999" if self.is_float(x) else "x != x", x=x)

    def call_isfinite(self, x: Typed) -> Typed:
        return self.run("abs(x) < 1e999" if self.is_float(x) else "x == x", x=x)

    def call_sign(self, x: Typed) -> Typed:
        if x.dtype == "bool":
            return x
        if element(x.dtype).kind == "u":
            return self.run("1 if x > 0 else 0", x=x)
        return self.run("1 if x > 0 else (-1 if x < 0 else (0 if x == 0 else x))", x=x)

    def call_minimum(self, x: Typed, y: Typed) -> Typed:
        return self.run("x if x < y or x != x else y", x=x, y=y)

    def call_maximum(self, x: Typed, y: Typed) -> Typed:
        return self.run("x if x > y or x != x else y", x=x, y=y)

    def call_bit_not(self, x: Typed) -> Typed:
        if self.is_float(x):
            raise Unsupported(f"bit_not of {x.dtype}")
        return Typed(self.builder.not_(x.value), x.dtype)

    def call_shift_left(self, x: Typed, y: Typed) -> Typed:
        inside, count = self.shift_count(x, y)
        return Typed(
            self.builder.select(inside, self.builder.shl(x.value, count), ir.Constant(x.value.type, None)),
            x.dtype,
        )

    def call_shift_right(self, x: Typed, y: Typed) -> Typed:
        inside, count = self.shift_count(x, y)
        if element(x.dtype).kind == "i":
            last = self.emitter.constant(x.dtype, 8 * element(x.dtype).size - 1)
            return Typed(self.builder.ashr(x.value, self.builder.select(inside, count, last)), x.dtype)
        return Typed(
            self.builder.select(inside, self.builder.lshr(x.value, count), ir.Constant(x.value.type, None)),
            x.dtype,
        )

    def shift_count(self, x: Typed, y: Typed) -> tuple[Any, Any]:
        """Whether a count lies within the word, and one that does."""
        if element(x.dtype).kind not in "iu":
            raise Unsupported(f"a shift of {x.dtype}")
        inside = self.builder.icmp_unsigned("<", y.value, self.emitter.constant(y.dtype, 8 * element(x.dtype).size))
        return inside, self.builder.select(inside, y.value, ir.Constant(y.value.type, None))

    def call_mod(self, x: Typed, y: Typed) -> Typed:
        if self.is_float(x):
            remainder = Typed(self.builder.frem(x.value, y.value), x.dtype)
            return self.run("copysign(0.0, y) if r == 0 else (r + y if (r < 0) != (y < 0) else r)", r=remainder, y=y)
        quotient = self.call_floor_divide(x, y)
        return self.run("0 if y == 0 else x - q * y", x=x, y=y, q=quotient)

    def call_floor_divide(self, x: Typed, y: Typed) -> Typed:
        b, kind = self.builder, element(x.dtype).kind
        if kind == "b":
            raise Unsupported("floor_divide of bool")
        if kind == "f":
            remainder = Typed(b.frem(x.value, y.value), x.dtype)
            exact = self.run("(x - r) / y - (1 if r != 0 and (r < 0) != (y < 0) else 0)", x=x, y=y, r=remainder)
            near = self.run("floor(q) + (1 if q - floor(q) > 0.5 else 0)", q=exact)
            return self.run("x / y if y == 0 else (copysign(0.0, x / y) if q == 0 else n)", x=x, y=y, q=exact, n=near)
        if kind == "u":
            divisor = self.run("1 if y == 0 else y", y=y)
            return self.run("0 if y == 0 else q", y=y, q=Typed(b.udiv(x.value, divisor.value), x.dtype))
        divisor = self.run("1 if y == 0 or y == -1 else y", y=y)  # lowest / -1 traps
        quotient = Typed(b.sdiv(x.value, divisor.value), x.dtype)
        remainder = self.run("x - q * d", x=x, q=quotient, d=divisor)
        return self.run(
            "0 if y == 0 else (-x if y == -1 else (q - 1 if r != 0 and (r < 0) != (y < 0) else q))",
            x=x, y=y, q=quotient, r=remainder,
        )  # fmt: skip


# -------------------------------------------------------------------------------- entry points


@functools.lru_cache(maxsize=1024)
def supports(body: Body) -> bool:
    """Whether the kernels of this package can run `body`: no complex, no strings, no integer powers, every
    function known.
    """
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), []), "probe")
    emitter = Emitter(ir.IRBuilder(function.append_basic_block()), 16)
    try:
        emitter.apply(body, [ir.Constant(emitter.type(dtype), ir.Undefined) for dtype in body.inputs])
    except Unsupported:
        return False
    return True


KernelEmit = Callable[[Builder, Any, Any, Any], None]


def kernel_intrinsic(emit: KernelEmit) -> Any:
    """`emit(builder, p, t, threads)` as a Numba intrinsic `(int64, int64, int64) -> void`.

    Only a process that compiles imports Numba, so it is imported here.
    """
    from numba import types
    from numba.extending import intrinsic

    def generate(context: Any, builder: Builder, _: Any, arguments: Sequence[Any]) -> Any:
        emit(builder, *arguments)
        return context.get_dummy_value()

    def typer(context: Any, p: Any, t: Any, threads: Any) -> Any:
        return types.void(types.int64, types.int64, types.int64), generate

    return intrinsic(typer)
