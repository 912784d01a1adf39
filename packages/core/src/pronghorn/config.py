"""Process-wide settings: floatx, epsilon, image data format, where messages go, accelerator, NaN tracing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pronghorn.policy import DTypePolicy

_floatx = "float32"
_epsilon = 1e-7
_image_data_format = "channels_last"
_interactive_logging = True
_trace_nans = os.environ.get("PRONGHORN_TRACE_NANS", "0") not in ("", "0")


def floatx() -> str:
    """The default float dtype, "float32" unless set."""
    return _floatx


def set_floatx(value: str) -> None:
    """Sets the default float dtype: "float16", "bfloat16", "float32" or "float64"."""
    global _floatx
    accepted = ("bfloat16", "float16", "float32", "float64")
    if value not in accepted:
        raise ValueError(f"set_floatx: unknown value {value!r}; expected one of {accepted}")
    _floatx = value


def dtype_policy() -> DTypePolicy:
    """The policy that layers have by default: floatx, unless set."""
    from pronghorn import policy

    return policy.dtype_policy()


def set_dtype_policy(policy: Any) -> None:
    """Sets the policy that layers made from now on have: a name such as "mixed_float16", or a DTypePolicy."""
    from pronghorn import policy as policies

    policies.set_dtype_policy(policy)


def epsilon() -> float:
    """The fuzz factor used in numeric expressions, 1e-7 unless set."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Sets the fuzz factor."""
    global _epsilon
    _epsilon = float(value)


def image_data_format() -> str:
    """ "channels_last" (the default) or "channels_first"."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the default image data format."""
    global _image_data_format
    value = str(data_format).lower()
    if value not in ("channels_first", "channels_last"):
        raise ValueError(f"set_image_data_format: expected 'channels_first' or 'channels_last', got {data_format!r}")
    _image_data_format = value


def standardize_data_format(data_format: str | None) -> str:
    """`data_format` checked, or the default."""
    if data_format is None:
        return _image_data_format
    value = str(data_format).lower()
    if value not in ("channels_first", "channels_last"):
        raise ValueError(f"data_format: expected 'channels_first', 'channels_last' or None, got {data_format!r}")
    return value


def is_interactive_logging_enabled() -> bool:
    """Whether progress and messages go to standard output (the default), not to the logger "pronghorn"."""
    return _interactive_logging


def enable_interactive_logging() -> None:
    """Shows progress and messages on standard output."""
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Sends finished lines and messages to the logger "pronghorn", level INFO."""
    global _interactive_logging
    _interactive_logging = False


def say(text: str) -> None:
    """A message for the person who runs the program."""
    if _interactive_logging:
        print(text)
        return
    import logging

    logging.getLogger("pronghorn").info("%s", text.strip())


def backend() -> str:
    """The name of Keras's backend in use: always "pronghorn"."""
    return "pronghorn"


def trace_nans() -> bool:
    """Whether every operation of a program is checked for NaN and infinity."""
    return _trace_nans


def set_trace_nans(enabled: bool) -> None:
    """Checks each operation's result; the first NaN or infinity raises an error that names the layer and the operation.

    Programs run unfused on the reference accelerator while this is on: slow, for finding the cause only.
    """
    global _trace_nans
    _trace_nans = bool(enabled)


def accelerator() -> str:
    """The name of the accelerator in use."""
    from pronghorn import accelerator as accelerators

    return accelerators.current().name


def set_accelerator(name: str) -> None:
    """Selects the accelerator: "cpu", "gpu", "numpy" or one that a plugin provides."""
    from pronghorn import accelerator as accelerators

    accelerators.select(name)


def __getattr__(name: str) -> Any:
    from pronghorn import plugins

    return plugins.attribute("utils", "config", name)
