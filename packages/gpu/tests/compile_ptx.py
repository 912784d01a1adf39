"""Compiles every kernel for every dtype to PTX and, by the same toolkit's `ptxas`, to machine code; needs no card.

    hatch run deep:ptx [--architecture 90] [--registers 10] [words of names]

Fails where a kernel does not compile or spills registers, or float32 kernels compute in float64.
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
    wide = "float64" in name or "float64" in kernel.views or any(f"{f}(" in kernel.source for f in _REDUCED)
    if not wide and (found := re.search(r"^.*\.f64.*$", ptx, re.M)):
        return f"computes in float64: {found.group().strip()}", ptx
    return "", ptx


_REDUCED = ("sin", "cos", "tan")
"""CUDA's functions that reduce large float32 arguments in float64."""

_KERNELS: dict[str, object] = {}


@cache
def assembler() -> str | None:
    """`ptxas` of the wheels that made the PTX (another's may not know its version), else the one on PATH."""
    spec = find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        for found in sorted(Path(root).glob("*/bin/ptxas*")):
            return str(found)
    return shutil.which("ptxas")


def assembled(ptx: str, architecture: int) -> tuple[str, int]:
    """What ptxas says is wrong, and the registers of a thread."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [assembler(), f"-arch=sm_{architecture}", "-v", "-o", os.devnull, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr[-1500:], 0
    spill = re.search(r"[1-9]\d* bytes spill", done.stderr)
    registers = max(map(int, re.findall(r"Used (\d+) registers", done.stderr)), default=0)
    return f"spills registers: {spill.group()}" if spill else "", registers


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
    names = [n for n, _ in kernels() if not options.words or any(w in n for w in options.words)]
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
