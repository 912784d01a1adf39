"""Data sets for Pronghorn, each a module with `load_data`: `from pronghorn.datasets import mnist`."""
