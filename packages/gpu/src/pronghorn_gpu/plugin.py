"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_accelerators() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {"gpu": "pronghorn_gpu.accelerator:GpuAccelerator"}
