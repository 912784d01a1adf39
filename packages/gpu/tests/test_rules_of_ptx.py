"""What `compile_ptx.py` finds in PTX and in what ptxas says; the compilation itself needs the toolkit's wheels."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from compile_ptx import misuse, unfit  # noqa: E402

from pronghorn_gpu.launch import Kernel  # noqa: E402

PLAIN = Kernel(
    "@device\ndef helper(x):\n    return exp(x)\n\ndef kernel(p, int64s, float32s):\n    pass\n", ("float32",)
)
WITH_EXP = Kernel("def kernel(p, int64s, float32s):\n    float32s[p] = exp(float32s[p])\n", ("float32",))
WIDE = Kernel("def kernel(p, int64s, float64s):\n    pass\n", ("float64",))


@pytest.mark.parametrize(
    ("line", "found"),
    (
        ("add.f32 %f1, %f2, %f3;", ""),
        ("mul.rn.f32 %f1, %f2, %f3;", ""),
        ("div.rn.f32 %f1, %f2, %f3;", ""),
        ("sqrt.rn.f32 %f1, %f2;", ""),
        ("ld.global.f32 %f1, [%rd1];", ""),
        ("mul.f32 %f1, %f2, %f3;", "inexact"),
        ("@%p1 fma.rn.f32 %f1, %f2, %f3, %f4;", "inexact"),
        ("div.full.f32 %f1, %f2, %f3;", "inexact"),
        ("add.ftz.f32 %f1, %f2, %f3;", "inexact"),
        ("ld.global.nc.f32 %f1, [%rd1];", "inexact"),
        ("add.f64 %fd1, %fd2, %fd3;", "computes in float64"),
        ("atom.global.add.f32 %f1, [%rd1], %f2;", "atomic"),
        ("red.global.add.f32 [%rd1], %f2;", "atomic"),
    ),
)
def test_instructions(line: str, found: str) -> None:
    said = misuse("a kernel", PLAIN, f"\n\tadd.s64 %rd1, %rd2, %rd3;\n\t{line}\n\tret;\n")
    assert said == (f"{found}: {line}" if found else "")


def test_functions_of_the_library_may_approximate() -> None:
    line = "\tfma.rn.f32 %f1, %f2, %f3, %f4;\n"
    assert misuse("a kernel", PLAIN, line) and not misuse("a kernel", WITH_EXP, line)
    assert not misuse("a kernel", WIDE, "\tadd.f64 %fd1, %fd2, %fd3;\n")


def test_what_ptxas_says() -> None:
    said = "    0 bytes stack frame, {} bytes spill stores, 0 bytes spill loads\nUsed {} registers, {} bytes smem"
    assert unfit(said.format(0, 168, 17408)) == ""
    assert unfit(said.format(8, 255, 0)) == "spills registers: 8 bytes"
    assert unfit(said.format(0, 32, 50000)) == "shares 50000 bytes"
