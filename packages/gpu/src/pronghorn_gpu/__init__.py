"""Pronghorn on NVIDIA GPUs: kernels compiled by numba-cuda."""
