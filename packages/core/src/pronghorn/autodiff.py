"""Reverse-mode gradients: recorded nodes are walked backwards, each by its op's gradient rule, which is written in
ops."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from pronghorn import dtypes, interpreter, tree
from pronghorn.graph import Node, topological
from pronghorn.interpreter import LAYER, Tape
from pronghorn.tensor import Tensor, Variable, constant, convert_to_tensor


def backward(
    nodes: Sequence[Node], ys: Sequence[Tensor], seeds: Sequence[Tensor | None], xs: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients of the sum of `ys`·`seeds` with respect to `xs`; None where nothing connects them.

    Args:
        nodes: what connects them, each after what it reads.
        ys, seeds: results, and the gradients that come in at them; None stands for ones.
        xs: tensors, which may be results of others among them.
    """
    from pronghorn import ops

    needed: set[Tensor] = set(xs)
    path: list[Node] = []
    for node in nodes:
        if not needed.isdisjoint(node.inputs):
            needed.update([t for t in node.outputs if dtypes.is_float(t.dtype)])
            path.append(node)
    grads: dict[Tensor, Tensor] = {}

    def add(t: Tensor, g: Tensor) -> None:
        grads[t] = ops.add(grads[t], g) if t in grads else g

    for y, seed in zip(ys, seeds, strict=True):
        if y in needed:
            add(y, ops.ones_like(y) if seed is None else ops.broadcast_to(convert_to_tensor(seed, y.dtype), y.shape))
    for node in reversed(path):
        incoming = [grads.get(t) for t in node.outputs]
        if all(g is None for g in incoming):
            continue
        if node.op.gradient is None:
            raise NotImplementedError(
                f"no gradient is defined for the operation {node.op.name!r}{_at(node)}; "
                f"wrap its result in ops.stop_gradient if none is wanted"
            )
        many = len(node.outputs) > 1
        g: Any = tuple(incoming) if many else incoming[0]
        out: Any = node.outputs if many else node.outputs[0]
        token = LAYER.set(node.layer)
        try:
            for x, gx in zip(node.inputs, node.op.gradient(g, out, *node.inputs, **node.attrs), strict=True):
                if gx is not None and x in needed and dtypes.is_float(x.dtype):
                    add(x, gx)
        finally:
            LAYER.reset(token)
    return [grads.get(x) for x in xs]


def _at(node: Node) -> str:
    return f" (in layer {node.layer!r})" if node.layer else ""


def gradients(ys: Any, xs: Sequence[Tensor], seeds: Any = None) -> list[Tensor | None]:
    """Gradients of traced tensors `ys` with respect to traced tensors `xs`, by the nodes that lead from one to the
    other."""
    targets = tree.flatten(ys)
    given = [None] * len(targets) if seeds is None else tree.flatten(seeds)
    return backward(topological(targets, stop=xs), targets, given, list(xs))


class GradientTape:
    """Records operations for automatic differentiation.

    ```python
    with GradientTape() as tape:
        loss = loss_fn(model(x), y)
    gradients = tape.gradient(loss, model.trainable_variables)
    ```

    Trainable variables are watched on reading. A variable that is assigned while the tape is open has several versions;
    its gradient is the sum over the versions that were read. Tapes nest; a gradient taken under an outer tape can be
    differentiated again.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self.persistent = persistent
        self.watch_accessed_variables = watch_accessed_variables
        self._tape: Tape | None = None
        self._stack = ExitStack()
        self._used = False

    def __enter__(self) -> GradientTape:
        self._tape = Tape(interpreter.current(), self.watch_accessed_variables)
        self._stack.enter_context(interpreter.using(self._tape))
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _opened(self) -> Tape:
        if self._tape is None:
            raise RuntimeError("GradientTape: use it as a context manager: `with GradientTape() as tape:`")
        return self._tape

    def watch(self, tensor: Any) -> None:
        """Watches a tensor, or a nested structure of tensors and variables."""
        tape = self._opened()
        for t in tree.flatten(tensor):
            if not isinstance(t, (Tensor, Variable)):
                raise ValueError(f"GradientTape.watch: expected a Tensor or Variable, got {type(t).__name__}")
            if not dtypes.is_float(t.dtype):
                raise ValueError(f"GradientTape.watch: gradients need a float dtype, got {t.dtype}")
            if isinstance(t, Variable):
                t = tape.read(t)
            tape.watch(t)

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str | None = None
    ) -> Any:
        """Gradients of `target` (summed, where it is not a scalar) in the structure of `sources`.

        Args:
            target: tensor or nested structure of tensors computed under the tape.
            sources: tensors and variables, nested as you like.
            output_gradients: gradients that come in at `target`, ones by default.
            unconnected_gradients: "none" (default) gives None for sources that `target` does not depend on, "zero"
                zeros.

        Raises:
            RuntimeError: a tape that is not persistent is asked twice.
        """
        from pronghorn import ops

        if self._used and not self.persistent:
            raise RuntimeError(
                "GradientTape: a tape gives gradients once; create it with persistent=True for several calls"
            )
        tape = self._opened()
        self._used = True
        targets = [t.value if isinstance(t, Variable) else t for t in tree.flatten(target)]
        for t in targets:
            if not isinstance(t, Tensor):
                raise TypeError(f"GradientTape.gradient: `target` must be a Tensor, got {type(t).__name__}")
        flat = tree.flatten(sources)
        read = [tape.versions.get(s, []) if isinstance(s, Variable) else [s] for s in flat]
        versions = [[t for t in group if t in tape.watched] for group in read]
        seeds = [None] * len(targets) if output_gradients is None else tree.flatten(output_gradients)
        found = iter(backward(list(tape.nodes), targets, seeds, [v for group in versions for v in group]))
        results: list[Tensor | None] = []
        for source, group in zip(flat, versions, strict=True):
            parts = [g for g in (next(found) for _ in group) if g is not None]
            total = None
            for part in parts:
                total = part if total is None else ops.add(total, part)
            if total is None and unconnected_gradients in ("zero", "zeros"):
                total = ops.zeros(source.shape, dtype=source.dtype)
            results.append(total)
        if not self.persistent:
            self._tape = None if interpreter.current() is not tape else tape
        return tree.pack_sequence_as(sources, results) if tree.is_nested(sources) else results[0]


def warn_unused(variables: Sequence[Variable], grads: Sequence[Tensor | None]) -> None:
    """Warns of variables that the loss does not depend on."""
    missing = [v.path for v, g in zip(variables, grads, strict=True) if g is None]
    if missing:
        warnings.warn(
            f"gradients do not exist for the variables {missing} when minimizing the loss: "
            f"the loss does not depend on them, they are left unchanged",
            stacklevel=3,
        )


def check_gradients(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    order: int = 1,
) -> None:
    """Compares gradients of `function` with central differences in float64.

    Args:
        function: of float64 tensors; its outputs are weighted by fixed pseudo-random numbers and summed.
        inputs: array-likes; converted to float64.
        order: 2 checks the gradient of the gradient as well.

    Raises:
        AssertionError: they differ by more than `rtol` and `atol`; the message names the input.
    """
    from pronghorn import ops

    arrays = [np.array(x, dtype=np.float64) for x in inputs]

    def gradients_of(f: Callable[..., Tensor]) -> Callable[..., list[Tensor]]:
        def gradient(*tensors: Tensor) -> list[Tensor]:
            with GradientTape() as tape:
                tape.watch(list(tensors))
                result = f(*tensors)
            return tape.gradient(result, list(tensors), unconnected_gradients="zero")  # type: ignore[no-any-return]

        return gradient

    def weighted_sum(f: Callable[..., Any], weights: Callable[[Tensor], Any]) -> Callable[..., Tensor]:
        def scalar(*tensors: Tensor) -> Tensor:
            parts = [convert_to_tensor(t) for t in tree.flatten(f(*tensors))]
            return sum((ops.sum(p * weights(p)) for p in parts if dtypes.is_float(p.dtype)), constant(0.0, "float64"))

        return scalar

    def compare(f: Callable[..., Tensor], label: str) -> None:
        got = [g.numpy() for g in gradients_of(f)(*(constant(a, "float64") for a in arrays))]
        for k, a in enumerate(arrays):
            numeric = np.zeros_like(a)
            for i in np.ndindex(a.shape):
                values = []
                for sign in (1, -1):
                    moved = [b.copy() for b in arrays]
                    moved[k][i] += sign * eps
                    values.append(float(f(*(constant(b, "float64") for b in moved))))
                numeric[i] = (values[0] - values[1]) / (2 * eps)
            np.testing.assert_allclose(got[k], numeric, rtol=rtol, atol=atol, err_msg=f"{label} of input {k}")

    def fixed(p: Tensor) -> Tensor:
        shape = tuple(int(n or 0) for n in p.shape)
        return constant(np.random.default_rng(sum(shape)).uniform(0.5, 1.5, shape), "float64")

    scalar = weighted_sum(function, fixed)
    compare(scalar, "gradient")
    if order == 2:
        compare(weighted_sum(gradients_of(scalar), fixed), "second gradient")
