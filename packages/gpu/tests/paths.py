"""The table of which primitive takes which path on a GPU: `python packages/gpu/tests/paths.py` writes PATHS.md."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from primitives import primitives  # noqa: E402

from pronghorn.op import Elementwise  # noqa: E402
from pronghorn.passes.fuse import REDUCTIONS  # noqa: E402
from pronghorn.passes.fused import EPILOGUES  # noqa: E402
from pronghorn.passes.memory import VIEWS  # noqa: E402
from pronghorn_gpu.lowered import FEED  # noqa: E402
from pronghorn_gpu.lowering import LOWERINGS  # noqa: E402

TARGET = Path(__file__).parents[1] / "PATHS.md"

HEAD = """# Paths of the primitives on a GPU

Written by `python packages/gpu/tests/paths.py`. A primitive on the host costs, for each call in a program, a copy of
its operands and results between the GPU and the host and a wait for both; compiling the program warns of it.
Kernels take every dtype but complex numbers and strings, which are always computed on the host.

| path | primitives |
|---|---|
"""

_MEANINGS = {
    "fused into one kernel with its neighbours": "elementwise",
    "a reduction, with the elementwise chain before it": "reduction",
    "the library where it is installed, else a kernel; the maps behind it follow in place": "product",
    "a kernel of its own": "kernel",
    "nothing: the operand's memory": "view",
    "launches of its bodies, between captured graphs where values decide": "control",
    "rows of a data set, from the device or from the host": "feed",
    "the host": "host",
}


def path_of(name: str) -> str:
    """Which of the paths a primitive takes."""
    if isinstance(primitives()[name], Elementwise) or name in ("cast", "broadcast_to"):
        return "elementwise"
    if name in REDUCTIONS:
        return "reduction"
    if name in VIEWS:
        return "view"
    if name == "matmul" or name.startswith("convolution"):
        return "product"
    if name == FEED:
        return "feed"
    if name in ("cond", "while_loop", "scan"):
        return "control"
    return "kernel" if name in LOWERINGS else "host"


def table() -> str:
    """The text of PATHS.md."""
    made = {"fused", "fused_reduce", "table", *(op.name for op in EPILOGUES.values())}
    names = sorted(set(primitives()) - made)
    lines = []
    for meaning, path in _MEANINGS.items():
        found = [f"`{name}`" for name in names if path_of(name) == path]
        lines.append(f"| {meaning} | {', '.join(found)} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    TARGET.write_text(table())
