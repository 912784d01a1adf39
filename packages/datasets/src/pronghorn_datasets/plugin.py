"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_datasets() -> dict[str, str]:
    """Data set name -> module."""
    names = "boston_housing california_housing cifar10 cifar100 fashion_mnist imdb mnist reuters"
    return {name: f"pronghorn_datasets.{name}" for name in names.split()}
