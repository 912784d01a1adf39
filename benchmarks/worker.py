"""One framework in a process of its own: `python worker.py FRAMEWORK WORKLOAD`.

Prints a line of JSON when the first epoch is over (seconds since the process began, its parts), then one for each line
that it reads: the steps per second of a further epoch. Frameworks: pronghorn, keras-jax, keras-tensorflow, keras-torch,
torch, jax.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

THREADS = "2"
os.environ.update(OMP_NUM_THREADS=THREADS, PRONGHORN_NUM_THREADS=THREADS, TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu")

import convolution_peers  # noqa: E402
import lstm_peers  # noqa: E402
import numpy as np  # noqa: E402
from workloads import W1, W2, W3, WORKLOADS, Workload, data, model  # noqa: E402


def keras_like(keras: Any, workload: Workload) -> Callable[[], None]:
    """An epoch through the public `fit`."""
    x, y = data(workload)
    network = model(keras, workload)
    return lambda: network.fit(x, y, batch_size=workload.batch_size, epochs=1, verbose=0)  # type: ignore[no-any-return]


def pronghorn(workload: Workload) -> Callable[[], None]:
    import pronghorn as keras

    return keras_like(keras, workload)


def keras_jax(workload: Workload) -> Callable[[], None]:
    return _keras("jax", workload)


def keras_tensorflow(workload: Workload) -> Callable[[], None]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(int(THREADS))
    tf.config.threading.set_inter_op_parallelism_threads(int(THREADS))
    return _keras("tensorflow", workload)


def keras_torch(workload: Workload) -> Callable[[], None]:
    import torch

    torch.set_num_threads(int(THREADS))
    return _keras("torch", workload)


def _keras(backend: str, workload: Workload) -> Callable[[], None]:
    os.environ["KERAS_BACKEND"] = backend
    import keras

    return keras_like(keras, workload)


def torch(workload: Workload) -> Callable[[], None]:
    """Plain Torch with the accuracy kept on the device."""
    import torch as framework
    from torch import nn

    framework.set_num_threads(int(THREADS))
    if workload is not W1:
        return {W2: convolution_peers, W3: lstm_peers}[workload].torch(workload, *data(workload))
    x, y = (framework.from_numpy(a) for a in data(workload))
    labels = y.argmax(1)
    network = nn.Sequential(
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )
    optimizer = framework.optim.RMSprop(network.parameters(), 1e-3, alpha=0.9)

    def epoch() -> None:
        order = framework.randperm(workload.rows)
        right = framework.zeros(())
        for start in range(0, workload.rows, workload.batch_size):
            rows = order[start : start + workload.batch_size]
            logits = network(x[rows])
            loss = nn.functional.cross_entropy(logits, labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            right += (logits.argmax(1) == labels[rows]).sum()

    return epoch


def jax(workload: Workload) -> Callable[[], None]:
    """A plain `jax.jit` train step with the accuracy kept on the device."""
    import jax as framework
    import jax.numpy as jnp

    x, y = data(workload)
    if workload is not W1:
        return {W2: convolution_peers, W3: lstm_peers}[workload].jax(workload, x, y)
    rng = np.random.default_rng(1)
    sizes = [(784, 256), (256, 128), (128, 10)]
    weights = [jnp.asarray((rng.random(s, dtype=np.float32) * 2 - 1) * np.sqrt(6 / sum(s))) for s in sizes]
    state = [(w, jnp.zeros(w.shape[1])) for w in weights]
    slots = framework.tree.map(jnp.zeros_like, state)

    def forward(state: Any, x: Any, key: Any) -> Any:
        for k, (w, b) in enumerate(state[:-1]):
            rate = (0.4, 0.3)[k]
            x = framework.nn.relu(x @ w + b)
            x = jnp.where(
                framework.random.bernoulli(framework.random.fold_in(key, k), 1 - rate, x.shape), x / (1 - rate), 0.0
            )
        return x @ state[-1][0] + state[-1][1]

    @framework.jit
    def step(state: Any, slots: Any, right: Any, key: Any, x: Any, y: Any) -> Any:
        def loss(state: Any) -> Any:
            logits = forward(state, x, key)
            return -(framework.nn.log_softmax(logits) * y).sum(1).mean(), logits

        grads, logits = framework.grad(loss, has_aux=True)(state)
        slots = framework.tree.map(lambda v, g: 0.9 * v + 0.1 * g * g, slots, grads)
        state = framework.tree.map(lambda w, v, g: w - 1e-3 * g / jnp.sqrt(v + 1e-7), state, slots, grads)
        return state, slots, right + (logits.argmax(1) == y.argmax(1)).sum()

    def epoch() -> None:
        nonlocal state, slots
        order, right = rng.permutation(workload.rows), jnp.zeros((), jnp.int32)
        key = framework.random.PRNGKey(0)
        for number, start in enumerate(range(0, workload.rows, workload.batch_size)):
            rows = order[start : start + workload.batch_size]
            state, slots, right = step(state, slots, right, framework.random.fold_in(key, number), x[rows], y[rows])
        framework.block_until_ready(state)

    return epoch


FRAMEWORKS: dict[str, Callable[[Workload], Callable[[], None]]] = {
    "pronghorn": pronghorn,
    "keras-jax": keras_jax,
    "keras-tensorflow": keras_tensorflow,
    "keras-torch": keras_torch,
    "torch": torch,
    "jax": jax,
}


def main() -> None:
    """Trains an epoch, then one more for each line of input."""
    framework, workload = sys.argv[1], WORKLOADS[sys.argv[2]]
    epoch = FRAMEWORKS[framework](workload)
    ready = time.perf_counter() - START
    epoch()
    report(ready=ready, first_epoch=time.perf_counter() - START)
    for _ in sys.stdin:
        start = time.perf_counter()
        epoch()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report(steps_per_second=workload.steps / (time.perf_counter() - start), peak_megabytes=peak)


def report(**figures: float) -> None:
    """One line of JSON."""
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
