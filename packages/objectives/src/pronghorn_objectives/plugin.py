"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_losses() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {}


@hookimpl
def pronghorn_metrics() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {}
