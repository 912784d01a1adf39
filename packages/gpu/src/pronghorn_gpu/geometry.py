"""How windows lie over images, for kernels: over three dimensions, those that are missing of size 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pronghorn.ops.attributes import Windows
from pronghorn_gpu.elementwise import unravel

AXES = 3

GEOMETRY = [f"{name}{k}" for name in ("image", "count", "window", "stride", "pad", "dilation") for k in range(AXES)]
"""Names of the slots that say how windows lie."""


def three(values: Sequence[int], missing: int = 1) -> tuple[int, ...]:
    """One value for each of three dimensions; those before the given ones are missing."""
    return (*[missing] * (AXES - len(values)), *values)


def geometry(sizes: Sequence[int], windows: Windows) -> list[int]:
    """The values of `GEOMETRY`."""
    lows = [low for low, _ in windows.padding]
    return [
        *three(sizes), *three(windows.count(tuple(sizes))), *three(windows.size), *three(windows.strides),
        *three(lows, 0), *three(windows.dilation),
    ]  # fmt: skip


def window(index: str, mark: str = "") -> list[str]:
    """Statements for window number `index` of a batch: its image and the first cell that it covers.

    `mark` ends the names that are made.
    """
    lines = unravel(index, 1 + AXES, ["", "count0", "count1", "count2"], "o")
    return [*lines, f"batch{mark} = o0", *(f"first{k}{mark} = o{k + 1} * stride{k} - pad{k}" for k in range(AXES))]


def tap(index: str, mark: str = "") -> list[str]:
    """Statements for element number `index` of a window: how far from the first its cell is, and the channel."""
    lines = unravel(f"{index} // channels", AXES, ["window0", "window1", "window2"], "t")
    lines += [f"step{k}{mark} = t{k} * dilation{k}" for k in range(AXES)]
    return [*lines, f"channel{mark} = {index} % channels"]


def gathered(base: str, channels: str, read: Callable[[str], str], of_window: str = "", of_tap: str = "") -> list[str]:
    """Statements that read the element of an image which a window has at a tap, where that is a cell; names end in
    these marks, `read` makes the statement for an index."""
    cells = [f"q{k} = first{k}{of_window} + step{k}{of_tap}" for k in range(AXES)]
    inside = " and ".join(f"q{k} >= 0 and q{k} < image{k}" for k in range(AXES))
    pixel = f"((batch{of_window} * image0 + q0) * image1 + q1) * image2 + q2"
    return [*cells, f"if {inside}:", "    " + read(f"{base} + ({pixel}) * {channels} + channel{of_tap}")]


def covering(shift: Sequence[str], batch: str, read: Callable[[str], str]) -> list[str]:
    """Statements that read, by the number of the window, what belongs to the window of which a cell is so many cells
    behind the start (`shift`), where there is one."""
    places = [f"o{k} = {s}" for k, s in enumerate(shift)]
    met = " and ".join(f"o{k} >= 0 and o{k} % stride{k} == 0 and o{k} // stride{k} < count{k}" for k in range(AXES))
    number = f"(({batch} * count0 + o0 // stride0) * count1 + o1 // stride1) * count2 + o2 // stride2"
    return [*places, f"if {met}:", "    " + read(number)]
