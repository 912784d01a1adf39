"""`python -m pronghorn`, and the names `keras` and `tensorflow.keras`."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pronghorn.__main__ import main


def python(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=600).stdout


def script(folder: Path, text: str) -> Path:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_run_gives_a_script_pronghorn_for_keras(tmp_path: Path):
    (tmp_path / "neighbour.py").write_text("VALUE = 42")
    path = script(
        tmp_path,
        """
            import sys
            import keras, keras.layers, keras.optimizers.schedules
            import tensorflow as tf
            from keras import losses
            from tensorflow import keras as tf_keras
            from tensorflow.keras import callbacks
            from tensorflow.keras.optimizers import schedules
            import pronghorn, pronghorn.callbacks, pronghorn.losses, pronghorn.optimizers.schedules
            import neighbour

            assert keras is tf_keras is tf.keras is pronghorn
            assert keras.layers is sys.modules["pronghorn.layers"] is tf.keras.layers
            assert losses is pronghorn.losses and callbacks is pronghorn.callbacks
            assert schedules is keras.optimizers.schedules is pronghorn.optimizers.schedules
            assert pronghorn.layers.__spec__.name == "pronghorn.layers"
            print(__name__, sys.argv[1:], neighbour.VALUE)
        """,
    )
    assert python("-m", "pronghorn", "run", str(path), "--epochs", "3") == "__main__ ['--epochs', '3'] 42\n"


def test_a_script_may_start_processes(tmp_path: Path):
    """They are started anew and execute the script again, which needs its keras there too."""
    script(
        tmp_path,
        """
            import multiprocessing
            import os
            import sys

            import keras
            import numpy as np
            from pronghorn.testing.layers import Affine, Descent, squared_error

            class Data(keras.utils.PyDataset):
                def __len__(self):
                    return 3

                def __getitem__(self, index):
                    return np.full((2, 3), index, "float32"), np.zeros((2, 1), "float32")

            def where(number):
                return number, keras.__name__, __name__, os.path.basename(__file__), sys.argv[1:]

            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    print(*pool.map(where, [7]))
                os.chdir(os.path.dirname(os.getcwd()))
                sys.argv = ["other"]
                model = keras.Sequential([Affine(1)])
                model.compile(Descent(0.1), squared_error)
                history = model.fit(Data(workers=2, use_multiprocessing=True), verbose=0)
                print(np.isfinite(history.history["loss"][0]))
        """,
    )
    command = [sys.executable, "-m", "pronghorn", "run", "script.py", "--fast"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.stdout == "(7, 'pronghorn', '__mp_main__', 'script.py', ['--fast'])\nTrue\n", done.stderr


def test_an_error_of_a_script_shows_the_frames_of_the_script(tmp_path: Path):
    path = script(tmp_path, "def wrong():\n    raise ValueError('mine')\n\nwrong()\n")
    done = subprocess.run(
        [sys.executable, "-m", "pronghorn", "run", str(path)], capture_output=True, text=True, timeout=600
    )
    plain = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=600)
    assert (done.stderr, done.returncode) == (plain.stderr, 1)


def test_what_is_no_script_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    expected = {
        "missing.py": "there is no script 'missing.py'",
        "-": "there is no script '-'",
        str(tmp_path): f"'{tmp_path}' is a folder, not a script",
    }
    for name, sentence in expected.items():
        with pytest.raises(SystemExit):
            main(["run", name])
        assert sentence in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run"])
    assert capsys.readouterr().err.endswith("the following arguments are required: script\n")


def test_modules_that_are_shown_can_be_imported(tmp_path: Path):
    """Also under names that Keras had until Keras 2."""
    path = script(
        tmp_path,
        """
            import keras.utils.bounding_boxes
            import pronghorn.utils.bounding_boxes
            import tensorflow.keras.utils.bounding_boxes
            from keras.engine import InputSpec
            from keras.engine.topology import Layer
            from keras.layers.core import Input
            from keras.utils import np_utils
            from keras.utils.np_utils import to_categorical
            from keras.utils.bounding_boxes import compute_iou

            import pronghorn_utils.bounding_boxes

            assert keras.utils.bounding_boxes is pronghorn_utils.bounding_boxes
            assert keras.utils.bounding_boxes.__spec__.name == "pronghorn_utils.bounding_boxes"
            assert np_utils is keras.utils
            assert to_categorical is keras.utils.to_categorical
            assert Layer is keras.Layer and Input is keras.Input and InputSpec is keras.InputSpec
            for attempt in ("from keras.utils import nonsense", "import keras.utils.nonsense"):
                try:
                    exec(attempt)
                except ImportError as error:
                    print(error)
        """,
    )
    name, module = python("-m", "pronghorn", "run", str(path)).splitlines()
    assert name.startswith("cannot import name 'nonsense' from 'pronghorn.utils'")
    assert module == "Pronghorn has no module 'keras.utils.nonsense'"


def test_data_sets_can_be_imported_as_modules(tmp_path: Path):
    pytest.importorskip("pronghorn_datasets")
    path = script(
        tmp_path,
        """
            import keras.datasets.mnist
            import tensorflow.keras.datasets.imdb
            from keras.datasets.boston_housing import load_data
            print(keras.datasets.mnist.__name__, load_data.__module__)
        """,
    )
    printed = python("-m", "pronghorn", "run", str(path))
    assert printed == "pronghorn_datasets.mnist pronghorn_datasets.boston_housing\n"


def test_tensorboard_does_not_take_the_stand_in_for_tensorflow(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="the event files are written by tensorboard")
    pytest.importorskip("pronghorn_callbacks", reason="the callback is there")
    path = script(
        tmp_path,
        """
            import sys
            import numpy as np
            from tensorflow import keras
            from pronghorn.testing.layers import Affine, Descent, squared_error

            model = keras.Sequential([Affine(1)])
            model.compile(Descent(0.1), squared_error)
            board = keras.callbacks.TensorBoard(sys.argv[1])
            model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[board])
        """,
    )
    python("-m", "pronghorn", "run", str(path), str(tmp_path / "logs"))
    assert list((tmp_path / "logs" / "train").glob("events.*"))


def test_what_pronghorn_has_not_is_refused_with_a_reason(tmp_path: Path):
    path = script(
        tmp_path,
        """
            import tensorflow as tf
            for attempt in ("import keras.nonsense", "import tensorflow.data", "tf.data"):
                try:
                    exec(attempt)
                except (ImportError, AttributeError) as error:
                    print(type(error).__name__, error)
        """,
    )
    missing, data, attribute = python("-m", "pronghorn", "run", str(path)).splitlines()
    assert missing == "ModuleNotFoundError Pronghorn has no module 'keras.nonsense'"
    assert data.startswith("ModuleNotFoundError tensorflow.data: Pronghorn stands in for tensorflow.keras")
    assert attribute.startswith("AttributeError tensorflow.data: Pronghorn stands in for tensorflow.keras")


def test_a_plain_import_takes_no_name():
    code = "import sys, pronghorn; print({'keras', 'tensorflow'} & sys.modules.keys())"
    assert python("-c", code) == "set()\n"


def test_it_is_too_late_once_another_keras_is_imported():
    code = """
        import sys, types
        sys.modules["keras"] = types.ModuleType("keras")
        import pronghorn
        try:
            pronghorn.install_as_keras()
        except RuntimeError as error:
            print(error)
    """
    assert "keras is imported already" in python("-c", textwrap.dedent(code))


def test_everything_can_be_imported_at_once(tmp_path: Path):
    pytest.importorskip("pronghorn_layers")  # where the class Regularizer is
    path = script(
        tmp_path,
        """
            import keras
            from keras import *
            from keras.models import *

            assert Layer is layers.Layer is keras.Layer and clone_model is keras.models.clone_model
        """,
    )
    python("-m", "pronghorn", "run", str(path))


def test_libraries_find_the_version_of_the_api_and_private_modules_nearby():
    pytest.importorskip("pronghorn_layers")
    code = """
        import pronghorn
        pronghorn.install_as_keras(tensorflow=False)
        import keras
        from keras.src import layers, ops
        from keras.src.layers.core.dense import Dense
        from keras.src.models import Model
        try:
            import tensorflow
        except ModuleNotFoundError:
            tensorflow = None
        assert keras.version() == keras.__version__ >= "3.15"
        assert Dense is layers.Dense is keras.layers.Dense and Model is keras.Model and ops is keras.ops
        assert not hasattr(tensorflow, "keras")
    """
    python("-c", textwrap.dedent(code))


def test_info_names_versions_and_devices(capsys: pytest.CaptureFixture[str]):
    main(["info"])
    printed = capsys.readouterr().out
    assert "pronghorn-core 0.1.0" in printed
    assert "accelerator numpy: available" in printed
