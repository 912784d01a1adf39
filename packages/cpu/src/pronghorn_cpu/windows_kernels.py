"""Kernels that walk windows over an image, with vectors across channels: pooling, convolution of each channel alone.

All are one loop nest around a small program: for each window and each of its cells the program takes what was carried
from the cell before, and operands that lie at the window, at the cell or at the tap; it gives what is carried on, and
either the last window's value is the result, or an addition to the result at the cell or at the tap.

Threads share images and blocks of channels: no two add to one place, and the order of every sum is that of the loops. A
result at the taps is summed over all images; units of some of them write a part each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from pronghorn import dtypes
from pronghorn.body import Body, Step
from pronghorn_cpu.claims import claimed
from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.loops import LANES
from pronghorn_cpu.staging import Code, Condition, Word, intrinsic
from pronghorn_cpu.vectors import element

CHANNEL_BLOCK = 4 * LANES
"""Channels that a thread works on together."""


@dataclass(frozen=True)
class Walk:
    """A program over windows.

    Attributes:
        carried: dtype ("" for that of the elements) and first value of what goes from cell to cell; None is the lowest.
        operands: where each lies: "window", "cell" or "tap".
        result: where the result lies. At "window" it is the first carried value, elsewhere the program's last output is
            added to it.
        steps: (expression over x, y, z, w; its arguments; dtype) after the inputs, which are carried and operands.
        outputs: the values carried on, then the addition if any.
    """

    carried: tuple[tuple[str, float | None], ...]
    operands: tuple[str, ...]
    result: str
    steps: tuple[tuple[str, tuple[int, ...], str], ...]
    outputs: tuple[int, ...]

    def body(self, dtype: str) -> Body:
        """The program for elements of a dtype."""
        inputs = (*(kind or dtype for kind, _ in self.carried), *(dtype for _ in self.operands))
        steps = tuple(Step(e, e, tuple("xyzw"[: len(ids)]), ids, kind or dtype) for e, ids, kind in self.steps)
        return Body(inputs, steps, self.outputs)


_FIRST_HIT = "x and (y == z or y != y)"

WALKS = {
    "max_pool": Walk((("", None),), ("cell",), "window", (("y if y > x or y != y else x", (0, 1), ""),), (2,)),
    "max_pool_gradient": Walk(  # open, x, out, g
        (("bool", 1),),
        ("cell", "window", "window"),
        "cell",
        ((_FIRST_HIT, (0, 1, 2), "bool"), ("x and not y", (0, 4), "bool"), ("y if x else 0", (4, 3), "")),
        (5, 6),
    ),
    "max_pool_pick": Walk(  # picked, open, x, out, values
        (("", 0), ("bool", 1)),
        ("cell", "window", "cell"),
        "window",
        ((_FIRST_HIT, (1, 2, 3), "bool"), ("x and not y", (1, 5), "bool"), ("y if x else z", (5, 4, 0), "")),
        (7, 6),
    ),
    "sum_pool": Walk((("", 0),), ("cell",), "window", (("x + y", (0, 1), ""),), (2,)),
    "sum_pool_gradient": Walk((), ("window",), "cell", (), (0,)),
    "convolution": Walk((("", 0),), ("cell", "tap"), "window", (("fma(y, z, x)", (0, 1, 2), ""),), (3,)),
    "convolution_input_gradient": Walk((), ("window", "tap"), "cell", (("x * y", (0, 1), ""),), (2,)),
    "convolution_kernel_gradient": Walk((), ("cell", "window"), "tap", (("x * y", (0, 1), ""),), (2,)),
}
"""By primitive, operands in its order; the convolutions with one channel and one filter in each group."""

FIXED = 6
"""Slots of the block: units, images of a unit and of all, blocks of channels, channels, where units are claimed; the
axes'; the addresses."""

AXIS = 6
"""Slots of an axis: cells, windows, taps, stride, padding before, dilation."""


def windows_kernel(name: str, dtype: str, taps: tuple[int, ...] = (), disjoint: bool = False) -> Any:
    """The kernel of `WALKS[name]` for elements of a dtype.

    Args:
        taps: the size of windows that all lie within the image and have no gaps, which are walked without loops.
        disjoint: whether no two of them share a cell: then results at the cells are written once.
    """
    return intrinsic(_WindowsWriter(WALKS[name], dtype, taps, disjoint).write)


@dataclass(frozen=True)
class _Axis:
    cells: Word
    windows: Word
    taps: Word
    stride: Word
    before: Word
    dilation: Word

    def range(self, code: Code, window: Word) -> tuple[Word, Word, Word]:
        """The first tap of a window that meets a cell, the one after the last, and the cell of tap 0."""
        base, d = window * self.stride - self.before, self.dilation
        first = code.select(base < 0, (code.maximum(0 - base, 0) + d - 1) // d, 0)
        last = code.minimum((code.maximum(self.cells - base, 0) + d - 1) // d, self.taps)
        return first, last, base


class _WindowsWriter:
    """Writes the loops around a program, from the outermost in."""

    def __init__(self, walk: Walk, dtype: str, taps: tuple[int, ...], disjoint: bool) -> None:
        self.walk, self.dtype, self.taps, self.disjoint = walk, dtype, taps, disjoint
        self.body, self.itemsize = walk.body(dtype), element(dtype).size

    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        units, images, batch, blocks, channels, line = (code.slot(p, k) for k in range(FIXED))
        axes = [_Axis(*(code.slot(p, FIXED + AXIS * k + v) for v in range(AXIS))) for k in range(3)]
        start = FIXED + 3 * AXIS
        addresses = [code.slot(p, start + k) for k in range(len(self.walk.operands) + 1)]
        cell = channels * self.itemsize
        sizes = {
            "cell": axes[0].cells * axes[1].cells * axes[2].cells * cell,
            "window": axes[0].windows * axes[1].windows * axes[2].windows * cell,
            "tap": code.word(0),
        }
        places = (*self.walk.operands, self.walk.result)
        with claimed(code, line, units, t, threads) as (begin, end, _), code.loop(begin, end) as unit:
            first = unit.index % blocks * CHANNEL_BLOCK
            last = code.minimum(first + CHANNEL_BLOCK, channels)
            part = unit.index // blocks
            image, result = part * images, addresses[-1]
            if self.walk.result == "cell":
                left = code.word(1)
                if self.disjoint:  # what no window covers
                    left = sum((axis.cells - axis.windows * axis.stride for axis in axes), code.word(0))
                with code.when(left != 0):
                    self.clear(code, result + image * sizes["cell"], sizes["cell"], cell, first, last)
            if self.walk.result == "tap":
                taps = axes[0].taps * axes[1].taps * axes[2].taps * cell
                result = result + part * taps
                self.clear(code, result, taps, cell, first, last)
            bases = [*addresses[:-1], result]
            with code.loop(image, code.minimum(image + images, batch)) as one:
                here = [base + one.index * sizes[place] for base, place in zip(bases, places, strict=True)]
                self.image(code, axes, here, cell, first, last)

    def clear(self, code: Code, target: Word, size: Word, cell: Word, first: Word, last: Word) -> None:
        with code.loop(0, size, cell) as place, self.channels(code, first, last) as vectors:
            for emitter, j, mask in vectors:
                address = target + place.index + j * self.itemsize
                emitter.store(self.dtype, emitter.constant(self.dtype, 0), address.value, mask)

    @contextmanager
    def channels(
        self, code: Code, first: Word, last: Word
    ) -> Iterator[Iterator[tuple[Emitter, Word, Condition | None]]]:
        """Vectors of channels: a loop over whole ones, then the rest masked; what follows is written for each."""
        whole = last - (last - first) % LANES

        def vectors() -> Iterator[tuple[Emitter, Word, Condition | None]]:
            with code.loop(first, whole, LANES) as loop:
                yield Emitter(code.builder, LANES), loop.index, None
            with code.when(whole < last):
                emitter = Emitter(code.builder, LANES)
                yield emitter, whole, emitter.tail_mask((last - whole).value)

        yield vectors()

    def image(self, code: Code, axes: list[_Axis], bases: list[Word], cell: Word, first: Word, last: Word) -> None:
        """All windows of an image."""
        lines, middles, inners = axes
        with (
            code.loop(0, lines.windows) as a,
            code.loop(0, middles.windows) as b,
            code.loop(0, inners.windows) as c,
        ):
            indices = (a.index, b.index, c.index)
            if self.taps:
                ranges = [
                    (code.word(0), code.word(taps), index * axis.stride)
                    for axis, index, taps in zip(axes, indices, self.taps, strict=True)
                ]
            else:
                ranges = [axis.range(code, index) for axis, index in zip(axes, indices, strict=True)]
            window = ((a.index * middles.windows + b.index) * inners.windows + c.index) * cell
            with self.channels(code, first, last) as vectors:
                for emitter, j, mask in vectors:
                    shifted = [base + j * self.itemsize for base in bases]
                    self.window(code, emitter, axes, ranges, shifted, window, cell, mask)

    def window(
        self,
        code: Code,
        emitter: Emitter,
        axes: list[_Axis],
        ranges: list[tuple[Word, Word, Word]],
        bases: list[Word],
        window: Word,
        cell: Word,
        mask: Condition | None,
    ) -> None:
        """One vector of channels of one window."""
        walk, dtype = self.walk, self.dtype
        least = -math.inf if dtypes.is_float(dtype) else int(np.iinfo(dtype).min)
        carried = [emitter.constant(kind or dtype, least if value is None else value) for kind, value in walk.carried]
        fixed = [
            emitter.load(dtype, (base + window).value, mask) if place == "window" else None
            for place, base in zip(walk.operands, bases, strict=False)
        ]
        (a0, a1, x), (b0, b1, y), (c0, c1, z) = ranges
        lines, middles, inners = axes

        def tap(a: Word | int, b: Word | int, c: Word | int, carried: Sequence[ir.Value]) -> list[ir.Value]:
            """Runs the program at one cell; what is carried on."""
            row = (x + lines.dilation * a) * middles.cells + y + middles.dilation * b
            places = {
                "cell": (row * inners.cells + z + inners.dilation * c) * cell,
                "tap": ((middles.taps * a + b) * inners.taps + c) * cell,
            }
            operands = [
                emitter.load(dtype, (base + places[place]).value, mask) if held is None else held
                for place, base, held in zip(walk.operands, bases, fixed, strict=False)
            ]
            outputs = emitter.apply(self.body, [*carried, *operands])
            if walk.result != "window":
                target = (bases[-1] + places[walk.result]).value
                sum_ = Body((dtype, dtype), (Step("add", "x + y", ("x", "y"), (0, 1), dtype),), (2,))
                before = emitter.constant(dtype, 0) if self.disjoint else emitter.load(dtype, target, mask)
                added = emitter.apply(sum_, [before, outputs.pop()])
                emitter.store(dtype, added[0], target, mask)
            return outputs

        if self.taps:
            for a_tap, b_tap, c_tap in itertools.product(*map(range, self.taps)):
                carried = tap(a_tap, b_tap, c_tap, carried)
        else:
            with code.loop(a0, a1, carried=carried) as a:
                with code.loop(b0, b1, carried=a.carried) as b:
                    with code.loop(c0, c1, carried=b.carried) as c:
                        c.carry(tap(a.index, b.index, c.index, c.carried))
                    b.carry(c.results)
                a.carry(b.results)
            carried = a.results
        if walk.result == "window":
            emitter.store(dtype, carried[0], (bases[-1] + window).value, mask)
