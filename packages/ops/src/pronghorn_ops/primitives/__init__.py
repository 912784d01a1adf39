"""Primitives with kernels of their own on every device: each has its NumPy reference, shape rule and gradient rule."""
