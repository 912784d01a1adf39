"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """Helper name -> "module:attribute"."""
    return {
        "normalize": "pronghorn_utils.arrays:normalize",
        "set_random_seed": "pronghorn_utils.seeds:set_random_seed",
        "to_categorical": "pronghorn_utils.arrays:to_categorical",
    }
