"""How windows lie over images, for kernels: over three dimensions, those that are missing of size 1."""

from __future__ import annotations

from collections.abc import Sequence

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


def cell(position: str, tap: str) -> list[str]:
    """Statements for the image's cell q0, q1, q2 at tap t of the window at o; `inside` says whether it is one."""
    lines = unravel(position, 1 + AXES, ["", "count0", "count1", "count2"], "o")
    lines += unravel(tap, AXES, ["window0", "window1", "window2"], "t")
    lines += [f"q{k} = o{k + 1} * stride{k} - pad{k} + t{k} * dilation{k}" for k in range(AXES)]
    inside = " and ".join(f"q{k} >= 0 and q{k} < image{k}" for k in range(AXES))
    return [*lines, f"inside = {inside}"]


PIXEL = "((o0 * image0 + q0) * image1 + q1) * image2 + q2"
