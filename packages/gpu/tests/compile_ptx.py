"""Compiles every kernel for every dtype to PTX and, by the same toolkit's `ptxas`, to machine code; needs no card.

    hatch run deep:ptx [--architecture 90] [--registers 10] [words of names]

Fails where a kernel does not compile, spills registers or could not be launched; where float32 kernels compute in
float64; and where results could differ from run to run or between fused and unfused: by atomic additions, by additions
contracted with multiplications, or by approximate division and flushed subnormals.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pronghorn_gpu.launch import Kernel

sys.path.insert(0, str(Path(__file__).parent))


def compiled(name: str, architecture: int) -> tuple[str, str]:
    """What is wrong with a kernel ("" where nothing is), and its PTX."""
    from every_kernel import kernels, signature
    from numba import cuda
    from numba.cuda import dispatcher

    from pronghorn_gpu.target import function_of

    # functions that kernels call are compiled for the card that is there: say which one that would be
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(architecture // 10, architecture % 10))
    kernel = _KERNELS.get(name)
    if kernel is None:
        _KERNELS.update(kernels())
        kernel = _KERNELS[name]
    try:
        ptx, _ = cuda.compile_ptx(
            function_of(kernel.source), signature(kernel), cc=(architecture // 10, architecture % 10)
        )
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:1500]}", ""
    return misuse(name, kernel, ptx), ptx


_REDUCED = ("sin", "cos", "tan")
"""CUDA's functions that reduce large float32 arguments in float64."""

_FUNCTIONS = re.compile(
    r"\b(a?(sin|cos|tan)h?|atan2|exp|expm1|log|log1p|erf|pow|fmod|real_mod|real_divide(32|64)|fma(32|64))\("
)
"""What CUDA's library computes by multiplying and adding at once, by approximations and by tables."""

_INEXACT = r"fma\.\S+|mul\.f\d+|\S+\.(?:approx|full|ftz)\S*|ld\.global\.nc\S*"
"""Instructions that nothing but those functions may have: contracted, open to contraction by ptxas, approximate; and
reads of memory that is taken never to change, though other views of it are written."""


def misuse(name: str, kernel: Kernel, ptx: str) -> str:
    """What a kernel's PTX has that it must not have, "" where there is nothing."""
    own = kernel.source.partition("def kernel(")[2]
    wide = "float64" in name or "float64" in kernel.views or any(f"{f}(" in own for f in _REDUCED)
    rules = [("atomic", r"(?:atom|red)\.\S+")]
    if not wide:
        rules.append(("computes in float64", r"\S+\.f64\S*"))
    if not _FUNCTIONS.search(own):
        rules.append(("inexact", _INEXACT))
    for what, instruction in rules:
        if found := re.search(rf"^\s*(?:@!?%p\d+\s+)?(?:{instruction})\s.*$", ptx, re.M):
            return f"{what}: {found.group().strip()}"
    return ""


_KERNELS: dict[str, Kernel] = {}


@cache
def assembler() -> str | None:
    """`ptxas` of the wheels that made the PTX (another's may not know its version), else the one on PATH."""
    spec = find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        for found in sorted(Path(root).glob("*/bin/ptxas*")):
            return str(found)
    return shutil.which("ptxas")


_SHARED = 48 << 10
"""Bytes of shared memory that a block has without asking for more."""

_REGISTERS = 1 << 16
"""Of a block on every card that is supported, handed out to warps in steps of 256."""


def assembled(ptx: str, architecture: int) -> tuple[str, int]:
    """What ptxas says is wrong, and the registers of a thread."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [assembler(), f"-arch=sm_{architecture}", "-v", "-o", os.devnull, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr[-1500:], 0
    return unfit(done.stderr), most(r"Used (\d+) registers", done.stderr)


def most(pattern: str, said: str) -> int:
    """The largest of the numbers that ptxas named."""
    return max(map(int, re.findall(pattern, said)), default=0)


def unfit(said: str) -> str:
    """Why a kernel is slow on a card or not launched at all, by what ptxas said of it; "" where it is neither."""
    from pronghorn_gpu.launch import THREADS
    from pronghorn_gpu.reduction import LANES
    from pronghorn_gpu.tiles import TILES

    if spilled := most(r"(\d+) bytes spill", said):
        return f"spills registers: {spilled} bytes"
    if (shared := most(r"(\d+) bytes smem", said)) > _SHARED:
        return f"shares {shared} bytes"
    threads = max(THREADS, LANES, *(tile.threads for tile in TILES))
    registers = most(r"Used (\d+) registers", said)
    warps = -(-threads // 32)
    if warps * -(-registers * 32 // 256) * 256 > _REGISTERS:
        return f"{registers} registers are too many for {threads} threads"
    return ""


def check(task: tuple[str, int]) -> tuple[str, str, int]:
    """The name of a kernel, what is wrong with it, and its registers."""
    name, architecture = task
    problem, ptx = compiled(name, architecture)
    registers = 0
    if not problem and assembler():
        problem, registers = assembled(ptx, architecture)
    return name, problem, registers


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what is wrong; the exit status says whether anything is."""
    from every_kernel import kernels

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only kernels whose name has one of these")
    parser.add_argument("--architecture", type=int, default=90, help="compute capability: 75, 80, 90 …")
    parser.add_argument("--registers", type=int, default=0, help="so many kernels with the most registers are listed")
    options = parser.parse_args(arguments)
    _KERNELS.update(kernels())  # those that are forked have them
    names = [name for name in _KERNELS if not options.words or any(word in name for word in options.words)]
    found = []
    with ProcessPoolExecutor() as pool:
        for name, problem, registers in pool.map(check, [(n, options.architecture) for n in names], chunksize=4):
            found.append((registers, name, problem))
            if problem:
                print(f"{name}: {problem}", flush=True)
            if len(found) % 50 == 0:
                print(f"{len(found)} of {len(names)}", flush=True)
    for registers, name, _ in sorted(found, reverse=True)[: options.registers]:
        print(f"{registers:4} registers: {name}")
    failed = sum(bool(problem) for *_, problem in found)
    code = f"machine code of sm_{options.architecture}" if assembler() else "PTX alone: no ptxas was found"
    print(f"{code}: {len(names) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
