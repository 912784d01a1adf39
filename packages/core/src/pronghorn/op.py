"""Operations: what a node of a graph applies.

`Operation` is anything that maps tensors to tensors: a layer, a composed op (a public function written in primitives)
or a primitive `Op`, which has a shape rule, a gradient rule written in ops, and a NumPy reference kernel.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from types import CodeType
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from pronghorn import dtypes, graph, interpreter, naming
from pronghorn.graph import Spec
from pronghorn.tensor import Tensor, Variable, constant, convert_to_tensor

P = ParamSpec("P")
R = TypeVar("R")

STAND_INS = (720, 1440)
"""Sizes that unknown dimensions take while a shape is inferred by tracing: large and divisible by most numbers."""


class Operation:
    """Maps tensors to tensors. Called on tensors of a model graph it records one node; otherwise it runs `call`."""

    name: str

    def __init__(self, name: str | None = None) -> None:
        self.name = name or naming.auto_name(type(self).__name__)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError(f"{type(self).__name__} {self.name!r} has no `call`")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if graph.model_tensors(args) or (kwargs and graph.model_tensors(kwargs)):
            return graph.record(self, args, kwargs)
        return self.call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the outputs, from arguments whose tensors may have unknown dimensions."""
        return infer_by_tracing(self.call, args, kwargs)


class Op(Operation):
    """A primitive.

    Args:
        name: unique among primitives; accelerators find kernels by it.
        reference: `(*arrays, **attrs) -> array or tuple of arrays`, in NumPy.
        infer: `(*specs, **attrs) -> Spec or tuple of Specs`.
        gradient: `(g, out, *inputs, **attrs) -> tuple of gradients or None`, written in ops. For an op with several
            outputs `g` and `out` are tuples, and parts of `g` may be None.
    """

    def __init__(
        self,
        name: str,
        reference: Callable[..., Any],
        infer: Callable[..., Any],
        gradient: Callable[..., Sequence[Any]] | None = None,
    ) -> None:
        super().__init__(name)
        self.reference = reference
        self.infer = infer
        self.gradient = gradient

    def prepare(self, args: Sequence[Any]) -> list[Tensor]:
        """The call's arguments as tensors."""
        return [convert_to_tensor(x) for x in args]

    def call(self, *args: Any, **attrs: Any) -> Any:
        outputs = interpreter.current().apply(self, self.prepare(args), attrs)
        return outputs[0] if len(outputs) == 1 else outputs

    def specs(self, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Spec, ...]:
        """The outputs' specs; shape errors name the op."""
        result = self.infer(*[Spec(t.shape, t.dtype) for t in inputs], **attrs)
        return (result,) if isinstance(result, Spec) else tuple(result)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"


def primitive(
    infer: Callable[..., Any], gradient: Callable[..., Sequence[Any]] | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], Op]:
    """Makes a primitive of the decorated NumPy reference."""
    return lambda reference: Op(name or reference.__name__, reference, infer, gradient)


class Composed(Operation):
    """A public op written in other ops: one node in a model graph, inlined in a program."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function.__name__)
        self.call = function  # type: ignore[method-assign]
        functools.update_wrapper(self, function)


def composed(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a public op of a function written in ops."""
    return cast("Callable[P, R]", Composed(function))


# ------------------------------------------------------------------------------------------------ elementwise


class Elementwise(Op):
    """A row of the elementwise table: a scalar expression from which every kernel is derived.

    Args:
        name: the op's name.
        expression: over the parameters c, x, y, z, w, in this order of operands.
        gradient: `(g, out, *operands) -> gradients` (one tensor, for one operand), written in ops; sums over broadcast
            dimensions are added for it.
        result: "same" (the operands' dtype), "real" (of complex operands, the dtype of their parts) or "bool".
        operands: "any"; "number" (bool becomes int32); "float" (integers become floatx); "bool"; "condition" (the first
            is a bool).
        names: of the public parameters; Keras's x, or x1 and x2, by default.
    """

    def __init__(
        self,
        name: str,
        expression: str,
        gradient: Callable[..., Any] | None = None,
        *,
        result: str = "same",
        operands: str = "any",
        names: tuple[str, ...] = (),
    ) -> None:
        tree = ast.parse(expression, mode="eval")
        functions = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in functions}
        self.expression = expression
        self.parameters = tuple(sorted(used, key=lambda n: _PARAMETER_ORDER.index(n)))
        self.result = result
        self.operands = operands
        names = names or _PUBLIC_NAMES["c" in self.parameters, len(self.parameters)]
        self.__signature__ = Signature([Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in names])
        rule = None if gradient is None else functools.partial(_unbroadcast_rule, gradient)
        super().__init__(name, reference_kernel(expression, self.parameters), self._infer, rule)

    def specs(self, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Spec, ...]:
        return (self._infer(*inputs),)

    def _infer(self, *specs: Spec | Tensor) -> Spec:
        shape = specs[0].shape
        try:
            for s in specs:
                if s.shape != shape:
                    shape = broadcast_shapes(shape, s.shape)
        except ValueError:
            shapes = " and ".join(str(s.shape) for s in specs)
            raise ValueError(
                f"{self.name}: the operands' shapes {shapes} do not broadcast; reshape one of them"
            ) from None
        if self.result == "real":
            return Spec(shape, dtypes.COMPLEX.get(specs[0].dtype, specs[0].dtype))
        return Spec(shape, "bool" if self.result == "bool" else specs[-1].dtype)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        args = self.__signature__.bind(*args, **kwargs).args if kwargs else args
        return interpreter.current().apply(self, self.prepare(args), {})[0]

    def prepare(self, args: Sequence[Any]) -> list[Tensor]:
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name}: takes {len(self.parameters)} operands, got {len(args)}")
        return promote(args, self.operands, self.name)


_broadcast = functools.lru_cache(maxsize=1024)(np.broadcast_shapes)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that all broadcast to; see `fitted`.

    Raises:
        ValueError: there is none.
    """
    try:
        return _broadcast(*shapes)
    except ValueError:
        rank = max(map(len, shapes))
        return _broadcast(*fitted([(*(1,) * (rank - len(s)), *s) for s in shapes], ones=True))


def fitted(shapes: Sequence[Any], ones: bool = False) -> list[Any]:
    """Shapes of one rank that must agree (but where one has size 1, with `ones`). While shapes are inferred, an unknown
    size fits any other: what stands in for it is replaced by what another shape has there.
    """
    tracer = interpreter.current().tracer
    if tracer is None or tracer.stand_in is None or len({len(s) for s in shapes}) > 1:
        return list(shapes)
    unknown = (tracer.stand_in, 1) if ones else (tracer.stand_in,)
    known = [next((n for n in sizes if n not in unknown), tracer.stand_in) for sizes in zip(*shapes, strict=True)]
    return [tuple(m if n == tracer.stand_in else n for n, m in zip(s, known, strict=True)) for s in shapes]


_PARAMETER_ORDER = ("c", "x", "y", "z", "w")
_PUBLIC_NAMES = {
    (False, 1): ("x",),
    (False, 2): ("x1", "x2"),
    (False, 3): ("x1", "x2", "x3"),
    (True, 3): ("condition", "x1", "x2"),
}


def promote(args: Sequence[Any], operands: str = "any", name: str = "") -> list[Tensor]:
    """Operands as tensors of one dtype; Python scalars adapt to their partners.

    `operands` "float" makes the common dtype a float; "condition" leaves the first operand a bool.
    """
    if operands == "condition":
        return [_as_dtype(convert_to_tensor(args[0]), "bool"), *promote(args[1:], "any", name)]
    values = [x if type(x) is Tensor or dtypes.weak(x) is not None else convert_to_tensor(x) for x in args]
    dtype = dtypes.result_type(*[x.dtype if type(x) is Tensor else dtypes.weak(x) for x in values])  # type: ignore[arg-type]
    if operands == "float":
        dtype = dtypes.floating(dtype)
    elif operands == "number" and dtype == "bool":
        dtype = "int32"
    elif operands == "bool":
        dtype = "bool"
    return [x if type(x) is Tensor and x.dtype == dtype else _as_dtype(x, dtype) for x in values]


def _as_dtype(x: Any, dtype: str) -> Tensor:
    if type(x) is not Tensor:
        return constant(x, dtype)
    return x if x.dtype == dtype else cast("Tensor", cast_op(x, dtype=dtype))


def unbroadcast(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sums a gradient back to the shape of an operand that was broadcast."""
    if g.shape == shape:
        return g
    from pronghorn import ops

    extra = len(g.shape) - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    summed = ops.sum(g, axis=axes) if axes else g
    return cast("Tensor", summed if summed.shape == shape else ops.reshape(summed, shape))


def _unbroadcast_rule(rule: Callable[..., Any], g: Tensor, out: Tensor, *inputs: Tensor) -> list[Any]:
    grads = rule(g, out, *inputs)
    if len(inputs) == 1 and isinstance(grads, Tensor):
        grads = (grads,)
    return [gx if gx is None else unbroadcast(gx, x.shape) for gx, x in zip(grads, inputs, strict=True)]  # type: ignore[arg-type]


elementwise = Elementwise
"""Makes a row of the table."""


class Cast(Op):
    """Converts to another dtype, elementwise. Its attribute `dtype` is the target."""

    expression = "cast(x)"
    parameters = ("x",)

    def __init__(self) -> None:
        super().__init__("cast", _cast_reference, self._spec, self._rule)

    @staticmethod
    def _spec(x: Spec, dtype: str) -> Spec:
        if (x.dtype == "string") != (dtype == "string"):
            raise ValueError(
                f"cannot cast {x.dtype} to {dtype}: strings become numbers by layers.StringLookup, and numbers become "
                f"strings by layers.StringLookup(invert=True)"
            )
        return Spec(x.shape, dtype)

    @staticmethod
    def _rule(g: Tensor, out: Tensor, x: Tensor, dtype: str) -> tuple[Tensor | None]:
        return (cast_op(g, dtype=x.dtype) if dtypes.is_float(x.dtype) and dtypes.is_float(dtype) else None,)


def _cast_reference(x: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    if (x.dtype == object) != (dtype == "string"):
        raise ValueError("strings and numbers are not cast to each other")
    with np.errstate(all="ignore"):
        return (x.real if dtype in dtypes.FLOATS else x).astype(dtypes.numpy_dtype(dtype))


cast_op = Cast()


# ------------------------------------------------------------------------------------------------ expressions in NumPy


class _ToNumPy(ast.NodeTransformer):
    """Turns a scalar expression into one on arrays: conditionals and boolean operators become function calls."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return _call("where", [node.test, node.body, node.orelse])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        name = "logical_and" if isinstance(node.op, ast.And) else "logical_or"
        result = node.values[0]
        for value in node.values[1:]:
            result = _call(name, [result, value])
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _call("logical_not", [node.operand]) if isinstance(node.op, ast.Not) else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _call("literal", [node]) if type(node.value) in (int, float) else node


def _call(name: str, arguments: list[ast.expr]) -> ast.expr:
    return ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=arguments, keywords=[])


def array_code(expression: str) -> CodeType:
    """A scalar expression as code on arrays, which also calls `where`, `logical_and` and the like, and `literal`."""
    tree = ast.fix_missing_locations(ast.Expression(_ToNumPy().visit(ast.parse(expression, mode="eval").body)))
    return compile(tree, f"<{expression}>", "eval")


def reference_kernel(expression: str, parameters: Sequence[str]) -> Callable[..., np.ndarray[Any, Any]]:
    """A NumPy function computing a scalar expression on arrays of one dtype."""
    from pronghorn import scalar

    code = array_code(expression)

    def kernel(*arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        dtype = arrays[-1].dtype
        if (
            dtype.itemsize == 2 and dtype.kind in "fV"
        ):  # float16 and bfloat16: float32 arithmetic, one rounding at the end
            result = kernel(*(a if a.dtype.kind == "b" else a.astype(np.float32) for a in arrays))
            with np.errstate(all="ignore"):
                return result if result.dtype.kind == "b" else result.astype(dtype)
        names = {**scalar.FUNCTIONS, "literal": dtype.type, **dict(zip(parameters, arrays, strict=True))}
        with np.errstate(all="ignore"):
            result = np.asarray(eval(code, {"__builtins__": {}}, names))  # the expression is a constant of the table
        return result if result.dtype.kind == "b" or dtype.kind == "c" else result.astype(dtype, copy=False)

    return kernel


# ------------------------------------------------------------------------------------------------ shapes by tracing


def infer_by_tracing(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Output specs of `function`: traced with two sizes for the unknown dimensions, what differs is unknown."""
    found = []
    for size in STAND_INS:
        result, guessed = _trace_once(function, args, kwargs, size)
        found.append(result)
        if not guessed:
            break
    flat = [graph.flatten_specs(f) for f in found]
    merged = [
        Spec(tuple(n if n == m else None for n, m in zip(a.shape, b.shape, strict=True)), a.dtype)
        for a, b in zip(flat[0], flat[-1], strict=True)
    ]
    return graph.pack_specs(found[0], merged)


def _unknown(structure: Any) -> bool:
    from pronghorn import tree

    return any(isinstance(t, Tensor) and None in t.shape for t in tree.flatten(structure))


def _trace_once(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], size: int
) -> tuple[Any, bool]:
    """The result of one trace, and whether it stands on `size`."""
    from pronghorn import tree

    tracer = interpreter.Tracer(effects=False)
    tracer.stand_in = size

    def stand_in(x: Any) -> Any:
        if not isinstance(x, Tensor) or x.scope is None:
            return x
        symbol = tracer.placeholder(tuple(size if n is None else n for n in x.shape), x.dtype)
        if x._keras_mask is not None:
            mask = x._keras_mask
            symbol._keras_mask = tracer.placeholder(tuple(size if n is None else n for n in mask.shape), mask.dtype)
        return symbol

    try:
        with interpreter.using(tracer):
            result = function(*tree.map_structure(stand_in, args), **tree.map_structure(stand_in, kwargs))
    except (ValueError, TypeError) as error:
        if _unknown((args, kwargs)):  # whoever reads the message knows no stand-ins
            error.args = tuple(re.sub(rf"\b{size}\b", "None", a) if isinstance(a, str) else a for a in error.args)
            if "None" in str(error) and not hasattr(error, "__notes__"):
                error.add_note("Sizes None are not known yet: give `Input` a number there where the code needs one.")
        raise
    result = tree.map_structure(lambda t: convert_to_tensor(t) if isinstance(t, (Variable, float, int)) else t, result)
    return result, tracer.stood_in or _unknown((args, kwargs))
