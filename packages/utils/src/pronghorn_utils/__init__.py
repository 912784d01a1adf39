"""Helpers around training for Pronghorn: `from pronghorn.utils import to_categorical`."""
