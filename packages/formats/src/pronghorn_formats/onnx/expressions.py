"""Scalar expressions of the elementwise table as nodes of ONNX."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from pronghorn import dtypes
from pronghorn_formats.onnx.builder import Builder

NAMED = {"relu": "Relu", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign"}
"""Rows of the table that ONNX has a node for."""

_SAME = {
    name: name.title()
    for name in (
        "abs acos acosh asin asinh atan atanh ceil cos cosh erf exp floor log pow sign sin sinh sqrt tan tanh".split()
    )
} | {"isinf": "IsInf", "isnan": "IsNaN", "maximum": "Max", "minimum": "Min", "rint": "Round"}
_OPERATORS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div"}
_COMPARISONS = {ast.Eq: "Equal", ast.Lt: "Less", ast.LtE: "LessOrEqual", ast.Gt: "Greater", ast.GtE: "GreaterOrEqual"}

_Function = Callable[..., str]


def _floor_divide(b: Builder, dtype: str, x: str, y: str) -> str:
    if dtypes.is_float(dtype):
        return b.add("Floor", b.add("Div", x, y))  # type: ignore[no-any-return]
    return b.add("Div", b.add("Sub", x, b.add("Mod", x, y)), y)  # type: ignore[no-any-return]


def _mod(b: Builder, dtype: str, x: str, y: str) -> str:
    if dtypes.is_float(dtype):
        return b.add("Sub", x, b.add("Mul", _floor_divide(b, dtype, x, y), y))  # type: ignore[no-any-return]
    return b.add("Mod", x, y)  # type: ignore[no-any-return]


_FUNCTIONS: dict[str, _Function] = {
    "expm1": lambda b, dtype, x: b.add("Sub", b.add("Exp", x), b.constant(1, dtype)),
    "floor_divide": _floor_divide,
    "fma": lambda b, dtype, x, y, z: b.add("Add", b.add("Mul", x, y), z),
    "isfinite": lambda b, dtype, x: b.add("Not", b.add("Or", b.add("IsNaN", x), b.add("IsInf", x))),
    "log1p": lambda b, dtype, x: b.add("Log", b.add("Add", x, b.constant(1, dtype))),
    "mod": _mod,
    "rsqrt": lambda b, dtype, x: b.add("Reciprocal", b.add("Sqrt", x)),
    "trunc": lambda b, dtype, x: b.add("Mul", b.add("Sign", x), b.add("Floor", b.add("Abs", x))),
}


def expression(b: Builder, text: str, values: Mapping[str, str], dtype: str) -> str:
    """The name of the value of an expression.

    Args:
        values: its parameters' names in the graph.
        dtype: of the arithmetic.

    Raises:
        NotImplementedError: it calls a function that ONNX does not have.
    """

    def emit(node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return values[node.id]
        if isinstance(node, ast.Constant):
            return b.constant(node.value, dtype)
        if isinstance(node, ast.BinOp):
            return b.add(_OPERATORS[type(node.op)], emit(node.left), emit(node.right))  # type: ignore[no-any-return]
        if isinstance(node, ast.UnaryOp):
            return b.add("Neg" if isinstance(node.op, ast.USub) else "Not", emit(node.operand))  # type: ignore[no-any-return]
        if isinstance(node, ast.BoolOp):
            first, *rest = map(emit, node.values)
            for value in rest:
                first = b.add("And" if isinstance(node.op, ast.And) else "Or", first, value)
            return first
        if isinstance(node, ast.Compare):
            left, right = emit(node.left), emit(node.comparators[0])
            if isinstance(node.ops[0], ast.NotEq):
                return b.add("Not", b.add("Equal", left, right))  # type: ignore[no-any-return]
            return b.add(_COMPARISONS[type(node.ops[0])], left, right)  # type: ignore[no-any-return]
        if isinstance(node, ast.IfExp):
            return b.add("Where", emit(node.test), emit(node.body), emit(node.orelse))  # type: ignore[no-any-return]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return call(node.func.id, [emit(argument) for argument in node.args])
        raise NotImplementedError(f"the expression {text!r}")

    def call(name: str, arguments: list[str]) -> str:
        if name in _SAME:
            return b.add(_SAME[name], *arguments)  # type: ignore[no-any-return]
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](b, dtype, *arguments)
        raise NotImplementedError(f"the function {name}")

    return emit(ast.parse(text, mode="eval").body)
