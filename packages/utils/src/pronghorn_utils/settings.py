"""The settings of keras.config that have one value here: reading them works, changing them says why it does not."""

from __future__ import annotations


def is_flash_attention_enabled() -> bool:
    """False: attention has no kernel of that kind."""
    return False


def enable_flash_attention() -> None:
    """Not supported."""
    raise NotImplementedError("enable_flash_attention: there is no flash attention kernel; attention works without")


def disable_flash_attention() -> None:
    """Leaves flash attention off."""


def is_traceback_filtering_enabled() -> bool:
    """False: tracebacks are shown whole."""
    return False


def enable_traceback_filtering() -> None:
    """Not supported."""
    raise NotImplementedError("enable_traceback_filtering: tracebacks are shown whole; they are short")


def disable_traceback_filtering() -> None:
    """Leaves tracebacks whole."""


def enable_unsafe_deserialization() -> None:
    """Not supported."""
    raise NotImplementedError(
        "enable_unsafe_deserialization: nothing in a model file is executed; pass functions as `custom_objects`"
    )


def is_nnx_enabled() -> bool:
    """False: there is no Flax here."""
    return False


def set_backend(backend: str) -> None:
    """Accepts "pronghorn" only."""
    if backend != "pronghorn":
        raise NotImplementedError(f"set_backend: the only backend is 'pronghorn', got {backend!r}; see set_accelerator")


def max_epochs() -> None:
    """None: there is no limit."""
    return None


def set_max_epochs(max_epochs: int | None) -> None:
    """Accepts None only."""
    if max_epochs is not None:
        raise NotImplementedError("set_max_epochs: not supported; pass `epochs` to fit")


def max_steps_per_epoch() -> None:
    """None: there is no limit."""
    return None


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Accepts None only."""
    if max_steps_per_epoch is not None:
        raise NotImplementedError("set_max_steps_per_epoch: not supported; pass `steps_per_epoch` to fit")
