"""Scalar expressions as the text of CUDA kernels: the same strings that every accelerator computes.

Each value has a type of its own: a number becomes `float32(2)`, an integer result is cast back to its dtype (Numba
widens to 64 bits), a product of floats is one rounding of its own. float16 and bfloat16 are computed as float32 and
rounded after each step.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache

from pronghorn.body import Body, Step
from pronghorn_gpu.launch import DTYPES, storage

HALVES = ("float16", "bfloat16")
_FLOATS = ("float32", "float64")
_REAL = (*HALVES, *_FLOATS)

HELPERS = '''
@device
def round_bfloat16(x):
    """float32 to the bits of the nearest bfloat16, ties to even."""
    bits = int64(float_bits(x)) & int64(0xFFFFFFFF)
    if x != x:
        return uint16((bits >> int64(16)) | int64(64))
    return uint16((bits + int64(0x7FFF) + ((bits >> int64(16)) & int64(1))) >> int64(16))


@device
def widen_bfloat16(bits):
    word = int64(bits) << int64(16)
    return bits_float(int32(word - int64(1 << 32) if word >= int64(1 << 31) else word))


@device
def whole_divide(x, y):
    """Rounded down; 0 for a divisor of 0. (The smallest integer divided by -1 must not trap.)"""
    if y == 0:
        return y
    return x * y if y == -1 else x // y


@device
def whole_mod(x, y):
    if y == 0:
        return y
    return x - x if y == -1 else x % y


@device
def whole_power(x, y, one):
    """0 for a negative exponent of anything but 1 and -1."""
    result, factor, left = one, x, y
    if left < 0:
        if x == 1 or x == -1:
            return x if left & one else one
        return x - x
    while left > 0:
        if left & one:
            result = result * factor
        factor = factor * factor
        left = left >> one
    return result


@device
def real_mod(x, y):
    rest = fmod(x, y)
    if rest != 0:
        if (y < 0) != (rest < 0):
            rest += y
        return rest
    return copysign(rest, y) if y != 0 else rest


@device
def real_divide32(x, y):
    if y == 0:
        return x / y
    rest = fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0 and (y < 0) != (rest < 0):
        quotient -= float32(1)
    if quotient == 0:
        return copysign(quotient, x / y)
    down = floor32(quotient)
    return down + float32(1) if quotient - down > float32(0.5) else down


@device
def real_divide64(x, y):
    if y == 0:
        return x / y
    rest = fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0 and (y < 0) != (rest < 0):
        quotient -= float64(1)
    if quotient == 0:
        return copysign(quotient, x / y)
    down = floor64(quotient)
    return down + float64(1) if quotient - down > float64(0.5) else down
'''
"""What expressions call that CUDA does not have."""


def supports(body: Body) -> bool:
    """Whether kernels can compute a body."""
    return all(body.dtype(k) in DTYPES for k in range(len(body.inputs) + len(body.steps)))


def register(dtype: str) -> str:
    """The type in which a value of `dtype` is computed."""
    return "float32" if dtype in HALVES else "boolean" if dtype == "bool" else dtype


def load(dtype: str, index: str) -> str:
    """The expression that reads the element at `index`."""
    element = f"{storage(dtype)}s[{index}]"
    if dtype == "bool":
        return f"({element} != 0)"
    if dtype == "bfloat16":
        return f"widen_bfloat16({element})"
    return f"float32({element})" if dtype == "float16" else element


def store(dtype: str, index: str, value: str) -> str:
    """The statement that writes a value."""
    kept = f"round_bfloat16({value})" if dtype == "bfloat16" else f"{storage(dtype)}({value})"
    return f"{storage(dtype)}s[{index}] = {kept}"


def rounded(dtype: str, value: str) -> str:
    """A float32 as the nearest number of `dtype`, in float32."""
    if dtype == "float16":
        return f"float32(float16({value}))"
    return f"widen_bfloat16(round_bfloat16({value}))" if dtype == "bfloat16" else value


def cast(source: str, target: str, value: str) -> str:
    """A value of the dtype `source` as one of `target`."""
    if source == target:
        return value
    if target == "bool":
        return f"({value} != {register(source)}(0))"
    convert = "to_" if source in _REAL and target not in _REAL else ""
    return rounded(target, f"{convert}{register(target)}({value})")


def statements(body: Body, inputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Assignments that compute the steps of a body, and the names of its outputs; the inputs have these names."""
    names = list(inputs)
    lines = []
    for k, step in enumerate(body.steps):
        operands = [names[a] for a in step.arguments]
        dtypes = [body.dtype(a) for a in step.arguments]
        lines.append(f"v{k} = {_step(step, operands, dtypes)}")
        names.append(f"v{k}")
    return lines, [names[k] for k in body.outputs]


def _step(step: Step, operands: list[str], dtypes: list[str]) -> str:
    if step.name == "broadcast_to":
        return operands[0]
    if step.expression == "cast(x)":
        return cast(dtypes[0], step.dtype, operands[0])
    values = dict(zip(step.parameters, operands, strict=True))
    kind = step.dtype if dtypes[-1] == "bool" else dtypes[-1]  # a choice by a mask has numbers of the result's dtype
    text = Expression(register(kind), values).text(_tree(step.expression))
    return rounded(step.dtype, text)


@cache
def _tree(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


_BITS = {"bit_and": "&", "bit_or": "|", "bit_xor": "^"}
_OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


class Expression:
    """Writes one expression whose numbers are of the type `kind`."""

    def __init__(self, kind: str, values: dict[str, str]) -> None:
        self.kind = kind
        self.values = values
        self.bits = kind[-2:]

    def text(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return f"{self.kind}({node.value!r})"
        if isinstance(node, ast.Name):
            return self.values[node.id]
        if isinstance(node, ast.UnaryOp):
            operand = self.text(node.operand)
            if isinstance(node.op, ast.Not):
                return f"(not {operand})"
            return self.exact(f"-{operand}")
        if isinstance(node, ast.BinOp):
            return self.binary(type(node.op), self.text(node.left), self.text(node.right))
        if isinstance(node, ast.Compare):
            left, right = self.text(node.left), self.text(node.comparators[0])
            return f"({left} {_OPERATORS[type(node.ops[0])]} {right})"
        if isinstance(node, ast.BoolOp):
            word = " and " if isinstance(node.op, ast.And) else " or "
            return "(" + word.join(map(self.text, node.values)) + ")"
        if isinstance(node, ast.IfExp):
            return f"({self.text(node.body)} if {self.text(node.test)} else {self.text(node.orelse)})"
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name), ast.dump(node)
        return self.call(node.func.id, [self.text(a) for a in node.args])

    @property
    def real(self) -> bool:
        return self.kind in _FLOATS

    def exact(self, text: str) -> str:
        """An integer result in its own dtype."""
        return f"({text})" if self.real else f"{self.kind}({text})"

    def binary(self, operator: type[ast.operator], x: str, y: str) -> str:
        if operator is ast.Mult and self.real:
            return f"mul{self.bits}({x}, {y})"
        if self.kind == "boolean":
            return f"({x} {'and' if operator is ast.Mult else 'or'} {y})"
        return self.exact(f"{x} {_OPERATORS[operator]} {y}")

    def call(self, name: str, values: list[str]) -> str:
        x, kind = values[0], self.kind
        if name in _BITS:
            return self.exact(f"{x} {_BITS[name]} {values[1]}")
        if name == "bit_not":
            return f"(not {x})" if kind == "boolean" else self.exact(f"~{x}")
        if name in ("shift_left", "shift_right"):
            return self.shift(name, x, values[1])
        if name in ("floor_divide", "mod", "pow"):
            return self.divided(name, ", ".join(values))
        if name == "abs":
            return f"fabs({x})" if self.real else x if kind[0] in "ub" else f"{kind}(-{x} if {x} < 0 else {x})"
        if name == "sign":
            if kind == "boolean":
                return x
            negative = f"{kind}(-1) if {x} < {kind}(0) else" if kind[0] != "u" else ""
            return f"({kind}(1) if {x} > {kind}(0) else ({negative} ({x} if {x} != {x} else {kind}(0))))"
        if name == "rsqrt":
            return f"({kind}(1) / sqrt({x}))"
        if name == "isfinite":
            return f"({x} - {x} == {kind}(0))" if self.real else f"({x} == {x})"
        if name in ("floor", "ceil", "trunc", "rint", "fma"):
            return f"{name}{self.bits}({', '.join(values)})"
        if name in ("minimum", "maximum"):
            return f"({x} if {x} {'<' if name == 'minimum' else '>'} {values[1]} or {x} != {x} else {values[1]})"
        if name == "where":
            return f"({values[1]} if {x} else {values[2]})"
        if name in ("logical_and", "logical_or"):
            return f"({x} {name[8:]} {values[1]})"
        return f"(not {x})" if name == "logical_not" else f"{name}({', '.join(values)})"

    def shift(self, name: str, x: str, count: str) -> str:
        """A count of the width or more leaves nothing, or the sign."""
        if self.kind == "boolean":  # as NumPy has it, in int8 and back
            return x if name == "shift_left" else f"({x} and not {count})"
        width = int("".join(c for c in self.kind if c.isdigit()))
        gone = f"{count} >= {width} or {count} < 0"
        if name == "shift_left":
            return f"({self.kind}(0) if {gone} else {self.kind}({x} << {count}))"
        return f"({self.kind}(-1 if {x} < 0 else 0) if {gone} else {self.kind}({x} >> {count}))"

    def divided(self, name: str, operands: str) -> str:
        if self.real:
            function = {"floor_divide": f"real_divide{self.bits}", "mod": "real_mod", "pow": "pow"}[name]
            return f"{function}({operands})"
        function = {"floor_divide": "whole_divide", "mod": "whole_mod", "pow": "whole_power"}[name]
        operands += f", {self.kind}(1)" if name == "pow" else ""
        return f"{self.kind}({function}({operands}))"
