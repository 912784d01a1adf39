"""W3 in plain Torch and plain `jax.jit`: embedding, LSTM, a logistic unit; Adam; the accuracy kept on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import UNITS, VOCABULARY, Workload


def torch(workload: Workload, x: Any, y: Any) -> Callable[[], None]:
    """An epoch with Torch's own LSTM."""
    import torch as framework
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, UNITS)
            self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
            self.dense = nn.Linear(UNITS, 1)

        def forward(self, ids: Any) -> Any:
            return self.dense(self.lstm(self.embedding(ids))[0][:, -1])

    network = Network()
    optimizer = framework.optim.Adam(network.parameters())
    ids, labels = framework.from_numpy(x).long(), framework.from_numpy(y)

    def epoch() -> None:
        order, right = framework.randperm(workload.rows), framework.zeros(())
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            logits = network(ids[rows])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            right += ((logits > 0) == (labels[rows] > 0.5)).sum()

    return epoch


def jax(workload: Workload, x: Any, y: Any) -> Callable[[], None]:
    """An epoch of a jitted step whose recurrence is a `lax.scan`."""
    import jax as framework
    import jax.numpy as jnp

    rng = np.random.default_rng(1)

    def uniform(*shape: int) -> Any:
        return jnp.asarray((rng.random(shape, dtype=np.float32) * 2 - 1) * np.sqrt(6 / sum(shape)))

    weights = [uniform(VOCABULARY, UNITS), uniform(UNITS, 4 * UNITS), uniform(UNITS, 4 * UNITS), jnp.zeros(4 * UNITS)]
    weights += [uniform(UNITS, 1), jnp.zeros(1)]
    slots = [(jnp.zeros_like(w), jnp.zeros_like(w)) for w in weights]

    def forward(weights: Any, ids: Any) -> Any:
        table, kernel, recurrent, bias, dense, offset = weights
        projected = jnp.swapaxes(table[ids], 0, 1) @ kernel + bias

        def step(carry: Any, z: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=1)
            c = framework.nn.sigmoid(f) * c + framework.nn.sigmoid(i) * jnp.tanh(g)
            return (framework.nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((ids.shape[0], UNITS))
        return framework.lax.scan(step, (zeros, zeros), projected)[0][0] @ dense + offset

    @framework.jit
    def step(weights: Any, slots: Any, number: Any, right: Any, ids: Any, labels: Any) -> Any:
        def loss(weights: Any) -> Any:
            z = forward(weights, ids)
            return (jnp.maximum(z, 0) - z * labels + jnp.log1p(jnp.exp(-abs(z)))).mean(), z

        grads, z = framework.grad(loss, has_aux=True)(weights)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        slots = [(0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g) for (m, v), g in zip(slots, grads, strict=True)]
        weights = [w - rate * m / (jnp.sqrt(v) + 1e-7) for w, (m, v) in zip(weights, slots, strict=True)]
        return weights, slots, right + ((z > 0) == (labels > 0.5)).sum()

    number = 0

    def epoch() -> None:
        nonlocal weights, slots, number
        order, right = rng.permutation(workload.rows), jnp.zeros((), jnp.int32)
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            number += 1
            weights, slots, right = step(weights, slots, float(number), right, x[rows], y[rows])
        framework.block_until_ready(weights)

    return epoch
