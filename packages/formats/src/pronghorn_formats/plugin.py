"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


@hookimpl
def pronghorn_formats() -> dict[str, str]:
    """Ending of file names -> the module that reads and writes the format."""
    return {
        "h5": "pronghorn_formats.legacy",
        "hdf5": "pronghorn_formats.legacy",
        "onnx": "pronghorn_formats.onnx",
        "safetensors": "pronghorn_formats.safetensors",
    }


@hookimpl
def pronghorn_commands() -> dict[str, str]:
    """Command of `python -m pronghorn` -> a function of its arguments."""
    return {name: f"pronghorn_formats.commands:{name}" for name in ("convert", "summary", "verify")}


@hookimpl
def pronghorn_activations() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {"keras2_hard_sigmoid": "pronghorn_formats.activations:keras2_hard_sigmoid"}


@hookimpl
def pronghorn_layers() -> dict[str, str]:
    """Layers of Keras 1 and 2 that Keras 3 does not have."""
    names = ("Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense", "ThresholdedReLU")
    return {name: f"pronghorn_formats.removed_layers:{name}" for name in names}
