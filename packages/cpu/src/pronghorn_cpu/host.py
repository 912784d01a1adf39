"""What the processor at hand offers to generated kernels: its vector registers, and fused multiply-add."""

from __future__ import annotations

import functools
import os
import platform

ITEMSIZE = {"float32": 4, "float64": 8}
"""Bytes of one element, for the dtypes that kernels built on the microkernel know."""


@functools.cache
def _features() -> frozenset[str]:
    from llvmlite import binding

    return frozenset(name for name, present in binding.get_host_cpu_features().items() if present)


@functools.cache
def float32_lanes() -> int:
    """How many float32 one vector register holds: 16 (AVX-512), 8 (AVX2), else 4 (NEON, SSE).

    ``PRONGHORN_VECTOR_WIDTH=16|8|4`` overrides it: any processor runs any width, with the same bits.
    """
    forced = os.environ.get("PRONGHORN_VECTOR_WIDTH")
    if forced is not None:
        if forced not in ("16", "8", "4"):
            raise ValueError(f"PRONGHORN_VECTOR_WIDTH is {forced!r}; set it to 16, 8 or 4 (float32 lanes).")
        return int(forced)
    if "avx512f" in _features():
        return 16
    return 8 if "avx2" in _features() else 4


def lanes(dtype: str) -> int:
    """How many elements of `dtype` (float32 or float64) one vector register holds."""
    return float32_lanes() * 4 // ITEMSIZE[dtype]


@functools.cache
def vector_registers() -> int:
    """How many vector registers there are: 32 with AVX-512 and on ARM, else 16."""
    arm = platform.machine().lower() in ("aarch64", "arm64")
    return 32 if arm or float32_lanes() == 16 else 16


@functools.cache
def has_fma() -> bool:
    """Whether a multiply-add is one instruction, rounded once; kernels round twice (other bits) if not."""
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
    return not x86 or "fma" in _features()
