"""Questions about tensors and dtypes."""

from __future__ import annotations

from typing import Any

from pronghorn import dtypes, tree
from pronghorn.backend import is_keras_tensor
from pronghorn.functional import InputLayer
from pronghorn.graph import topological
from pronghorn.tensor import Tensor


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as a string, a NumPy dtype, a Python type or anything with a `name`.

    None is floatx.

    Raises:
        ValueError: there is no such dtype.
    """
    return dtypes.standardize(dtype)


def get_source_inputs(tensor: Any) -> list[Tensor]:
    """The Inputs that symbolic tensors of a model graph are computed from, in the order of the graph.

    Raises:
        ValueError: `tensor` holds anything but such tensors.
    """
    tensors = tree.flatten(tensor)
    if not all(map(is_keras_tensor, tensors)):
        raise ValueError(f"get_source_inputs: tensor is {tensor!r}; pass tensors that began as Input(…)")
    return [node.outputs[0] for node in topological(tensors) if isinstance(node.op, InputLayer)]
