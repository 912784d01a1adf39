"""Functions of functions: gradients of one's own, directional derivatives, scans in parallel, vectorizing."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn import ops, tree
from pronghorn.autodiff import GradientTape
from pronghorn.op import Op, composed
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.shape import slice_axis
from pronghorn.tensor import MODEL, Tensor, Variable, convert_to_tensor

Function = Callable[..., Any]

# ------------------------------------------------------------------------------ custom_gradient


def _rule(g: Any, out: Any, y: Any, *inputs: Any, rule: Function) -> tuple[Any, ...]:
    return (None, *rule(g))


_with_gradient = Op("stop_gradient", lambda y, *inputs, rule: y.copy(), lambda y, *inputs, rule: y, _rule)
"""The first operand, whose gradient goes to the others by a rule. To a program it is the identity, as the name says."""


def custom_gradient(f: Function) -> Function:
    """A function with a gradient of its own.

    ```python
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def grad(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return ops.multiply(upstream, 1.0 - 1.0 / ops.add(1, e))

        return ops.log(1 + e), grad
    ```

    Args:
        f: of tensors; returns its result and a function from the gradient of the result to that of each argument.
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        # gradients go to what can have one: Python numbers among the arguments cannot
        tensors = [convert_to_tensor(x) if isinstance(x, (Tensor, Variable, np.ndarray)) else x for x in args]
        result, gradient = f(*tensors, **kwargs)
        outputs = [convert_to_tensor(y) for y in tree.flatten(result)]
        places = [k for k, x in enumerate(tensors) if isinstance(x, Tensor)]

        def rule(position: int, g: Any) -> list[Any]:
            upstream = [g if k == position else ops.zeros_like(y) for k, y in enumerate(outputs)]
            found = gradient(*upstream)
            many = list(found) if isinstance(found, (list, tuple)) else [found]
            if len(many) != len(tensors):
                raise ValueError(
                    f"custom_gradient: the gradient of {f.__name__!r} gave {len(many)} results for {len(tensors)} "
                    "arguments"
                )
            return [None if many[k] is None else convert_to_tensor(many[k], tensors[k].dtype) for k in places]

        inputs = [tensors[k] for k in places]
        given = [_with_gradient(y, *inputs, rule=functools.partial(rule, k)) for k, y in enumerate(outputs)]
        return tree.pack_sequence_as(result, given) if tree.is_nested(result) else given[0]

    return wrapped


# ------------------------------------------------------------------------------ derivatives along a direction


def jvp(fun: Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The result of `fun(*primals)` and its derivative along `tangents`.

    Args:
        fun: of tensors. With `has_aux` it returns its result and something more, which is passed on.
        primals, tangents: sequences of tensors of the same shapes and dtypes.

    Returns:
        (result, derivative), or (result, derivative, more).
    """
    if not isinstance(primals, (list, tuple)) or not isinstance(tangents, (list, tuple)):
        raise TypeError("jvp: `primals` and `tangents` must be sequences, one item for each argument of `fun`")
    inputs = [convert_to_tensor(x) for x in primals]
    directions = [convert_to_tensor(t, x.dtype) for t, x in zip(tangents, inputs, strict=True)]
    for x, t in zip(inputs, directions, strict=True):
        if x.scope is MODEL:
            raise ValueError("jvp: inputs of a model have no derivatives yet; call jvp in the call() of a layer")
        if x.shape != t.shape:
            raise ValueError(f"jvp: a tangent of shape {t.shape} for a primal of shape {x.shape}; they must be equal")
    # The gradient is linear in what comes in at the results; its gradient with respect to that is the derivative.
    with GradientTape() as outer:
        with GradientTape() as inner:
            inner.watch(inputs)
            result = fun(*inputs)
            result, more = result if has_aux else (result, None)
        flat = [convert_to_tensor(y) for y in tree.flatten(result)]
        seeds = [ops.zeros_like(y) for y in flat]
        outer.watch(seeds)
        found = inner.gradient(flat, inputs, output_gradients=seeds)
        pairs = [(g, t) for g, t in zip(found, directions, strict=True) if g is not None]
    slopes: list[Any] = [None] * len(flat)
    if pairs:
        slopes = outer.gradient([g for g, _ in pairs], seeds, output_gradients=[t for _, t in pairs])
    slopes = [ops.zeros_like(y) if s is None else s for s, y in zip(slopes, flat, strict=True)]
    derivative = tree.pack_sequence_as(result, slopes) if tree.is_nested(result) else slopes[0]
    return (result, derivative, more) if has_aux else (result, derivative)


# ------------------------------------------------------------------------------ associative_scan


@composed
def associative_scan(f: Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All the results of combining the first 1, 2, … elements of `axis`, in log2(n) rounds (Hillis and Steele, 1986).

    Args:
        f: associative, (a, b) -> c on slices of `elems`; it works elementwise along `axis`.
        elems: nested tensors of one size along `axis`.
        reverse: combines from the end.
    """
    elems = tree.map_structure(convert_to_tensor, elems)
    flat = tree.flatten(elems)
    axes = [canonical_axis(axis, len(t.shape), "associative_scan") for t in flat]
    sizes = {t.shape[a] for t, a in zip(flat, axes, strict=True)}
    if len(sizes) != 1:
        raise ValueError(f"associative_scan: all tensors must have one size along axis {axis}, got {sorted(sizes)}")
    n: Any = sizes.pop()
    if reverse:
        flat = [ops.flip(t, a) for t, a in zip(flat, axes, strict=True)]
    step = 1
    while step < n:
        earlier = [slice_axis(t, a, 0, n - step) for t, a in zip(flat, axes, strict=True)]
        later = [slice_axis(t, a, step, n) for t, a in zip(flat, axes, strict=True)]
        combined = tree.flatten(f(tree.pack_sequence_as(elems, earlier), tree.pack_sequence_as(elems, later)))
        flat = [
            ops.concatenate([slice_axis(t, a, 0, step), ops.cast(c, t.dtype)], a)
            for t, a, c in zip(flat, axes, combined, strict=True)
        ]
        step *= 2
    if reverse:
        flat = [ops.flip(t, a) for t, a in zip(flat, axes, strict=True)]
    return tree.pack_sequence_as(elems, flat)


# ------------------------------------------------------------------------------ vectorize


def _core_axes(signature: str | None, count: int) -> tuple[list[int], list[int] | None]:
    """How many axes each argument and each result has of its own, by a signature such as "(n),(n)->()"."""
    if signature is None:
        return [0] * count, None
    if not re.fullmatch(r"\(.*\)->\(.*\)", signature.replace(" ", "")):
        raise ValueError(f"vectorize: cannot read the signature {signature!r}; write it like '(m,n),(n)->(m)'")
    sides = signature.replace(" ", "").split("->")
    groups = [re.findall(r"\(([^()]*)\)", side) for side in sides]
    ranks = [[len([n for n in group.split(",") if n]) for group in side] for side in groups]
    if len(ranks[0]) != count:
        raise ValueError(f"vectorize: the signature {signature!r} is for {len(ranks[0])} arguments, got {count}")
    return ranks[0], ranks[1]


def vectorize(pyfunc: Function, excluded: Any = None, signature: str | None = None) -> Function:
    """A function that applies `pyfunc` over the leading axes of its arguments, which broadcast.

    Args:
        pyfunc: of tensors; without a signature, of scalars.
        excluded: numbers (or names) of arguments that are passed on as they are.
        signature: the axes that `pyfunc` works on, such as "(m,n),(n)->(m)".
    """
    left_out = set(excluded or ())

    @functools.wraps(pyfunc)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = [k for k in range(len(args)) if k not in left_out]
        names = [name for name in kwargs if name not in left_out]
        tensors = [convert_to_tensor(v) for v in (*(args[k] for k in places), *(kwargs[n] for n in names))]
        ranks, _ = _core_axes(signature, len(tensors))
        outer = [t.shape[: len(t.shape) - r] for t, r in zip(tensors, ranks, strict=True)]
        shape: Any = np.broadcast_shapes(*outer)  # type: ignore[arg-type]
        rows = [
            ops.reshape(ops.broadcast_to(t, (*shape, *t.shape[len(t.shape) - r :])), (-1, *t.shape[len(t.shape) - r :]))
            for t, r in zip(tensors, ranks, strict=True)
        ]

        def on_items(items: Sequence[Any]) -> Any:
            given = list(args)
            for k, item in zip(places, items, strict=False):
                given[k] = item
            return pyfunc(*given, **{**kwargs, **dict(zip(names, items[len(places) :], strict=True))})

        if not shape:
            return on_items([row[0] for row in rows])
        result = ops.vectorized_map(on_items, rows)
        return tree.map_structure(lambda t: ops.reshape(t, (*shape, *t.shape[1:])), result)

    return wrapped
