"""One framework in a process of its own: `python worker.py FRAMEWORK WORKLOAD`.

Prints a line of JSON when the first epoch is over (seconds: until the framework is imported, until the model is
compiled, until the epoch's end, all since the process began), then one for each line that it reads: after "epoch" the
steps per second of a further training, of one epoch unless BENCHMARK_EPOCHS says more, after "predict" the microseconds
of a prediction for one row.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

THREADS = "2"
DEVICE = os.environ.get("BENCHMARK_DEVICE", "cpu")
"""As Torch calls it; `gpu.py` sets it to "cuda"."""

os.environ.update(OMP_NUM_THREADS=THREADS, PRONGHORN_NUM_THREADS=THREADS, TF_CPP_MIN_LOG_LEVEL="3")
os.environ["JAX_PLATFORMS"] = DEVICE

from workloads import WORKLOADS, Workload, data, model  # noqa: E402

PREDICTIONS = 200

EPOCHS = int(os.environ.get("BENCHMARK_EPOCHS", "1"))
"""Of a measured training; before the first of them a device may have to fetch the data set."""


class Training(NamedTuple):
    """What is measured: the moment the framework was imported, a training of so many epochs, and a prediction where
    there is a `fit`."""

    imported: float
    train: Callable[[int], object]
    predict: Callable[[], object] | None = None
    counts: Callable[[], dict[str, int]] = dict
    """What a step hands to a device, when an epoch is over."""


def _keras(backend: str, workload: Workload, **options: Any) -> Training:
    """An epoch through the public `fit`, on one of Keras's backends or on Pronghorn."""
    if backend == "tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(int(THREADS))
        tensorflow.config.threading.set_inter_op_parallelism_threads(int(THREADS))
    if backend == "torch":
        import torch

        torch.set_num_threads(int(THREADS))
    os.environ["KERAS_BACKEND"] = backend
    keras = __import__("pronghorn" if backend == "pronghorn" else "keras")
    imported = time.perf_counter() - START
    x, y = data(workload)
    network = model(keras, workload, **options)
    return Training(
        imported,
        lambda epochs: network.fit(x, y, batch_size=workload.batch_size, epochs=epochs, verbose=0),
        lambda: network.predict(x[:1], verbose=0),
        lambda: _counts(network),
    )


PRODUCTS = ("matmul", "convolution", "recurrence", "attention")
"""What has these in its name multiplies and adds."""


def _arithmetic(workload: Workload) -> Training:
    """No training, but as many multiply-adds as the products of one, in a product that stays in cache: no step is
    faster, unless by minimal filtering, which needs fewer."""
    import pronghorn
    from pronghorn_cpu.peak import Product

    imported = time.perf_counter() - START
    x, y = data(workload)
    network = model(pronghorn, workload)
    network.train_on_batch(x[: workload.batch_size], y[: workload.batch_size])
    instructions = network.train_program.instructions()
    flops = sum(i.flops for i in instructions if any(product in i.name for product in PRODUCTS))
    product = Product()
    runs = round(flops * workload.steps / product.flops)
    return Training(imported, lambda epochs: [product.run() for _ in range(epochs * runs)])


def _counts(network: Any) -> dict[str, int]:
    """Launches of a training step, where the accelerator counts them."""
    executable = getattr(getattr(network, "train_program", None), "executable", None)
    return executable.counts() if hasattr(executable, "counts") else {}


def _torch(workload: Workload, channels_last: bool = False, compiled: bool = False) -> Training:
    import torch
    import torch_peer

    torch.set_num_threads(int(THREADS))
    torch.set_default_device(DEVICE)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = DEVICE != "cpu"
    imported = time.perf_counter() - START
    return Training(imported, _repeated(torch_peer.epoch(workload, *data(workload), channels_last, compiled)))


def _jax(workload: Workload) -> Training:
    import jax_peer

    imported = time.perf_counter() - START
    return Training(imported, _repeated(jax_peer.epoch(workload, *data(workload))))


def _repeated(epoch: Callable[[], None]) -> Callable[[int], object]:
    return lambda epochs: [epoch() for _ in range(epochs)]


FRAMEWORKS: dict[str, Callable[[Workload], Training]] = {
    "pronghorn": lambda workload: _keras("pronghorn", workload),
    "keras-jax": lambda workload: _keras("jax", workload),
    "keras-tensorflow": lambda workload: _keras("tensorflow", workload),
    "keras-tensorflow-jit": lambda workload: _keras("tensorflow", workload, jit_compile=True),
    "keras-torch": lambda workload: _keras("torch", workload),
    "torch": _torch,
    "torch-channels-last": lambda workload: _torch(workload, channels_last=True),
    "torch-compile": lambda workload: _torch(workload, channels_last=True, compiled=True),
    "jax": _jax,
    "arithmetic": _arithmetic,
}


def predictions(predict: Callable[[], object]) -> float:
    """Microseconds of a prediction: the median."""
    times = []
    for _ in range(PREDICTIONS + 5):
        start = time.perf_counter()
        predict()
        times.append(time.perf_counter() - start)
    return 1e6 * sorted(times[5:])[PREDICTIONS // 2]


def main() -> None:
    """Trains an epoch, then obeys."""
    framework, workload = sys.argv[1], WORKLOADS[sys.argv[2]]
    training = FRAMEWORKS[framework](workload)
    ready = time.perf_counter() - START
    training.train(1)
    report(imported=training.imported, ready=ready, first_epoch=time.perf_counter() - START, **training.counts())
    for line in sys.stdin:
        if line.strip() == "predict":
            report(**({} if training.predict is None else {"predict_microseconds": predictions(training.predict)}))
            continue
        start = time.perf_counter()
        training.train(EPOCHS)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report(steps_per_second=EPOCHS * workload.steps / (time.perf_counter() - start), peak_megabytes=peak)


def report(**figures: float) -> None:
    """One line of JSON."""
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
