"""What the engine itself offers through the plugin door: the initializers that no layer can do without."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_initializers() -> dict[str, str]:
    """Name -> "module:attribute"."""
    names = {"glorot_uniform": "GlorotUniform", "ones": "Ones", "zeros": "Zeros"}
    return {key: f"pronghorn.initializer:{name}" for alias, name in names.items() for key in (alias, name)}
