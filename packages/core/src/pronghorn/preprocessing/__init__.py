"""Keras's older names for helpers that read data: `from pronghorn.preprocessing import image, sequence, text`."""

from __future__ import annotations

from pronghorn.preprocessing import image as image
from pronghorn.preprocessing import sequence as sequence
from pronghorn.preprocessing import text as text
from pronghorn.preprocessing.selection import selection

__getattr__, __dir__ = selection(
    __name__, "image_dataset_from_directory text_dataset_from_directory timeseries_dataset_from_array"
)
