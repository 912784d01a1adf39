"""Spectrograms: signals as frequencies over time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pronghorn import config, dtypes, ops
from pronghorn.arguments import as_integer
from pronghorn.dtypes import numpy_dtype
from pronghorn.layer import InputSpec, Layer
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_layers.initializers import STFT

MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class MelSpectrogram(Layer):
    """Magnitudes of the short-time Fourier transform, summed into bands that are equally wide on the mel scale.

    Inputs (samples,) or (batch, samples), outputs (…, num_mel_bins, 1 + samples // sequence_stride).

    The mel of a frequency f is 1127 ln(1 + f / 700), as in HTK (Young et al., "The HTK Book").

    Args:
        fft_length: of the transform of each frame, at least `sequence_length`.
        sequence_stride: samples from the centre of a frame to that of the next.
        sequence_length: samples of a frame; `fft_length` by default.
        window: "hann", "hamming", the values (sequence_length,), or None.
        sampling_rate: samples per second.
        num_mel_bins: the number of bands.
        min_freq, max_freq: between which the bands lie, in hertz; up to half the sampling rate by default.
        power_to_db: whether the outputs are in decibels, 10 log10(power / ref_power).
        top_db: how far below the loudest of the whole batch decibels may be.
        mag_exp: the power to which magnitudes are raised: 1 for energy, 2 for power.
        min_power: the least power of which a logarithm is taken.
        ref_power: the power of 0 decibels.
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        title = f"layer {self.name!r} (MelSpectrogram): argument"
        self.fft_length = as_integer(fft_length, f"{title} `fft_length`")
        self.sequence_stride = as_integer(sequence_stride, f"{title} `sequence_stride`")
        self.sequence_length = as_integer(sequence_length or fft_length, f"{title} `sequence_length`")
        if self.fft_length < self.sequence_length:
            raise ValueError(
                f"{title} `fft_length` {self.fft_length} must be at least `sequence_length` {self.sequence_length}"
            )
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = as_integer(num_mel_bins, f"{title} `num_mel_bins`")
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power
        self.built = True

    def call(self, inputs: Any) -> Any:
        dtype = self.compute_dtype if self.compute_dtype == "float64" else "float32"
        signal = ops.cast(inputs, dtype)
        real, imag = ops.stft(signal, self.sequence_length, self.sequence_stride, self.fft_length, self.window)
        magnitude = ops.sqrt(ops.square(real) + ops.square(imag))
        bands = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq, self.max_freq, dtype
        )
        outputs = ops.matmul(ops.power(magnitude, self.mag_exp), bands)
        if self.power_to_db:
            outputs = self._decibels(outputs)
        return ops.cast(ops.swapaxes(outputs, -1, -2), self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        reference = 10.0 * np.log10(max(abs(self.ref_power), self.min_power))
        decibels = 10.0 * ops.log10(ops.maximum(power, self.min_power)) - reference
        return ops.maximum(decibels, ops.max(decibels) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> Tensor:
        """What spectra are multiplied by to become bands: triangles on the mel scale, of height 1.

        Returns:
            A matrix (num_spectrogram_bins, num_mel_bins); no band has a share in frequency 0.
        """

        def mel(hertz: Any) -> Any:
            return 1127.0 * np.log(1 + np.asarray(hertz) / 700.0)

        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        bins = mel(np.linspace(0, sampling_rate / 2, num_spectrogram_bins))[:, None]
        triangles = np.minimum((bins - lower) / (center - lower), (upper - bins) / (upper - center))
        weights = np.maximum(triangles, 0)
        weights[0] = 0
        return convert_to_tensor(weights.astype(numpy_dtype(dtypes.standardize(dtype))))


class STFTSpectrogram(Layer):
    """The short-time Fourier transform as a convolution, with kernels that can be trained on.

    Inputs (batch, samples, channels); with data_format "channels_first" the channels come second. Each channel is
    transformed apart. Outputs (batch, frames, channels * frequencies), or (batch, channels * frequencies, frames);
    with `expand_dims` (batch, frames, frequencies, channels), or (batch, channels, frames, frequencies). Frequencies
    are fft_length // 2 + 1, twice as many in the mode "stft".

    Args:
        mode: "log" (of the magnitude), "magnitude", "psd" (power, both sides in one), "real", "imag", "angle", or
            "stft" for real and imaginary parts, one after the other.
        frame_length: samples of a frame.
        frame_step: samples from a frame to the next, at most `frame_length`; half of it by default.
        fft_length: at least `frame_length`; by default the next power of two.
        window, periodic, scaling: see `initializers.STFT`.
        padding: "valid" or "same".
        expand_dims: whether frequencies have an axis of their own, as images need it.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        title = f"layer {self.name!r} (STFTSpectrogram): argument"
        if mode not in MODES:
            raise ValueError(f"{title} `mode` must be one of {', '.join(MODES)}, got {mode!r}")
        if padding not in ("valid", "same"):
            raise ValueError(f"{title} `padding` must be 'valid' or 'same', got {padding!r}")
        self.frame_length = as_integer(frame_length, f"{title} `frame_length`")
        self.frame_step = None if frame_step is None else as_integer(frame_step, f"{title} `frame_step`")
        self.fft_length = None if fft_length is None else as_integer(fft_length, f"{title} `fft_length`")
        self._step = self.frame_step or self.frame_length // 2
        self._transform = self.fft_length or 1 << (self.frame_length - 1).bit_length()
        if self._step > self.frame_length:
            raise ValueError(f"{title} `frame_step` {self._step} must not exceed `frame_length` {self.frame_length}")
        if self._transform < self.frame_length:
            raise ValueError(f"{title} `fft_length` {fft_length} must be at least `frame_length` {self.frame_length}")
        if self._transform & (self._transform - 1):
            warnings.warn(f"{title} `fft_length` {fft_length} would better be a power of two", stacklevel=2)
        STFT("real", window, scaling)  # says at once what is wrong with them
        self.mode = mode
        self.window = window
        self.periodic = periodic
        self.scaling = scaling
        self.padding = padding
        self.expand_dims = expand_dims
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any = None) -> None:
        shape = (self.frame_length, 1, self._transform // 2 + 1)
        for side in ("real", "imag"):
            if self.mode not in {"real", "imag"} - {side}:
                initializer = STFT(side, self.window, self.scaling, self.periodic)
                setattr(self, f"{side}_kernel", self.add_weight(shape, initializer, name=f"{side}_kernel"))

    def call(self, inputs: Any) -> Any:
        if not dtypes.is_float(inputs.dtype):
            raise TypeError(f"layer {self.name!r} (STFTSpectrogram): signals must be floats, got dtype {inputs.dtype}")
        signals = inputs if self.data_format == "channels_first" else ops.swapaxes(inputs, 1, 2)
        outputs = self._spectrum(signals)  # (batch, channels, frames, frequencies)
        batch, channels, frames, frequencies = outputs.shape
        if self.data_format == "channels_first":
            if self.expand_dims:
                return outputs
            return ops.reshape(ops.swapaxes(outputs, 2, 3), (batch, channels * frequencies, frames))
        if self.expand_dims:
            return ops.transpose(outputs, (0, 2, 3, 1))
        return ops.reshape(ops.swapaxes(outputs, 1, 2), (batch, frames, channels * frequencies))

    def _spectrum(self, signals: Any) -> Any:
        """What `mode` says of the signals (batch, channels, samples)."""
        if self.mode in ("real", "imag"):
            return self._convolved(signals, self.mode)
        real, imag = self._convolved(signals, "real"), self._convolved(signals, "imag")
        if self.mode == "stft":
            return ops.concatenate([real, imag], axis=-1)
        if self.mode == "angle":
            return ops.arctan2(imag, real)
        power = ops.square(real) + ops.square(imag)
        if self.mode == "psd":  # but for the first and the last, each frequency stands for its negative too
            return power + ops.pad(power[..., 1:-1], [(0, 0)] * 3 + [(1, 1)])
        magnitude = ops.sqrt(ops.maximum(power, config.epsilon()))
        return magnitude if self.mode == "magnitude" else ops.log(ops.maximum(magnitude, config.epsilon()))

    def _convolved(self, signals: Any, side: str) -> Any:
        batch, channels, samples = signals.shape
        kernel = ops.cast(getattr(self, f"{side}_kernel"), signals.dtype)
        frames = ops.conv(
            ops.reshape(signals, (batch * channels, samples, 1)), kernel, self._step, self.padding, "channels_last"
        )
        return ops.reshape(frames, (batch, channels, *frames.shape[1:]))
