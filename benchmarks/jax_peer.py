"""The workloads in plain JAX: a train step under `jax.jit`, the loss on logits, the accuracy kept on the device.

A network is a function of (weights, inputs, key); its weights are made on the first, abstract call by `_Weights`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workloads import HEADS, HIDDEN, PLACES, UNITS, VOCABULARY, W1, W2, W3, W4, W5, WIDTH, Workload


def epoch(workload: Workload, x: Any, y: Any) -> Callable[[], None]:
    """A function that trains one epoch."""
    rng, network = np.random.default_rng(1), _NETWORKS[workload.name]
    new = _Weights(rng)
    network(new, jnp.asarray(x[:2]), jax.random.PRNGKey(0))
    weights = new.made
    update, slots = _optimizer(workload, weights)

    @jax.jit
    def step(weights: Any, slots: Any, number: Any, right: Any, key: Any, x: Any, y: Any) -> Any:
        def loss(weights: Any) -> Any:
            logits = network(_Weights(rng, weights), x, key)
            if workload is W3:
                total = jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-abs(logits)))
                return total.mean(), ((logits > 0) == (y > 0.5)).sum()
            hits = (logits.argmax(1) == y.argmax(1)).sum()
            return -(jax.nn.log_softmax(logits) * y).sum(1).mean(), hits

        grads, hits = jax.grad(loss, has_aux=True)(weights)
        pairs = [update(w, s, g, number) for w, s, g in zip(weights, slots, grads, strict=True)]
        return [w for w, _ in pairs], [s for _, s in pairs], right + hits

    on_host = jax.default_backend() == "cpu"
    data = (x, y) if on_host else jax.device_put((x, y))  # as the others have it, where there is a card

    def batch(data: Any, rows: Any) -> Any:
        return tuple(a[rows] for a in data)

    take = batch if on_host else jax.jit(batch)
    number = 0

    def train() -> None:
        nonlocal weights, slots, number
        order, right = rng.permutation(workload.rows), jnp.zeros((), jnp.int32)
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            number += 1
            key = jax.random.fold_in(jax.random.PRNGKey(0), number)
            weights, slots, right = step(weights, slots, float(number), right, key, *take(data, rows))
        jax.block_until_ready(weights)

    return train


def _optimizer(workload: Workload, weights: Any) -> tuple[Callable[..., Any], Any]:
    def rmsprop(w: Any, v: Any, g: Any, number: Any) -> Any:
        v = 0.9 * v + 0.1 * g * g
        return w - 1e-3 * g / jnp.sqrt(v + 1e-7), v

    def momentum(w: Any, m: Any, g: Any, number: Any) -> Any:
        m = 0.9 * m - 0.1 * g
        return w + m, m

    def adam(w: Any, slots: Any, g: Any, number: Any) -> Any:
        m, v = 0.9 * slots[0] + 0.1 * g, 0.999 * slots[1] + 0.001 * g * g
        rate = 1e-3 * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        return w - rate * m / (jnp.sqrt(v) + 1e-7), (m, v)

    zeros = [jnp.zeros_like(w) for w in weights]
    if workload is W1:
        return rmsprop, zeros
    return (momentum, zeros) if workload is W4 else (adam, [(z, z) for z in zeros])


class _Weights:
    """Hands a network its weights one after the other, or makes them."""

    def __init__(self, rng: Any, given: Any = None) -> None:
        self.rng, self.given, self.made = rng, None if given is None else iter(given), []

    def __call__(self, *shape: int, value: float | None = None) -> Any:
        """The next weight, of `shape`: all `value`, or uniform as Glorot has it."""
        if self.given is not None:
            return next(self.given)
        bound = np.sqrt(6 / (np.prod(shape[:-1]) + shape[-1]))
        drawn = np.full(shape, value) if value is not None else self.rng.uniform(-bound, bound, shape)
        self.made.append(jnp.asarray(drawn.astype(np.float32)))
        return self.made[-1]


def _dense(new: Any, x: Any, units: int) -> Any:
    return x @ new(x.shape[-1], units) + new(units, value=0)


def _dropped(x: Any, rate: float, key: Any) -> Any:
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0.0)


def _convolution(new: Any, x: Any, filters: int, size: int = 3, strides: int = 1, padding: str = "SAME") -> Any:
    names = ("NHWC", "HWIO", "NHWC")
    kernel = new(size, size, x.shape[-1], filters)
    return lax.conv_general_dilated(x, kernel, (strides, strides), padding, dimension_numbers=names)


def _mlp(new: Any, x: Any, key: Any) -> Any:
    first, second = jax.random.split(key)
    x = _dropped(jax.nn.relu(_dense(new, x, 256)), 0.4, first)
    x = _dropped(jax.nn.relu(_dense(new, x, 128)), 0.3, second)
    return _dense(new, x, 10)


def _convolutions(new: Any, x: Any, key: Any) -> Any:
    first, second = jax.random.split(key)
    for filters in (32, 64):
        x = jax.nn.relu(_convolution(new, x, filters, padding="VALID") + new(filters, value=0))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = _dropped(x, 0.25, first).reshape(len(x), -1)
    return _dense(new, _dropped(jax.nn.relu(_dense(new, x, 128)), 0.5, second), 10)


def _reviews(new: Any, ids: Any, key: Any) -> Any:
    projected = _dense(new, jnp.swapaxes(new(VOCABULARY, UNITS)[ids], 0, 1), 4 * UNITS)
    recurrent = new(UNITS, 4 * UNITS)

    def step(carry: Any, z: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((ids.shape[0], UNITS))
    return _dense(new, lax.scan(step, (zeros, zeros), projected)[0][0], 1)


def _normalized(new: Any, x: Any, axes: tuple[int, ...]) -> Any:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) * (lax.rsqrt(variance + 1e-3) * new(x.shape[-1], value=1)) + new(x.shape[-1], value=0)


def _residual(new: Any, x: Any, key: Any) -> Any:
    def convolved(x: Any, *settings: int) -> Any:
        return _normalized(new, _convolution(new, x, *settings), (0, 1, 2))

    x = jax.nn.relu(convolved(x, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            h = convolved(jax.nn.relu(convolved(x, filters, 3, strides)), filters)
            x = convolved(x, filters, 1, strides) if strides == 2 else x
            x = jax.nn.relu(x + h)
    return _dense(new, x.mean((1, 2)), 10)


def _transformer(new: Any, x: Any, key: Any) -> Any:
    for _ in range(2):
        q, k, v = (_dense(new, x, WIDTH).reshape(-1, PLACES, HEADS, WIDTH // HEADS) for _ in range(3))
        attended = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        x = _normalized(new, x + _dense(new, attended, WIDTH), (-1,))
        hidden = jax.nn.gelu(_dense(new, x, HIDDEN), approximate=False)
        x = _normalized(new, x + _dense(new, hidden, WIDTH), (-1,))
    return _dense(new, x.mean(1), 10)


_NETWORKS: dict[str, Callable[..., Any]] = {
    W1.name: _mlp,
    W2.name: _convolutions,
    W3.name: _reviews,
    W4.name: _residual,
    W5.name: _transformer,
}
