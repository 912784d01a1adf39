"""What is left of `keras.backend`: settings, names, and a fresh start."""

from __future__ import annotations

import gc

from pronghorn import naming
from pronghorn.config import backend as backend
from pronghorn.config import epsilon as epsilon
from pronghorn.config import floatx as floatx
from pronghorn.config import image_data_format as image_data_format
from pronghorn.config import set_epsilon as set_epsilon
from pronghorn.config import set_floatx as set_floatx
from pronghorn.config import set_image_data_format as set_image_data_format
from pronghorn.dtypes import result_type as result_type


def clear_session(free_memory: bool = True) -> None:
    """Starts the counters of automatic names again: the next Dense is called "dense".

    Args:
        free_memory: collects garbage, so that models no longer referred to are freed at once.
    """
    naming.reset_names()
    if free_memory:
        gc.collect()
