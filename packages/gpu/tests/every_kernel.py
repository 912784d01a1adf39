"""Every kernel for every dtype, by name: what a machine without a card can compile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from primitives import primitives

from pronghorn import dtypes
from pronghorn.body import Body, Step
from pronghorn.op import Elementwise
from pronghorn_gpu import normalization
from pronghorn_gpu.convolution import convolution_kernel
from pronghorn_gpu.convolution_ways import columns_kernel
from pronghorn_gpu.elementwise import map_kernel
from pronghorn_gpu.launch import DTYPES, Kernel
from pronghorn_gpu.linear import matmul_kernel
from pronghorn_gpu.nn import PROGRAMS
from pronghorn_gpu.random import DRAWS, random_kernel
from pronghorn_gpu.reduction import reduce_kernel
from pronghorn_gpu.rows import rows_kernel
from pronghorn_gpu.shape import block_kernel, fill_kernel, gather_kernel, keys_kernel, segments_kernel
from pronghorn_gpu.sorting import cumsum_kernel, merge_kernel, searchsorted_kernel
from pronghorn_gpu.tiles import tiles
from pronghorn_gpu.windows import pool_kernel
from pronghorn_ops.primitives.recurrent import GRU, LSTM, SIMPLE

FLOATS = ("float32", "float64", "float16", "bfloat16")
NUMBERS = tuple(d for d in DTYPES if d != "bool")
BITS = ("uint8", "uint16", "uint32", "uint64")
INDICES = ("int32", "int64")


TOGETHER = 8
"""Rows of the elementwise table in one kernel."""


def _rows(dtype: str) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, expression, parameters and the result's dtype of each row that takes `dtype`."""
    for op in sorted((op for op in primitives().values() if isinstance(op, Elementwise)), key=lambda op: op.name):
        bits = op.name.startswith(("bitwise", "left", "right"))
        kinds = {"float": FLOATS, "number": NUMBERS, "bool": ("bool",)}.get(op.operands, DTYPES)
        if dtype in kinds and not (bits and dtype in FLOATS) and not ("_gradient" in op.name and dtype not in FLOATS):
            yield op.name, op.expression, op.parameters, "bool" if op.result == "bool" else dtype


def _bodies() -> Iterator[tuple[str, Body]]:
    """The elementwise table, some rows in a kernel; the casts of each dtype; the cells."""
    for dtype in DTYPES:
        rows = list(_rows(dtype))
        for k in range(0, len(rows), TOGETHER):
            ids = {"c": 0, "x": 1, "y": 2, "z": 3, "w": 4}
            steps = [Step(n, e, p, tuple(ids[x] for x in p), out) for n, e, p, out in rows[k : k + TOGETHER]]
            names = ", ".join(step.name for step in steps)
            yield f"{dtype} {names}", Body(("bool", *[dtype] * 4), tuple(steps), tuple(range(5, 5 + len(steps))))
        casts = [Step("cast", "cast(x)", ("x",), (0,), target) for target in DTYPES]
        yield f"{dtype} cast", Body((dtype,), tuple(casts), tuple(range(1, 1 + len(casts))))
    for cell in (SIMPLE, LSTM, GRU):
        for dtype in FLOATS:
            names = [*(f"{k}{i}" for k in "prb" for i in range(cell.gates)), *(f"{s}_" for s in cell.states), "valid"]
            yield f"{cell.name} {dtype}", cell.body(cell.forward, names, cell.results, dtype)
            names = [
                *cell.states,
                *(f"{s}_" for s in cell.states),
                *cell.saved,
                *(f"d{s}" for s in cell.states),
                "valid",
            ]
            yield f"{cell.name} gradient {dtype}", cell.body(cell.backward, names, cell.gradients(), dtype)


def kernels() -> Iterator[tuple[str, Kernel]]:
    """Names and kernels."""
    for name, body in _bodies():
        yield f"map {name}", map_kernel(body, 2)
    for dtype in DTYPES:
        copy = Body((dtype,), (), (0,))
        for kind in ("sum", "prod", "max", "min", "argmax", "argmin"):
            out = "int32" if kind.startswith("arg") else dtype
            yield f"reduce {kind} {dtype}", reduce_kernel(copy, kind, (False, True, False), out)
        yield f"sort {dtype}", merge_kernel(dtype, False)
        yield f"sort descending {dtype}", merge_kernel(dtype, True)
        yield f"searchsorted {dtype}", searchsorted_kernel(dtype, True)
        yield f"segments {dtype}", segments_kernel(dtype)
        for target in FLOATS:
            yield f"feed {dtype} {target}", gather_kernel(dtype, target, "int64")
    for dtype in ("float32", "float64"):
        yield f"reduce mean {dtype}", reduce_kernel(Body((dtype,), (), (0,)), "mean", (True, False), dtype)
    for kind in ("any", "all"):
        yield f"reduce {kind}", reduce_kernel(Body(("bool",), (), (0,)), kind, (True,), "bool")
    for dtype in NUMBERS:
        yield f"cumsum {dtype}", cumsum_kernel(dtype)
        for tile in tiles(dtype):
            for flags in ((False, False), (True, True)):
                if dtype in FLOATS or flags == (False, False):
                    partial = flags == (True, True)
                    yield f"matmul {dtype} {tile.side} {flags}", matmul_kernel(dtype, tile, 1, flags, partial)
        for name in ("max_pool", "max_pool_gradient", "max_pool_pick", "sum_pool", "sum_pool_gradient"):
            yield f"{name} {dtype}", pool_kernel(name, dtype)
    for dtype in FLOATS:
        for back in (False, True):
            yield f"convolution columns {dtype} {back}", columns_kernel(dtype, back)
        for kind in ("output", "input", "kernel"):
            for tile in tiles(dtype):
                yield f"convolution {kind} {dtype} {tile.side}", convolution_kernel(kind, dtype, tile, False)
            yield f"convolution {kind} {dtype} parts", convolution_kernel(kind, dtype, tiles(dtype)[-1], True)
        for name, program in (PROGRAMS | normalization.PROGRAMS).items():
            operands = ["int32" if o.endswith("label") else dtype for o in program.operands]
            yield f"{name} {dtype}", rows_kernel(program, (*operands, dtype))
    for name, drawn in DRAWS.items():
        for dtype in drawn:
            yield f"{name} {dtype}", random_kernel(name, dtype)
    for bits in BITS:
        yield f"fill {bits}", fill_kernel(bits)
        for index in INDICES:
            yield f"gather {bits} {index}", gather_kernel(bits, bits, index)
            for update in (False, True):
                yield f"block {bits} {index} {update}", block_kernel(bits, index, 2, update)
    for index in INDICES:
        yield f"keys {index}", keys_kernel(index)


def signature(kernel: Kernel) -> Any:
    """The types of a kernel's arguments."""
    from numba import types
    from numba.np.numpy_support import from_dtype

    views = [from_dtype(dtypes.numpy_dtype(name)) for name in ("int64", *kernel.views)]
    return (types.int64, *(types.Array(view, 1, "C") for view in views))
