"""Functions and ops of TensorFlow that graphs of tf.keras call between layers, as ops of the engine."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from pronghorn.saving.files import ModelFileError

Config = dict[str, Any]


def _function(op: str, *arguments: str, **defaults: Any) -> tuple[str, tuple[str, ...], Config]:
    return op, arguments, defaults


_REDUCTION = ("input_tensor", "axis", "keepdims")

TF_FUNCTIONS = {
    "__operators__.add": _function("Add", "x", "y"),
    "__operators__.getitem": _function("GetItem", "tensor", "slice_spec"),
    "cast": _function("Cast", "x", "dtype"),
    "clip_by_value": _function("Clip", "t", "clip_value_min", "clip_value_max"),
    "concat": _function("Concatenate", "values", "axis"),
    "expand_dims": _function("ExpandDims", "input", "axis"),
    "gather": _function("Take", "params", "indices", "axis", axis=0),
    "identity": _function("Identity", "input"),
    "linalg.matmul": _function("Matmul", "a", "b"),
    "math.acos": _function("Arccos", "x"),
    "math.asin": _function("Arcsin", "x"),
    "math.atan": _function("Arctan", "x"),
    "math.atan2": _function("Arctan2", "y", "x"),
    "math.ceil": _function("Ceil", "x"),
    "math.cumsum": _function("Cumsum", "x", "axis", axis=0),
    "math.erf": _function("Erf", "x"),
    "math.expm1": _function("Expm1", "x"),
    "math.floor": _function("Floor", "x"),
    "math.floormod": _function("Mod", "x", "y"),
    "math.is_nan": _function("Isnan", "x"),
    "math.log1p": _function("Log1p", "x"),
    "math.log_sigmoid": _function("LogSigmoid", "x"),
    "math.logical_and": _function("LogicalAnd", "x", "y"),
    "math.logical_not": _function("LogicalNot", "x"),
    "math.logical_or": _function("LogicalOr", "x", "y"),
    "math.reciprocal": _function("Reciprocal", "x"),
    "math.reduce_all": _function("All", *_REDUCTION),
    "math.reduce_any": _function("Any", *_REDUCTION),
    "math.reduce_logsumexp": _function("Logsumexp", *_REDUCTION),
    "math.softsign": _function("Softsign", "features"),
    "math.tan": _function("Tan", "x"),
    "math.abs": _function("Absolute", "x"),
    "math.add": _function("Add", "x", "y"),
    "math.argmax": _function("Argmax", "input", "axis", axis=0),
    "math.divide": _function("TrueDivide", "x", "y"),
    "math.equal": _function("Equal", "x", "y"),
    "math.exp": _function("Exp", "x"),
    "math.floordiv": _function("FloorDivide", "x", "y"),
    "math.greater": _function("Greater", "x", "y"),
    "math.greater_equal": _function("GreaterEqual", "x", "y"),
    "math.l2_normalize": _function("Normalize", "x", "axis"),
    "math.less": _function("Less", "x", "y"),
    "math.less_equal": _function("LessEqual", "x", "y"),
    "math.log": _function("Log", "x"),
    "math.maximum": _function("Maximum", "x", "y"),
    "math.minimum": _function("Minimum", "x", "y"),
    "math.multiply": _function("Multiply", "x", "y"),
    "math.negative": _function("Negative", "x"),
    "math.not_equal": _function("NotEqual", "x", "y"),
    "math.pow": _function("Power", "x", "y"),
    "math.reduce_max": _function("Max", *_REDUCTION),
    "math.reduce_mean": _function("Mean", *_REDUCTION),
    "math.reduce_min": _function("Min", *_REDUCTION),
    "math.reduce_prod": _function("Prod", *_REDUCTION),
    "math.reduce_std": _function("Std", *_REDUCTION),
    "math.reduce_sum": _function("Sum", *_REDUCTION),
    "math.reduce_variance": _function("Var", *_REDUCTION),
    "math.rsqrt": _function("Rsqrt", "x"),
    "math.sigmoid": _function("Sigmoid", "x"),
    "math.sign": _function("Sign", "x"),
    "math.sin": _function("Sin", "x"),
    "math.cos": _function("Cos", "x"),
    "math.softplus": _function("Softplus", "features"),
    "math.sqrt": _function("Sqrt", "x"),
    "math.square": _function("Square", "x"),
    "math.subtract": _function("Subtract", "x", "y"),
    "math.tanh": _function("Tanh", "x"),
    "math.truediv": _function("TrueDivide", "x", "y"),
    "nn.elu": _function("Elu", "features"),
    "nn.gelu": _function("Gelu", "features", "approximate", approximate=False),
    "nn.l2_normalize": _function("Normalize", "x", "axis"),
    "nn.leaky_relu": _function("LeakyRelu", "features", "alpha"),
    "nn.log_softmax": _function("LogSoftmax", "logits", "axis"),
    "nn.relu": _function("Relu", "features"),
    "nn.relu6": _function("Relu6", "features"),
    "nn.selu": _function("Selu", "features"),
    "nn.sigmoid": _function("Sigmoid", "x"),
    "nn.silu": _function("Silu", "features"),
    "nn.softmax": _function("Softmax", "logits", "axis"),
    "nn.tanh": _function("Tanh", "x"),
    "nn.softplus": _function("Softplus", "features"),
    "nn.softsign": _function("Softsign", "features"),
    "nn.swish": _function("Silu", "features"),
    "one_hot": _function("OneHot", "indices", "depth"),
    "ones_like": _function("OnesLike", "input"),
    "repeat": _function("Repeat", "input", "repeats", "axis"),
    "reshape": _function("Reshape", "tensor", "shape"),
    "reverse": _function("Flip", "tensor", "axis"),
    "roll": _function("Roll", "input", "shift", "axis"),
    "split": _function("Split", "value", "num_or_size_splits", "axis", axis=0),
    "squeeze": _function("Squeeze", "input", "axis"),
    "stop_gradient": _function("StopGradient", "input"),
    "stack": _function("Stack", "values", "axis"),
    "tile": _function("Tile", "input", "multiples"),
    "transpose": _function("Transpose", "a", "perm"),
    "where": _function("Where", "condition", "x", "y"),
    "zeros_like": _function("ZerosLike", "input"),
}
"""Function of TensorFlow in a graph of tf.keras -> the op, the names of its arguments in the op's order, and what they
are by default, where the op's default is another."""

TF_NODES = {
    **{
        name: name
        for name in ("Maximum", "Minimum", "Relu", "Relu6", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Square")
    },
    **{
        name: name
        for name in ("Reshape", "Transpose", "ExpandDims", "Softmax", "Softplus", "Rsqrt", "Sign", "Elu", "Tile")
    },
    "Abs": "Absolute",
    "Add": "Add",
    "AddV2": "Add",
    "BatchMatMulV2": "Matmul",
    "BiasAdd": "Add",
    "MatMul": "Matmul",
    "Mul": "Multiply",
    "Neg": "Negative",
    "Pow": "Power",
    "RealDiv": "TrueDivide",
    "Selu": "Selu",
    "Sub": "Subtract",
}
"""Op of TensorFlow whose operands are those of the op here, in their order."""

_REDUCTIONS = {"Max": "Max", "Mean": "Mean", "Min": "Min", "Prod": "Prod", "Sum": "Sum"}


def tensorflow_op(entry: Config, calls: list[Config]) -> Config:
    """The op for an entry of a graph that is no layer but a call of TensorFlow; the calls are changed to fit.

    Raises:
        ModelFileError: there is none.
    """
    if entry["class_name"] == "TensorFlowOpLayer":
        return _node(entry["name"], entry["config"], calls)
    return _call(entry["name"], entry["config"].get("function") or "__operators__.getitem", calls)


def _op(name: str, op: str, **config: Any) -> Config:
    config = {"name": name, **config}
    return {"module": "keras.src.ops.numpy", "class_name": op, "config": config, "registered_name": op}


def _call(name: str, function: str, calls: list[Config]) -> Config:
    """tf.keras from 2.4: a function by its name, with its arguments by theirs."""
    function = function.removeprefix("compat.v1.")
    if function not in TF_FUNCTIONS:
        raise ModelFileError(f"layer {name!r} calls tf.{function}, for which there is no op here")
    op, parameters, defaults = TF_FUNCTIONS[function]
    dtype = None
    turned: set[tuple[bool, bool]] = set()
    for call in calls:
        given = {parameters[0]: call["args"][0], **call["kwargs"]}
        given.pop("name", None)
        given |= {key: value for key, value in defaults.items() if given.get(key) is None}
        if op == "Normalize" and given.get("axis") is None:
            raise ModelFileError(f"layer {name!r} calls tf.{function} without an axis, for which there is no op here")
        if isinstance(sizes := given.get("num_or_size_splits"), list):
            given["num_or_size_splits"] = [*accumulate(sizes[:-1])]
        if op == "Matmul":
            turned.add((bool(given.pop("transpose_a", False)), bool(given.pop("transpose_b", False))))
        if extra := {key: value for key, value in given.items() if key not in parameters and value}:
            raise ModelFileError(f"layer {name!r} calls tf.{function} with {extra}, for which there is no op here")
        if op == "Cast":
            dtype = given.pop("dtype", None)
        last = max(i for i, parameter in enumerate(parameters) if given.get(parameter) is not None)
        call["args"] = [given.get(parameter) for parameter in parameters[: last + 1]]
        call["kwargs"] = {}
    if len(turned) == 1 and any(*turned):
        (a, b), *_ = turned
        return _op(name, "Einsum", subscripts=f"...{'ji' if a else 'ij'},...{'kj' if b else 'jk'}->...ik")
    if len(turned) > 1:
        raise ModelFileError(f"layer {name!r} calls tf.{function} now with transposed operands, now with others")
    return _op(name, op) if dtype is None else _op(name, op, dtype=dtype)


def _node(name: str, config: Config, calls: list[Config]) -> Config:
    """tf.keras to 2.3: a node of TensorFlow's graph, whose operands that are constants lie beside it."""
    node = config.get("node_def")
    if not isinstance(node, dict):
        raise ModelFileError(f"layer {name!r} is an op of TensorFlow in a form that is not read")
    kind, attributes, constants = str(node.get("op")), node.get("attr") or {}, config.get("constants") or {}
    op: str | None = TF_NODES.get(kind)
    for call in calls:
        given = call["args"][0]
        tensors = iter(given if isinstance(given, list) else [given])
        count = len(constants) + (len(given) if isinstance(given, list) else 1)
        operands = [constants[str(i)] if str(i) in constants else next(tensors) for i in range(count)]
        if kind in _REDUCTIONS:
            op, operands = _REDUCTIONS[kind], [*operands[:2], bool((attributes.get("keep_dims") or {}).get("b"))]
        elif kind == "ConcatV2":
            op, operands = "Concatenate", [operands[:-1], operands[-1]]
        elif kind == "Pack":
            op, operands = "Stack", [operands, int((attributes.get("axis") or {}).get("i", 0))]
        elif kind == "Squeeze":
            axes = ((attributes.get("squeeze_dims") or {}).get("list") or {}).get("i")
            op, operands = "Squeeze", [*operands, [int(axis) for axis in axes] if axes else None]
        turned = [
            key for key in ("transpose_a", "transpose_b", "adj_x", "adj_y") if (attributes.get(key) or {}).get("b")
        ]
        if op is None or turned:
            raise ModelFileError(f"layer {name!r} is the op {kind} of TensorFlow, for which there is no op here")
        call["args"], call["kwargs"] = operands, {}
    return _op(name, str(op))
