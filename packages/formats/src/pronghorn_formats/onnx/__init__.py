"""Models as `.onnx`: the program that `predict` runs, traced to primitives, each written as nodes of ONNX.

A layer needs no entry anywhere: what it computes is seen in its trace. So third-party layers are exported too, and a
primitive that ONNX cannot express is an error that names the layer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pronghorn import __version__
from pronghorn.saving.files import replacing
from pronghorn_formats.onnx.builder import package
from pronghorn_formats.onnx.export import exported

OPSET = 18
"""Version of ONNX's operators; every runtime since 2023 has it."""


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes what a model computes for inference: its weights are constants, and sizes that are unknown stay so.

    Raises:
        NotImplementedError: a layer computes what ONNX, or this exporter, cannot express; it is named.
        ImportError: the onnx package is not installed.
    """
    onnx, graph = package(), exported(model)
    versions = [onnx.helper.make_opsetid("", OPSET)]
    file_format = onnx.helper.find_min_ir_version_for(versions)
    proto = onnx.helper.make_model(
        graph,
        producer_name="pronghorn",
        producer_version=__version__,
        opset_imports=versions,
        ir_version=file_format,
    )
    onnx.checker.check_model(proto)
    with replacing(Path(path)) as file:
        file.write(proto.SerializeToString())
