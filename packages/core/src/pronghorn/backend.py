"""What is left of `keras.backend`: settings, names, and a fresh start."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

from pronghorn import dtypes, naming
from pronghorn.config import backend as backend
from pronghorn.config import epsilon as epsilon
from pronghorn.config import floatx as floatx
from pronghorn.config import image_data_format as image_data_format
from pronghorn.config import set_epsilon as set_epsilon
from pronghorn.config import set_floatx as set_floatx
from pronghorn.config import set_image_data_format as set_image_data_format
from pronghorn.dtypes import result_type as result_type
from pronghorn.tensor import MODEL, Tensor

is_float_dtype, is_int_dtype, standardize_dtype = dtypes.is_float, dtypes.is_integer, dtypes.standardize

_uids: Counter[str] = Counter()


def clear_session(free_memory: bool = True) -> None:
    """Starts the counters of automatic names again: the next Dense is called "dense".

    Args:
        free_memory: collects garbage, so that models no longer referred to are freed at once.
    """
    naming.reset_names()
    _uids.clear()
    if free_memory:
        gc.collect()


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbol of a model graph: what `Input` returns and layers make of it."""
    return isinstance(x, Tensor) and x.scope is MODEL


def get_uid(prefix: str = "") -> int:
    """The next number for automatic names with this prefix, from 1 on."""
    _uids[prefix] += 1
    return _uids[prefix]
