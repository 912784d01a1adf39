"""Single kernels against Torch's: `hatch run bench:kernels [--threads 2] [--rounds 15] [FILTER ...]`.

Each row is an op, or a function of ops, compiled for shapes of the workloads: the best time of its instructions, the
best of Torch's function (for recurrences XLA's too), their ratio, and the share of what bounds it on this machine:
arithmetic at the peak of a matmul in cache (minimal filtering needs fewer multiplications and can exceed it), or bytes
at the speed of a copy of arrays that do not fit the cache. Best times of alternating rounds are what a noisy machine
spares. Instructions are timed one at a time, so that ours below some 100 µs are mostly the waking of threads, which a
whole step does not have.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

RANDOM = np.random.default_rng(0)


class Kernel(NamedTuple):
    """An op: ours, Torch's and perhaps XLA's on the same arrays, its arithmetic and the bytes that it must move."""

    name: str
    ours: Callable[..., Any]
    torch: Callable[..., Any]
    arrays: list[Any]
    flops: float = 0
    moved: float = 0
    xla: Callable[..., Any] | None = None


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


def products() -> list[Kernel]:
    """Matrix products of W1, W2 and W5, as they come, for dX (NT) and for dW (TN)."""
    import torch

    from pronghorn.ops.linear import multiplied

    found = []
    for name, m, n, k in [
        ("W1 dense 1", 128, 256, 784),
        ("W1 dense 2", 128, 128, 256),
        ("W1 dense 3", 128, 10, 128),
        ("W2 dense", 128, 128, 9216),
        ("W5 projection", 4096, 128, 128),
        ("W5 ffn", 4096, 512, 128),
        ("W5 ffn", 4096, 128, 512),
        ("square", 1024, 1024, 1024),
    ]:
        flops, moved = 2 * m * n * k, 4 * (m * n + m * k + k * n)
        size = f"{name} {m}x{n}x{k}"
        found += [
            Kernel(f"matmul {size}", multiplied, torch.mm, [normal(m, k), normal(k, n)], flops, moved),
            Kernel(
                f"matmul dX {size}",
                lambda g, w: multiplied(g, w, False, True),
                lambda g, w: torch.mm(g, w.T),
                [normal(m, n), normal(k, n)],
                flops,
                moved,
            ),
            Kernel(
                f"matmul dW {size}",
                lambda x, g: multiplied(x, g, True, False),
                lambda x, g: torch.mm(x.T, g),
                [normal(m, k), normal(m, n)],
                flops,
                moved,
            ),
        ]
    return found


def convolutions() -> list[Kernel]:
    """Convolutions of W2 and W4 in all three directions; Torch's images are channels last."""
    import torch

    from pronghorn.ops.attributes import Windows
    from pronghorn_ops.primitives import convolution as c

    found = []
    for name, batch, size, channels, filters, window, stride, padding in [
        ("W2 conv 1", 128, 28, 1, 32, 3, 1, 0),
        ("W2 conv 2", 128, 26, 32, 64, 3, 1, 0),
        ("W4 first", 64, 32, 3, 16, 3, 1, 1),
        ("W4 stage 1", 64, 32, 16, 16, 3, 1, 1),
        ("W4 strided", 64, 32, 16, 32, 3, 2, 1),
        ("W4 shortcut", 64, 32, 16, 32, 1, 2, 0),
        ("W4 stage 2", 64, 16, 32, 32, 3, 1, 1),
        ("W4 stage 3", 64, 8, 64, 64, 3, 1, 1),
    ]:
        lie = Windows((window, window), (stride, stride), ((padding, padding),) * 2, (1, 1))
        x, w = normal(batch, size, size, channels), normal(window, window, channels, filters)
        dy = normal(batch, *lie.count((size, size)), filters)
        flops = 2 * dy.size * window * window * channels
        moved = 4 * (x.size + w.size + dy.size)

        def images(x: Any) -> Any:
            return x.permute(0, 3, 1, 2)

        def gradient(x: Any, w: Any, dy: Any, which: int, stride: int = stride, padding: int = padding) -> Any:
            mask = [k == which for k in range(3)]
            settings = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask
            return torch.ops.aten.convolution_backward(images(dy), images(x), w.permute(3, 2, 0, 1), None, *settings)

        attrs = {"windows": lie, "groups": 1}
        found += [
            Kernel(
                f"convolution {name}",
                lambda x, w, attrs=attrs: c.convolution(x, w, **attrs),  # type: ignore[misc]
                lambda x, w, s=stride, p=padding: torch.nn.functional.conv2d(
                    images(x), w.permute(3, 2, 0, 1), None, s, p
                ),  # type: ignore[misc]
                [x, w],
                flops,
                moved,
            ),
            Kernel(
                f"convolution dX {name}",
                lambda x, w, dy, a=attrs, n=size: c.convolution_input_gradient(dy, w, sizes=(n, n), **a),  # type: ignore[misc]
                lambda x, w, dy, f=gradient: f(x, w, dy, 0),  # type: ignore[misc]
                [x, w, dy],
                flops,
                moved,
            ),
            Kernel(
                f"convolution dW {name}",
                lambda x, w, dy, a=attrs: c.convolution_kernel_gradient(x, dy, **a),  # type: ignore[misc]
                lambda x, w, dy, f=gradient: f(x, w, dy, 1),  # type: ignore[misc]
                [x, w, dy],
                flops,
                moved,
            ),
        ]
    return found


def attention() -> list[Kernel]:
    """Attention of W5 by heads, and a longer one, forward and with all gradients."""
    import torch
    from torch.nn import functional

    from pronghorn import ops
    from pronghorn.autodiff import GradientTape

    def heads(x: Any) -> Any:
        return ops.transpose(x, (0, 2, 1, 3))

    def attend(q: Any, k: Any, v: Any) -> Any:
        scores = ops.matmul(heads(q), ops.swapaxes(heads(k), -1, -2))
        return heads(ops.matmul(ops.softmax(scores), heads(v)))

    def step(q: Any, k: Any, v: Any, g: Any) -> Any:
        with GradientTape() as tape:
            for t in (q, k, v):
                tape.watch(t)
            y = attend(q, k, v)
        return y, tape.gradient(y, [q, k, v], output_gradients=g)  # unasked for, y would not be computed at all

    def torch_attend(q: Any, k: Any, v: Any) -> Any:
        heads = [t.permute(0, 2, 1, 3) for t in (q, k, v)]
        return functional.scaled_dot_product_attention(*heads, scale=1.0).permute(0, 2, 1, 3)

    def torch_step(q: Any, k: Any, v: Any, g: Any) -> Any:
        with torch.enable_grad():
            own = [t.requires_grad_() for t in (q, k, v)]
            return torch.autograd.grad(torch_attend(*own), own, g)

    found = []
    for name, batch, places, size in [("W5", 32, 128, 32), ("long", 1, 2048, 64)]:
        arrays = [normal(batch, places, 4, size) / size**0.25 for _ in range(4)]
        flops, moved = 4 * batch * 4 * places * places * size, 16 * arrays[0].size
        found += [
            Kernel(f"attention {name}", attend, torch_attend, arrays[:3], flops, moved),
            Kernel(f"attention and gradients {name}", step, torch_step, arrays, 3.5 * flops, 3 * moved),
        ]
    return found


def passes() -> list[Kernel]:
    """What memory bounds: normalization, pooling, softmax, activations, gathering, sums."""
    import torch
    from torch.nn import functional

    from pronghorn import ops

    image, rows, scores = normal(64, 32, 32, 16), normal(4096, 128), normal(128, 128, 128)
    hidden, pooled, table = normal(4096, 512), normal(128, 24, 24, 64), normal(20000, 128)
    ids, one, zero = RANDOM.integers(0, 20000, 2560), np.ones(16, np.float32), np.zeros(16, np.float32)
    gamma, beta = np.ones(128, np.float32), np.zeros(128, np.float32)

    def normalized(x: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = ops.moments(x, (0, 1, 2))
        return ops.relu(ops.batch_normalization(x, mean, variance, -1, beta, gamma))

    def torch_normalized(x: Any, gamma: Any, beta: Any) -> Any:
        return functional.relu(functional.batch_norm(x.permute(0, 3, 1, 2), None, None, gamma, beta, True))

    return [
        Kernel("batch norm + relu", normalized, torch_normalized, [image, one, zero], 0, 12 * image.size),
        Kernel(
            "layer norm",
            lambda x, g, b: ops.layer_normalization(x, g, b, -1, 1e-3),
            lambda x, g, b: functional.layer_norm(x, (128,), g, b),
            [rows, gamma, beta],
            0,
            12 * rows.size,
        ),
        Kernel("softmax", ops.softmax, lambda x: torch.softmax(x, -1), [scores], 0, 8 * scores.size),
        Kernel("gelu", lambda x: ops.gelu(x, False), functional.gelu, [hidden], 0, 8 * hidden.size),
        Kernel("sum of columns", lambda x: ops.sum(x, 0), lambda x: x.sum(0), [hidden], 0, 4 * hidden.size),
        Kernel(
            "max pool",
            lambda x: ops.max_pool(x, 2),
            lambda x: functional.max_pool2d(x.permute(0, 3, 1, 2), 2),
            [pooled],
            0,
            5 * pooled.size,
        ),
        Kernel(
            "embedding",
            lambda t, i: ops.take(t, i, axis=0),
            lambda t, i: functional.embedding(i, t),
            [table, ids],
            0,
            8 * ids.size * 128,
        ),
    ]


def recurrences() -> list[Kernel]:
    """Recurrent layers of W3's sizes and others, forward, and with their gradients."""
    import recurrences as r

    return [
        Kernel(
            f"{name}{' and back' * back} {size}",
            r.ours(name, back, size),
            r.torch(name, back, size),
            r.arrays(name, size),
            r.flops(name, back, size),
            xla=r.xla(name, back, size) if size is r.SIZES[0] else None,
        )
        for size in r.SIZES
        for name in r.NAMES
        for back in (False, True)
    ]


SPINS = 0.02
"""Seconds for which Torch's threads spin after their work, on cores that others want."""


def best(functions: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The best times of functions that time themselves, several times each in turn."""
    found: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        time.sleep(SPINS)
        for times, function in zip(found, functions, strict=True):
            times += [function() for _ in range(4)]
    return [min(times) for times in found]


def timed(run: Callable[..., Any], arrays: Sequence[Any]) -> Callable[[], float]:
    """A function that calls `run` and gives the seconds it took."""

    def once() -> float:
        start = time.perf_counter()
        run(*arrays)
        return time.perf_counter() - start

    return once


def copy_speed() -> float:
    """Bytes per second of a copy that does not fit the cache, read and written."""
    source, target = normal(1 << 24), normal(1 << 24)

    def once() -> float:
        start = time.perf_counter()
        np.copyto(target, source)
        return time.perf_counter() - start

    return 2 * source.nbytes / min(once() for _ in range(9))


def main() -> None:
    """Prints a line for each kernel."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="only kernels whose name contains one")
    arguments = parser.parse_args()
    os.environ["PRONGHORN_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    from pronghorn import accelerator
    from pronghorn.program import Program

    torch.set_num_threads(arguments.threads)
    peak, bandwidth = accelerator.current().peak_flops(), copy_speed()
    print(f"{arguments.threads} threads, peak {peak / 1e9:.0f} GFLOP/s, copy {bandwidth / 1e9:.0f} GB/s")
    print(f"{'':40}{'ours µs':>10}{'Torch µs':>10}{'Torch/ours':>12}{'of bound':>10}")
    for kernel in [*products(), *convolutions(), *attention(), *passes(), *recurrences()]:
        if arguments.filters and not any(f in kernel.name for f in arguments.filters):
            continue
        program, tensors = Program(kernel.ours), [torch.from_numpy(a) for a in kernel.arrays]
        program(*kernel.arrays)

        def ours(program: Any = program, arrays: Any = kernel.arrays) -> float:
            return sum(program.executable.profile(arrays, 1))

        functions = [ours, timed(kernel.torch, tensors)]
        if kernel.xla is not None:
            functions.append(timed(kernel.xla, kernel.arrays))
        with torch.no_grad():
            a, b, *others = best(functions, arguments.rounds)
        bound = max(kernel.flops / peak, kernel.moved / bandwidth)
        line = f"{kernel.name:40}{1e6 * a:10.0f}{1e6 * b:10.0f}{b / a:12.2f}{bound / a:10.0%}"
        print(line + "".join(f"   XLA {1e6 * c:.0f} µs, XLA/ours {c / a:.2f}" for c in others), flush=True)


if __name__ == "__main__":
    main()
