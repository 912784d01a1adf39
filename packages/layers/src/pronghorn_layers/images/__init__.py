"""Layers of images: sizes, warps, colors, mixtures, and chains of these."""
