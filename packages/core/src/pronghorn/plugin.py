"""What the engine itself offers through the plugin door: the initializers that no layer can do without."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_initializers() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {name: f"pronghorn.initializer:{name}" for name in ("GlorotUniform", "Ones", "Zeros")}
