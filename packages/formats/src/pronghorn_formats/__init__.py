"""Model files of other tools for Pronghorn: legacy HDF5, safetensors, ONNX."""
