"""Pooling: a thread for each element of the result walks the window, or the windows, that it belongs to."""

from __future__ import annotations

import math
from functools import cache

from pronghorn.ops.attributes import Windows
from pronghorn_gpu.elementwise import unravel
from pronghorn_gpu.emit import HELPERS, load, register, rounded, store
from pronghorn_gpu.geometry import AXES, GEOMETRY, geometry
from pronghorn_gpu.launch import THREADS, Kernel, Launch, Pointer, Slot, Work, blocks_for, each
from pronghorn_gpu.reduction import combined, initial

_LOOP = ["for t{k} in range(window{k}):", "q{k} = o{k} * stride{k} - pad{k} + t{k} * dilation{k}"]


def _taps(body: list[str]) -> list[str]:
    """`body` for each cell (q0, q1, q2) of the image in the window at (o0, o1, o2)."""
    lines: list[str] = []
    for k in range(AXES):
        pad = "    " * k
        lines += [pad + _LOOP[0].format(k=k), pad + "    " + _LOOP[1].format(k=k)]
    inside = " and ".join(f"q{k} >= 0 and q{k} < image{k}" for k in range(AXES))
    lines.append("    " * AXES + f"if {inside}:")
    return lines + ["    " * (AXES + 1) + line for line in body]


def _covering(body: list[str]) -> list[str]:
    """`body` for each window (o0, o1, o2) in which the cell (c0, c1, c2) of the image is."""
    lines: list[str] = []
    for k in range(AXES):
        pad = "    " * k
        lines += [
            pad + f"for s{k} in range(window{k}):",
            pad + f"    w{k} = c{k} + pad{k} - s{k} * dilation{k}",
            pad + f"    o{k} = w{k} // stride{k}",
        ]
    met = " and ".join(f"w{k} >= 0 and w{k} % stride{k} == 0 and o{k} < count{k}" for k in range(AXES))
    lines.append("    " * AXES + f"if {met}:")
    return lines + ["    " * (AXES + 1) + line for line in body]


def _pixel(base: str, names: str, sizes: str) -> str:
    cells = f"((n * {sizes}0 + {names}0) * {sizes}1 + {names}1) * {sizes}2 + {names}2"
    return f"{base} + ({cells}) * channels + channel"


_CELL, _WINDOW = ("q", "image"), ("o", "count")


@cache
def pool_kernel(name: str, dtype: str) -> Kernel:
    """The block: elements of the result, channels; `GEOMETRY`; the bases of the operands and the result."""
    kind = register(dtype)
    forward = name in ("max_pool", "max_pool_pick", "sum_pool")
    bases = {"max_pool_gradient": 4, "max_pool_pick": 4}.get(name, 2)
    names = ["total", "channels", *GEOMETRY, *(f"b{k}" for k in range(bases))]

    def at(base: int, where: tuple[str, str]) -> str:
        return load(dtype, _pixel(f"b{base}", *where))

    first_hit = [f"here = {at(0, _CELL)}", "if not found and (here == top or here != here):"]
    if name == "max_pool":
        work = [
            f"a = {initial('max', kind)}",
            *_taps([f"x = {at(0, _CELL)}", f"a = {combined('max', kind, 'a', 'x')}"]),
        ]
    elif name == "sum_pool":
        # one rounding for each addition, as the reference has
        add = rounded(dtype, combined("sum", kind, "a", "x"))
        work = [f"a = {kind}(0)", *_taps([f"x = {at(0, _CELL)}", f"a = {add}"])]
    elif name == "max_pool_pick":
        hit = [*first_hit, f"    a, found = {at(2, _CELL)}, True"]
        work = [f"a = {kind}(0)", "found = False", f"top = {at(1, _WINDOW)}", *_taps(hit)]
    else:
        # in the order of the places within a window, as the reference adds
        add = rounded(dtype, combined("sum", kind, "a", "x"))
        if name == "sum_pool_gradient":
            reads = [f"x = {load(dtype, _pixel('b0', *_WINDOW))}", f"a = {add}"]
        else:
            hit = [*first_hit, "    found = True", "    mine = q0 == c0 and q1 == c1 and q2 == c2"]
            reads = [f"top = {at(1, _WINDOW)}", "found = False", "mine = False", *_taps(hit)]
            reads += ["if mine:", f"    x = {at(2, _WINDOW)}", f"    a = {add}"]
        work = [f"a = {kind}(0)", *_covering(reads)]
    side, place = ("count", "o") if forward else ("image", "c")
    coordinates = unravel("i // channels", 1 + AXES, ["", *(f"{side}{k}" for k in range(AXES))], "m")
    coordinates += ["n = m0", *(f"{place}{k} = m{k + 1}" for k in range(AXES)), "channel = i % channels"]
    steps = [*coordinates, *work, store(dtype, f"b{bases - 1} + i", "a")]
    return each("total", names, steps, [dtype], HELPERS)


def plan_pool(name: str, dtype: str, image: tuple[int, ...], windows: Windows) -> tuple[Work, ...]:
    """The op `name` on (batch, *spatial, channels) images; operands are the primitive's and the result."""
    sizes = image[1:-1]
    forward = name in ("max_pool", "max_pool_pick", "sum_pool")
    cells = math.prod(windows.count(sizes) if forward else sizes)
    total = image[0] * cells * image[-1]
    if not total:
        return ()
    bases = [Pointer(k, dtype) for k in range(4 if name in ("max_pool_gradient", "max_pool_pick") else 2)]
    slots: tuple[Slot, ...] = (total, image[-1], *geometry(sizes, windows), *bases)
    return (Launch(pool_kernel(name, dtype), slots, blocks_for(total, THREADS)),)
