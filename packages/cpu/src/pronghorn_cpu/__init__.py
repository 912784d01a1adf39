"""Pronghorn on the CPU: kernels compiled for the machine by Numba."""
