"""W2 in plain Torch and plain `jax.jit`: two convolutions, pooling, two dense layers; Adam; accuracy on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import Workload


def torch(workload: Workload, x: Any, y: Any) -> Callable[[], None]:
    """An epoch with channels last in memory, which Torch's CPU kernels like best."""
    import torch as framework
    from torch import nn

    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
    layers += [nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
    network = nn.Sequential(*layers).to(memory_format=framework.channels_last)
    optimizer = framework.optim.Adam(network.parameters())
    images = framework.from_numpy(np.moveaxis(x, -1, 1)).contiguous(memory_format=framework.channels_last)
    labels = framework.from_numpy(y).argmax(1)

    def epoch() -> None:
        order, right = framework.randperm(workload.rows), framework.zeros(())
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            logits = network(images[rows])
            loss = nn.functional.cross_entropy(logits, labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            right += (logits.argmax(1) == labels[rows]).sum()

    return epoch


def jax(workload: Workload, x: Any, y: Any) -> Callable[[], None]:
    """An epoch of a jitted step."""
    import jax as framework
    import jax.numpy as jnp

    rng = np.random.default_rng(1)
    shapes = [(3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (9216, 128), (128,), (128, 10), (10,)]
    weights = [jnp.asarray(rng.normal(size=shape).astype(np.float32) * 0.05) for shape in shapes]
    slots = [(jnp.zeros_like(w), jnp.zeros_like(w)) for w in weights]

    def convolved(x: Any, kernel: Any, bias: Any) -> Any:
        names = ("NHWC", "HWIO", "NHWC")
        y = framework.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=names)
        return framework.nn.relu(y + bias)

    def dropped(x: Any, rate: float, key: Any) -> Any:
        return jnp.where(framework.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0.0)

    def forward(weights: Any, x: Any, key: Any) -> Any:
        k1, b1, k2, b2, w1, c1, w2, c2 = weights
        first, second = framework.random.split(key)
        h = convolved(convolved(x, k1, b1), k2, b2)
        h = framework.lax.reduce_window(h, -jnp.inf, framework.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        h = dropped(h, 0.25, first).reshape(len(x), -1)
        return dropped(framework.nn.relu(h @ w1 + c1), 0.5, second) @ w2 + c2

    @framework.jit
    def step(weights: Any, slots: Any, number: Any, right: Any, key: Any, x: Any, y: Any) -> Any:
        def loss(weights: Any) -> Any:
            logits = forward(weights, x, key)
            return -(framework.nn.log_softmax(logits) * y).sum(1).mean(), logits

        grads, logits = framework.grad(loss, has_aux=True)(weights)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        slots = [(0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g) for (m, v), g in zip(slots, grads, strict=True)]
        weights = [w - rate * m / (jnp.sqrt(v) + 1e-7) for w, (m, v) in zip(weights, slots, strict=True)]
        return weights, slots, right + (logits.argmax(1) == y.argmax(1)).sum()

    number = 0

    def epoch() -> None:
        nonlocal weights, slots, number
        order, right = rng.permutation(workload.rows), jnp.zeros((), jnp.int32)
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            number += 1
            key = framework.random.fold_in(framework.random.PRNGKey(0), number)
            weights, slots, right = step(weights, slots, float(number), right, key, x[rows], y[rows])
        framework.block_until_ready(weights)

    return epoch
