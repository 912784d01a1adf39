"""Pictures: `from pronghorn.preprocessing.image import load_img`."""

from __future__ import annotations

from pronghorn.preprocessing.selection import selection

__getattr__, __dir__ = selection(__name__, "array_to_img img_to_array load_img save_img smart_resize")
