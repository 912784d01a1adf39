"""Loops over what scan, while_loop and cond are the primitives of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn import ops, tree
from pronghorn.op import composed
from pronghorn.tensor import constant, convert_to_tensor


@composed
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The result of `branches[index](*operands)`, `index` a scalar clamped to the range of branches."""
    index = ops.clip(convert_to_tensor(index, "int32"), 0, len(branches) - 1)

    def choose(k: int) -> Any:
        if k == len(branches) - 1:
            return branches[k](*operands)
        return ops.cond(ops.equal(index, k), lambda: branches[k](*operands), lambda: choose(k + 1))

    return choose(0)


@composed
def fori_loop(lower: int, upper: int, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """`value = body_fun(i, value)` for i from `lower` to `upper` - 1, starting from `init_val`."""
    init_val = tree.map_structure(convert_to_tensor, init_val)
    if isinstance(lower, int) and isinstance(upper, int):
        indices = constant(np.arange(lower, max(lower, upper)), "int32")
        return ops.scan(lambda value, i: (body_fun(i, value), None), init_val, indices)[0]
    start = convert_to_tensor(lower, "int32")
    end = convert_to_tensor(upper, "int32")
    return ops.while_loop(lambda i, _: i < end, lambda i, value: (i + 1, body_fun(i, value)), (start, init_val))[1]


@composed
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` applied to each item of the first axis of `xs`, stacked."""
    return ops.scan(lambda _, x: ((), f(x)), (), xs)[1]


@composed
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """`function` applied to each item of the first axis of `elements`, stacked."""
    return map(function, elements)
