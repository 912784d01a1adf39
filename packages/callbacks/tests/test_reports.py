"""Callbacks that write for other programs, and the one that exchanges weights, on models that train."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.callbacks import Callback, RemoteMonitor, SwapEMAWeights, TensorBoard
from pronghorn.functional import Input
from pronghorn.sequential import Sequential
from pronghorn.testing import Affine, Descent

X = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
Y = X.sum(1, keepdims=True)


def squares(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


def make(**options: Any) -> Sequential:
    model = Sequential([Input((3,)), Affine(2, name="hidden"), Affine(1, name="out")], name="net")
    model.compile(Descent(0.1, **options), squares)
    return model


# ------------------------------------------------------------------------------------------------ SwapEMAWeights

averages = pytest.mark.skipif(find_spec("pronghorn_optimizers") is None, reason="pronghorn-optimizers keeps averages")


@averages
def test_evaluations_see_the_moving_averages() -> None:
    model = make(use_ema=True, ema_momentum=0.5)
    seen: list[tuple[Any, Any]] = []

    class Look(Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            seen.append((self.model.get_weights(), [a.numpy() for _, a in self.model.optimizer.moving_average_pairs()]))

    model.fit(X, Y, epochs=2, batch_size=4, verbose=0, validation_data=(X, Y), callbacks=[Look(), SwapEMAWeights()])
    seen.clear()
    model.optimizer._averages[0].assign(np.full((3, 2), 7.0))
    before = model.get_weights()
    loss = model.evaluate(X, Y, verbose=0, callbacks=[SwapEMAWeights(), Look()])
    (inside, outside), after = seen[0], model.get_weights()
    np.testing.assert_array_equal(inside[0], np.full((3, 2), 7.0))
    np.testing.assert_array_equal(outside[0], before[0])
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert loss != model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0, callbacks=[SwapEMAWeights()])
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


@averages
def test_averages_stay_between_epochs_where_wanted() -> None:
    at_end: dict[bool, list[Any]] = {}
    for swap in (False, True):
        model = make(use_ema=True, ema_momentum=0.9)
        model.set_weights([np.full(v.shape, 0.1, "float32") for v in model.weights])
        kept: list[Any] = []

        class Keep(Callback):
            def __init__(self, kept: list[Any]) -> None:
                super().__init__()
                self.kept = kept

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                self.kept.append(self.model.get_weights()[0])

        swaps = SwapEMAWeights(swap_on_epoch=swap)
        model.fit(X, Y, epochs=2, shuffle=False, verbose=0, callbacks=[swaps, Keep(kept)])
        at_end[swap] = [*kept, model.get_weights()[0]]
    np.testing.assert_array_equal(at_end[True][2], at_end[False][2])
    np.testing.assert_array_equal(at_end[True][1], at_end[True][2])
    assert not np.allclose(at_end[False][1], at_end[False][2])


def test_an_optimizer_without_averages() -> None:
    with pytest.raises(ValueError, match="create it with use_ema=True"):
        make().evaluate(X, Y, verbose=0, callbacks=[SwapEMAWeights()])


# ------------------------------------------------------------------------------------------------ RemoteMonitor


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    received: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", received
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_server_gets_the_logs(server: tuple[str, list[tuple[str, str, str]]]) -> None:
    root, received = server
    RemoteMonitor(root, send_as_json=True).on_epoch_end(3, {"loss": np.float32(0.5)})
    RemoteMonitor(root, "/here", field="record").on_epoch_end(0, {"loss": 0.25})
    assert received[0][:2] == ("/publish/epoch/end/", "application/json")
    assert json.loads(received[0][2]) == {"epoch": 3, "loss": 0.5}
    assert received[1][0] == "/here" and received[1][2].startswith("record=%7B%22epoch%22")


def test_no_server() -> None:
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor root server at http://127.0.0.1:9"):
        RemoteMonitor("http://127.0.0.1:9").on_epoch_end(0, {})
    with pytest.raises(ValueError, match="root must begin with http"):
        RemoteMonitor("file:///etc/passwd")


# ------------------------------------------------------------------------------------------------ TensorBoard


def read(folder: Path) -> Any:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return accumulator.EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0}
    ).Reload()


def test_event_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    model = make()
    board = TensorBoard(tmp_path, 1, write_images=True, write_steps_per_second=True, update_freq=2)
    history = model.fit(X, Y, epochs=3, batch_size=2, verbose=0, validation_data=(X, Y), callbacks=[board])
    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    for events, tag, key in ((train, "epoch_loss", "loss"), (validation, "epoch_loss", "val_loss")):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert found == [(i, pytest.approx(v)) for i, v in enumerate(history.history[key])]
    assert [e.value for e in train.Scalars("epoch_learning_rate")] == [pytest.approx(0.1)] * 3
    assert [e.step for e in train.Scalars("batch_loss")] == [2, 4, 6, 8, 10, 12]
    assert [e.step for e in validation.Scalars("evaluation_loss_vs_iterations")] == [4, 8, 12]
    assert all(e.value > 0 for e in train.Scalars("epoch_steps_per_second"))
    assert train.Histograms("net/hidden/kernel/histogram")[2].histogram_value.num == 6
    picture = train.Images("net/hidden/kernel/image")[0]
    assert (picture.height, picture.width) == (2, 3) and picture.encoded_image_string.startswith(b"\x89PNG")
    graph = json.loads(train.Tensors("keras")[0].tensor_proto.string_val[0])
    assert graph["class_name"] == "Sequential"


def test_less_is_written_by_default(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    make().fit(X, Y, epochs=1, verbose=0, callbacks=[TensorBoard(str(tmp_path), write_graph=False)])
    events = read(tmp_path / "train")
    assert sorted(events.Tags()["scalars"]) == ["epoch_learning_rate", "epoch_loss"]
    assert not events.Tags()["histograms"] and not events.Tags()["tensors"]
    assert not (tmp_path / "validation").exists()


def test_tables_for_the_projector(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("pronghorn_layers")
    from pronghorn.layers import Embedding

    model = Sequential([Input((3,)), Embedding(5, 2, name="words"), Affine(1)])
    model.compile(Descent(0.1), squares)
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.txt"})
    model.fit(np.ones((4, 3), "int32"), np.ones((4, 3, 1)), verbose=0, callbacks=[board])
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "words.tsv"' in config and 'metadata_path: "words.txt"' in config
    np.testing.assert_allclose(np.loadtxt(tmp_path / "words.tsv"), model.get_weights()[0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"names \['other'\], which are no Embedding layers; there are \['words'\]"):
        TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"other": "f"}).set_model(model)


def test_arguments_of_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotImplementedError, match="profile_batch is not supported"):
        TensorBoard(profile_batch=2)
    with pytest.raises(ValueError, match="update_freq must be 'epoch', 'batch' or a number of batches, got 0"):
        TensorBoard(update_freq=0)
    for name in [n for n in sys.modules if n.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        TensorBoard()
