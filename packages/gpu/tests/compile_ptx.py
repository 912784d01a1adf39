"""Compiles every kernel for every dtype to PTX, and to machine code where `ptxas` is found; needs no card.

    hatch run deep:ptx [--architecture 90] [words of names]

Fails where a kernel does not compile, or float32 kernels compute in float64.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
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


def assembled(ptx: str, architecture: int) -> str:
    """What ptxas says is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = ["ptxas", f"-arch=sm_{architecture}", "-v", "-o", "/dev/null", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    spill = re.search(r"[1-9]\d* bytes spill", done.stderr)
    return done.stderr[-1500:] if done.returncode else f"spills registers: {spill.group()}" if spill else ""


def check(task: tuple[str, int]) -> tuple[str, str]:
    name, architecture = task
    problem, ptx = compiled(name, architecture)
    if not problem and shutil.which("ptxas"):
        problem = assembled(ptx, architecture)
    return name, problem


def main(arguments: Sequence[str] | None = None) -> int:
    from every_kernel import kernels

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only kernels whose name has one of these")
    parser.add_argument("--architecture", type=int, default=90, help="compute capability: 75, 80, 90 …")
    options = parser.parse_args(arguments)
    names = [n for n, _ in kernels() if not options.words or any(w in n for w in options.words)]
    failed = 0
    with ProcessPoolExecutor() as pool:
        for name, problem in pool.map(check, [(n, options.architecture) for n in names], chunksize=8):
            if problem:
                failed += 1
                print(f"{name}: {problem}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
