"""ConvLSTM: an LSTM whose products are convolutions (Shi et al., 2015)."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar

from pronghorn import config, ops, plugins, random
from pronghorn.arguments import per_dimension
from pronghorn.layer import InputSpec
from pronghorn.tensor import Tensor
from pronghorn_layers.cells import LSTMCell, Noise
from pronghorn_layers.recurrent import _OverOwnCell


class ConvLSTMCell(LSTMCell):
    """One step of a `ConvLSTM2D`: inputs (batch, *spatial, channels), states h and c (batch, *windows, filters).

    Args:
        rank: the number of spatial dimensions.
        filters, …, dilation_rate: see `ConvLSTM2D`.
        options: see `LSTMCell`.
    """

    size_argument = "filters"

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **options: Any,
    ) -> None:
        super().__init__(filters, **options)
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.rank = rank
        self.filters = self.units
        self.kernel_size = per_dimension(kernel_size, rank, f"{title} `kernel_size`")
        self.strides = per_dimension(strides, rank, f"{title} `strides`")
        self.dilation_rate = per_dimension(dilation_rate, rank, f"{title} `dilation_rate`")
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise ValueError(f"{title} `padding` must be 'valid' or 'same', got {padding!r}")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{title}s `strides` {self.strides} and `dilation_rate` {self.dilation_rate} cannot both exceed 1; "
                f"set one to 1"
            )
        self.data_format = config.standardize_data_format(data_format)
        self.feature_axis = -1 if self.data_format == "channels_last" else -1 - rank
        self.noise_per_gate = True

    def build(self, input_shape: Any) -> None:
        self._sample = tuple(input_shape[1:])
        self._state = self.state_shape(self._sample)
        channels = self._sample[self.feature_axis]
        width = self.gates * self.filters
        self.kernel = self._weight("kernel", (*self.kernel_size, channels, width), self.kernel_initializer)
        self.recurrent_kernel = self._weight(
            "recurrent_kernel", (*self.kernel_size, self.filters, width), self.recurrent_initializer
        )
        self.bias = self._weight("bias", self.bias_shape, self._bias_initializer()) if self.use_bias else None

    def state_shape(self, sample: tuple[Any, ...]) -> tuple[int, ...]:
        """The shape of a sample's states, whose own shape is `sample`."""
        if len(sample) != self.rank + 1 or None in sample:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): a step of a sample must have a shape of {self.rank} "
                f"spatial dimensions and the channels, all known, got {sample}; give Input a shape with numbers there"
            )
        last = self.feature_axis == -1
        sizes, name = sample[:-1] if last else sample[1:], f"layer {self.name!r}"
        place_windows = plugins.load("utils", "primitives.place_windows")
        windows = place_windows(name, sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return (*windows.count(sizes), self.filters) if last else (self.filters, *windows.count(sizes))

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        return [ops.zeros((batch_size, *self._state), dtype=self.compute_dtype) for _ in "hc"]

    def draw_noise(self, batch: int) -> Noise:
        def draw(rate: float, shape: tuple[int, ...]) -> Tensor | None:
            if not 0 < rate < 1:
                return None
            ones = ops.ones((self.gates, batch, *shape), dtype=self.compute_dtype)
            return random.dropout(ones, rate, seed=self.seed_generator)  # type: ignore[no-any-return]

        return Noise(draw(self.dropout, self._sample), draw(self.recurrent_dropout, self._state))

    def project(self, inputs: Tensor, noise: Noise) -> Tensor:
        outputs = self._times_kernel(inputs, self.kernel, noise.inputs, self._convolve)
        if self.bias is None:
            return outputs
        bias = self.bias if self.feature_axis == -1 else ops.reshape(self.bias, (-1,) + (1,) * self.rank)
        return outputs + bias  # type: ignore[no-any-return]

    def _convolve(self, x: Tensor, kernel: Any) -> Tensor:
        """Of one step or of all; what comes before the sample's axes is one batch."""
        rows = ops.reshape(x, (-1, *self._sample))
        rows = ops.conv(rows, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return ops.reshape(rows, (*x.shape[: -self.rank - 1], *rows.shape[1:]))  # type: ignore[no-any-return]

    def _times_recurrent_kernel(self, state: Tensor, noise: Tensor | None) -> Tensor:
        def convolve(x: Tensor, kernel: Any) -> Tensor:
            return ops.conv(x, kernel, 1, "same", self.data_format)  # type: ignore[no-any-return]

        return self._times_kernel(state, self.recurrent_kernel, noise, convolve)

    def recurrence(self) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "rank"}


class _ConvLSTM(_OverOwnCell):
    """What the three have: all arguments, which the cell and the RNN share."""

    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = ConvLSTMCell(
            self.rank,
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="conv_lstm_cell",
            **{key: kwargs[key] for key in ("dtype", "trainable") if key in kwargs},
        )
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps, *sample = sequences_shape
        shape = self.cell.state_shape(tuple(sample))
        state = (batch, *shape)
        outputs = (batch, steps, *shape) if self.return_sequences else state
        return (outputs, state, state) if self.return_state else outputs


for (
    _name
) in "filters kernel_size strides padding data_format dilation_rate recurrent_activation unit_forget_bias".split():
    setattr(_ConvLSTM, _name, property(attrgetter(f"cell.{_name}"), doc=f"`{_name}` of the cell."))


class ConvLSTM1D(_ConvLSTM):
    """`ConvLSTM2D` over sequences of signals (batch, steps, length, channels)."""

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """The LSTM of `LSTMCell` with convolutions in the place of products (Shi et al., 2015), over films.

    Inputs (batch, steps, height, width, channels), or (batch, steps, channels, height, width) with data_format
    "channels_first". Outputs of the last step (batch, rows, columns, filters), or of all, and states alike.

    Args:
        filters: the number of outputs at each place.
        kernel_size: the cells of a window, of the convolution of the inputs and of the one of the state.
        strides, padding, dilation_rate: of the convolution of the inputs; that of the state has stride 1 and "same".
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        activation, …, seed: see `LSTMCell`; the kernel is (*kernel_size, channels, 4 * filters), and dropout draws for
            each gate.
        activity_regularizer: a penalty on the outputs.
        return_sequences, return_state, go_backwards, stateful: see `RNN`.
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """`ConvLSTM2D` over sequences of volumes (batch, steps, depth, height, width, channels)."""

    rank = 3
