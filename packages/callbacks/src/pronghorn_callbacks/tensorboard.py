"""TensorBoard, and the event files that it writes through the `tensorboard` package."""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn import plugins
from pronghorn.training.callback import Callback, Logs

Array = np.ndarray[Any, Any]

BINS = 30
"""Of the histograms of weights."""


class TensorBoard(Callback):
    """Writes what TensorBoard shows: `tensorboard --logdir logs`. Needs the package `tensorboard`, not TensorFlow.

    Metrics of each epoch are "epoch_<name>" in the runs "train" and "validation", with the learning rate; evaluations
    are "evaluation_<name>_vs_iterations".

    Args:
        log_dir: a folder of its own for each run.
        histogram_freq: writes histograms of the weights every so many epochs; 0 for none.
        write_graph: whether the graph of layers is written.
        write_images: whether the weights are also written as pictures, with the histograms.
        write_steps_per_second: whether the speed of the epochs and batches is written.
        update_freq: "epoch"; "batch", or a number of batches, writes "batch_<name>" that often as well.
        profile_batch: only 0; `model.train_program.profile()` tells the time of each operation.
        embeddings_freq: writes the tables of Embedding layers for the projector every so many epochs; 0 for none.
        embeddings_metadata: a file with a line of text for each row of the table; or layer name -> file.

    Raises:
        ImportError: `tensorboard` is not installed.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if profile_batch:
            raise NotImplementedError(
                "TensorBoard: profile_batch is not supported; model.train_program.profile() tells the time of each "
                "operation and layer"
            )
        if update_freq not in ("batch", "epoch") and not (isinstance(update_freq, int) and update_freq > 0):
            raise ValueError(
                f"TensorBoard: update_freq must be 'epoch', 'batch' or a number of batches, got {update_freq!r}"
            )
        _summary()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._runs: dict[str, _Run] = {}
        self._batches = 0
        self._batch_began = self._epoch_began = 0.0
        self._iterations = 0

    def _run(self, name: str) -> _Run:
        if name not in self._runs:
            self._runs[name] = _Run(Path(self.log_dir, name))
        return self._runs[name]

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._close()
        if self.write_graph and type(model).__name__ in ("Functional", "Sequential"):
            self._run("train").text("keras", "graph_keras_model", model.to_json(), 0)
        if self.embeddings_freq:
            self._configure_projector()

    def on_train_begin(self, logs: Logs = None) -> None:
        self._batches = 0

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.write_steps_per_second:
            self._iterations, self._epoch_began = int(self.model.optimizer.iterations), time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batches += 1
        if not isinstance(self.update_freq, int) or self._batches % self.update_freq:
            return
        run = self._run("train")
        for name, value in (logs or {}).items():
            run.scalar(f"batch_{name}", value, self._batches)
        if self.write_steps_per_second:
            seconds = max(time.perf_counter() - self._batch_began, 1e-9)
            run.scalar("batch_steps_per_second", 1 / seconds, self._batches)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = dict(logs or {})
        if logs:
            rate = {f"learning_rate{suffix}": float(o.learning_rate) for suffix, o in self._optimizers()}
            if self.write_steps_per_second:
                steps = int(self.model.optimizer.iterations) - self._iterations
                rate["steps_per_second"] = steps / max(time.perf_counter() - self._epoch_began, 1e-9)
            for name, value in {**logs, **rate}.items():
                run = self._run("validation" if name.startswith("val_") else "train")
                run.scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            for layer in self._embeddings():
                table = layer.embeddings.numpy()
                np.savetxt(Path(self.log_dir, f"{layer.name}.tsv"), table, fmt="%.6g", delimiter="\t")
        for run in self._runs.values():
            run.flush()

    def on_test_end(self, logs: Logs = None) -> None:
        if self.model.optimizer is None:
            return
        step = int(self.model.optimizer.iterations)
        for name, value in (logs or {}).items():
            self._run("validation").scalar(f"evaluation_{name}_vs_iterations", value, step)
        self._run("validation").flush()

    def _optimizers(self) -> Iterator[tuple[str, Any]]:
        """The optimizers with what tells their learning rates apart."""
        outer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if hasattr(outer, "optimizers"):
            yield from ((f"_{optimizer.name}", optimizer) for optimizer in outer.optimizers)
        elif outer is not None:
            yield "", outer

    def _write_weights(self, epoch: int) -> None:
        run = self._run("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                value = weight.numpy()
                run.histogram(f"{weight.path}/histogram", value, epoch)
                if self.write_images and (picture := _as_picture(value)) is not None:
                    run.image(f"{weight.path}/image", picture, epoch)

    def _embeddings(self) -> list[Any]:
        kind = plugins.load("layers", "Embedding")
        return [layer for layer in self.model.layers if isinstance(layer, kind)]

    def _configure_projector(self) -> None:
        from google.protobuf import text_format
        from tensorboard.plugins import projector

        config, files = projector.ProjectorConfig(), self.embeddings_metadata
        names = [layer.name for layer in self._embeddings()]
        if isinstance(files, Mapping) and (unknown := sorted(set(files) - set(names))):
            raise ValueError(
                f"TensorBoard: embeddings_metadata names {unknown}, which are no Embedding layers; there are {names}"
            )
        for name in names:
            entry = config.embeddings.add(tensor_name=name, tensor_path=f"{name}.tsv")
            metadata = files.get(name) if isinstance(files, Mapping) else files
            if metadata is not None:
                entry.metadata_path = metadata
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        Path(self.log_dir, "projector_config.pbtxt").write_text(text_format.MessageToString(config), encoding="utf-8")

    def _close(self) -> None:
        for run in self._runs.values():
            run.close()
        self._runs = {}


def _summary() -> Any:
    """The messages that event files consist of."""
    try:
        from tensorboard.compat.proto import summary_pb2
    except ImportError:
        raise ImportError(
            "TensorBoard: the package `tensorboard` is not installed: pip install tensorboard; CSVLogger writes the "
            "logs without it"
        ) from None
    return summary_pb2


class _Run:
    """The event file of one run."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.messages = _summary()
        self.writer = EventFileWriter(str(folder))

    def _add(self, step: int, **value: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        summary = self.messages.Summary(value=[self.messages.Summary.Value(**value)])
        self.writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """Adds a number; what is none is left out."""
        if np.ndim(value) == 0:
            self._add(step, tag=tag, simple_value=float(value))

    def text(self, tag: str, plugin: str, text: str, step: int) -> None:
        """Adds a text for one of TensorBoard's plugins."""
        from tensorboard.compat.proto.tensor_pb2 import TensorProto

        data = self.messages.SummaryMetadata.PluginData(plugin_name=plugin, content=b"1")
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        self._add(step, tag=tag, tensor=tensor, metadata=self.messages.SummaryMetadata(plugin_data=data))

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Adds the distribution of numbers."""
        numbers = values.astype(np.float64).ravel()
        numbers = numbers[np.isfinite(numbers)]
        if not numbers.size:
            return
        counts, edges = np.histogram(numbers, BINS)
        histogram = self.messages.HistogramProto(
            min=numbers.min(),
            max=numbers.max(),
            num=numbers.size,
            sum=numbers.sum(),
            sum_squares=np.square(numbers).sum(),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._add(step, tag=tag, histo=histogram)

    def image(self, tag: str, picture: Array, step: int) -> None:
        """Adds a picture of shape (height, width, 1, 3 or 4), uint8."""
        height, width, channels = picture.shape
        self._add(
            step,
            tag=tag,
            image=self.messages.Summary.Image(
                height=height, width=width, colorspace=channels, encoded_image_string=_png(picture)
            ),
        )

    def flush(self) -> None:
        """Writes out what was added."""
        self.writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self.writer.close()


def _as_picture(weight: Array) -> Array | None:
    """A weight as a picture (height, width, channels), None where it cannot be one."""
    shape = [n for n in weight.shape if n != 1] or [1]
    values = weight.astype(np.float64).reshape(shape)
    if values.ndim == 1:
        values = values[None, :, None]
    elif values.ndim == 2:
        values = (values if values.shape[0] <= values.shape[1] else values.T)[:, :, None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3, 4):
        return None
    low, high = values.min(), values.max()
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    picture: Array = np.rint(scaled * 255).astype(np.uint8)
    return picture


def _png(picture: Array) -> bytes:
    """A picture as a PNG file."""
    height, width, channels = picture.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
