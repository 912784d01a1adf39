"""Predictions for one row by the network of W1: `hatch run bench:predict [--calls 100000]`.

Prints the time of `predict(verbose=0)` and of calling the model beside that of the bare NumPy forward, taken in turns,
and the resident memory after the first calls and after all.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from lengths import megabytes
from workloads import W1, data, model

import pronghorn as keras

ROUND = 200


def microseconds(function: Callable[[], object]) -> float:
    """The median of a round of calls."""
    times = []
    for _ in range(ROUND):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    network, x = model(keras, W1), data(W1)[0][:1]
    weights = network.get_weights()

    def numpy_forward() -> object:
        h = np.maximum(x @ weights[0] + weights[1], 0)
        h = np.maximum(h @ weights[2] + weights[3], 0)
        e = np.exp(h @ weights[4] + weights[5])
        return e / e.sum()

    contenders: dict[str, Callable[[], object]] = {
        "numpy": numpy_forward,
        "predict": lambda: network.predict(x, verbose=0),
        "predict_on_batch": lambda: network.predict_on_batch(x),
    }
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(10):
        for name, f in contenders.items():
            rounds[name].append(microseconds(f))
    for name, times in rounds.items():
        ratio = statistics.median(t / bare for t, bare in zip(times, rounds["numpy"], strict=True))
        print(f"{name:18} {statistics.median(times):7.1f} µs   {ratio:.2f} x the bare NumPy forward")
    before = megabytes()
    start = time.perf_counter()
    for _ in range(options.calls):
        network.predict(x, verbose=0)
    each = 1e6 * (time.perf_counter() - start) / options.calls
    print(f"{options.calls} calls of predict, {each:.1f} µs each: from {before:.2f} to {megabytes():.2f} MB")


if __name__ == "__main__":
    main()
