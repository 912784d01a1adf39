"""Images as a batch with the channels last, whichever way they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pronghorn import config, ops
from pronghorn.tensor import Tensor, convert_to_tensor


def as_batch(op: str, images: Any, data_format: Any, spatial: int = 2) -> tuple[Tensor, Callable[[Any], Any]]:
    """(batch, *spatial, channels) of one image or of a batch, and what gives a result the form of the input.

    Raises:
        ValueError: the rank is neither that of an image nor that of a batch.
    """
    x = convert_to_tensor(images)
    first = config.standardize_data_format(data_format) == "channels_first"
    single = len(x.shape) == spatial + 1
    if not single and len(x.shape) != spatial + 2:
        what = "an image (height, width, channels)" if spatial == 2 else "a volume (depth, height, width, channels)"
        raise ValueError(f"{op}: expected {what} or a batch of them, got shape {x.shape}")
    if single:
        x = ops.expand_dims(x, 0)
    if first:
        x = ops.moveaxis(x, 1, -1)

    def restore(result: Any) -> Any:
        result = ops.moveaxis(result, -1, 1) if first else result
        return ops.squeeze(result, 0) if single else result

    return x, restore


def wide(x: Tensor) -> Any:
    """`x` as floats of at least 32 bits, in which its pixels are mixed."""
    return ops.cast(x, "float64" if x.dtype == "float64" else "float32")


def channel_axis(op: str, x: Tensor, data_format: Any, counts: tuple[int, ...]) -> int:
    """The axis of the channels, of which there must be one of `counts`."""
    axis = -3 if config.standardize_data_format(data_format) == "channels_first" else -1
    if len(x.shape) not in (3, 4):
        raise ValueError(f"{op}: expected an image of three axes or a batch of four, got shape {x.shape}")
    if x.shape[axis] not in counts:
        wanted = " or ".join(map(str, counts))
        raise ValueError(f"{op}: expected {wanted} channels on axis {axis}, got shape {x.shape}")
    return axis
