"""Layers, activations, initializers, regularizers and constraints for Pronghorn."""
