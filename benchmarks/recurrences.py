"""Recurrences over whole sequences for `kernels.py`: ours, Torch's modules, and loops that XLA compiles.

The first sizes are those of W3: 80 steps of 32 sequences, 128 features and units; others are short or long, few or
many, narrow or wide. Each is the projection of the inputs and all steps; with "and back" the gradients of inputs and
weights by the last output too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Size(NamedTuple):
    """Of a recurrence; as many features as units."""

    steps: int
    batch: int
    units: int

    def __str__(self) -> str:
        return f"{self.steps}x{self.batch}x{self.units}"


SIZES = (
    *(Size(80, 32, 128), Size(80, 32, 64), Size(80, 32, 256), Size(80, 32, 512), Size(80, 1, 128), Size(80, 16, 128)),
    *(Size(80, 128, 128), Size(20, 32, 128), Size(300, 32, 128), Size(80, 1, 512), Size(80, 128, 512)),
)
NAMES = ("SimpleRNN", "LSTM", "GRU")
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


def arrays(name: str, size: Size) -> list[Any]:
    """Inputs, kernel, recurrent kernel, bias."""
    rng, width = np.random.default_rng(0), GATES[name] * size.units
    shapes = {tuple(size): 1.0, (size.units, width): size.units**-0.5}
    x, kernel = ((rng.standard_normal(shape) * scale).astype("float32") for shape, scale in shapes.items())
    return [x, kernel, kernel[::-1].copy(), np.zeros(width, "float32")]


def flops(name: str, back: bool, size: Size) -> float:
    """Of the products: two forward, four back."""
    return 2 * size.steps * size.batch * size.units * GATES[name] * size.units * (6 if back else 2)


def ours(name: str, back: bool, size: Size) -> Callable[..., Any]:
    """By the primitive that the layers use."""
    from pronghorn import ops
    from pronghorn.autodiff import GradientTape
    from pronghorn_ops.primitives import recurrent

    cell = {"SimpleRNN": recurrent.SIMPLE, "LSTM": recurrent.LSTM, "GRU": recurrent.GRU}[name]

    def forward(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
        zeros = [ops.zeros(size[1:])] * len(cell.states)
        biases = [bias] if cell.bias else []
        projected = ops.matmul(x, kernel) + bias
        results = recurrent.recurrence(projected, recurrent_kernel, *biases, *zeros, cell=cell, masked=False)
        return results[0] if isinstance(results, (list, tuple)) else results

    def gradients(*operands: Any) -> Any:
        with GradientTape() as tape:
            tape.watch(list(operands))
            loss = ops.sum(forward(*operands)[-1])
        return tape.gradient(loss, list(operands))

    return gradients if back else forward


def torch(name: str, back: bool, size: Size) -> Callable[..., Any]:
    """By the module, with weights of its own."""
    import torch

    module = {"SimpleRNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[name](size.units, size.units)

    def run(x: Any, *_: Any) -> Any:
        if not back:
            return module(x)[0]
        module.zero_grad(set_to_none=True)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            module(x)[0][-1].sum().backward()
        return x.grad

    return run


def xla(name: str, back: bool, size: Size) -> Callable[..., Any]:
    """By a loop that JAX compiles."""
    import jax
    from jax import nn
    from jax import numpy as jnp

    def simple(h: Any, p: Any, r: Any) -> Any:
        return (jnp.tanh(p + r),)

    def lstm(h: Any, c: Any, p: Any, r: Any) -> Any:
        i, f, g, o = jnp.split(p + r, 4, -1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        return nn.sigmoid(o) * jnp.tanh(c), c

    def gru(h: Any, p: Any, r: Any) -> Any:
        (pz, pr, pg), (rz, rr, rg) = jnp.split(p, 3, -1), jnp.split(r, 3, -1)
        z = nn.sigmoid(pz + rz)
        return (z * h + (1 - z) * jnp.tanh(pg + nn.sigmoid(pr + rr) * rg),)

    cell = {"SimpleRNN": simple, "LSTM": lstm, "GRU": gru}[name]

    def forward(x: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
        def step(states: Any, p: Any) -> Any:
            states = cell(*states, p, states[0] @ recurrent_kernel + bias * (name == "GRU"))
            return states, states[0]

        zeros = (jnp.zeros(size[1:]),) * (2 if name == "LSTM" else 1)
        return jax.lax.scan(step, zeros, x @ kernel + bias)[1]

    function = jax.grad(lambda *operands: forward(*operands)[-1].sum(), (0, 1, 2, 3)) if back else forward
    compiled = jax.jit(function)
    return lambda *operands: jax.block_until_ready(compiled(*operands))
