"""A training over sequences of many lengths: `hatch run bench:lengths [--lengths 200]`.

Each length is a new input signature, so its first step plans anew. Printed are the stalls, the time of a length's first
step beyond that of its second (the largest, and percentiles), what a later pass over the same lengths costs, and how
the memory of the process grows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

import pronghorn as keras

VOCABULARY, UNITS, BATCH = 20000, 128, 32


def megabytes() -> float:
    """Resident memory now."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lengths", type=int, default=200)
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(VOCABULARY, UNITS, mask_zero=True),
            layers.LSTM(UNITS),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    network.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (BATCH, 1)).astype("float32")

    def step(length: int) -> float:
        x = rng.integers(1, VOCABULARY, (BATCH, length)).astype("int32")
        start = time.perf_counter()
        network.train_on_batch(x, y)
        return time.perf_counter() - start

    longest = 10 + options.lengths
    step(longest)  # compiles the kernels
    step(longest)  # traces once more, to find Python state that would freeze
    lengths = rng.permutation(np.arange(10, longest))
    print(f"before: {megabytes():.0f} MB")
    for number in range(options.passes):
        stalls = sorted(1e3 * (step(length) - min(step(length), step(length))) for length in map(int, lengths))
        high = stalls[int(0.95 * len(stalls))]
        print(
            f"pass {number + 1} over {len(lengths)} lengths: a first step takes {statistics.median(stalls):.1f} ms "
            f"more than a second (95 %: {high:.1f}, most: {stalls[-1]:.1f}), {megabytes():.0f} MB"
        )


if __name__ == "__main__":
    main()
