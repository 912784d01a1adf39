"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_datasets() -> dict[str, str]:
    """Data set name -> module."""
    return {name: f"pronghorn_datasets.{name}" for name in ("boston_housing", "fashion_mnist", "mnist")}
