"""Every installed data set, by name: `from pronghorn.datasets import mnist`."""

from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "datasets")
