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


def test_run_gives_a_script_pronghorn_for_keras(tmp_path: Path):
    (tmp_path / "neighbour.py").write_text("VALUE = 42")
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
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
        """)
    )
    assert python("-m", "pronghorn", "run", str(script), "--epochs", "3") == "__main__ ['--epochs', '3'] 42\n"


def test_what_pronghorn_has_not_is_refused_with_a_reason(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import tensorflow as tf
            for attempt in ("import keras.nonsense", "import tensorflow.data", "tf.data"):
                try:
                    exec(attempt)
                except (ImportError, AttributeError) as error:
                    print(type(error).__name__, error)
        """)
    )
    missing, data, attribute = python("-m", "pronghorn", "run", str(script)).splitlines()
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


def test_info_names_versions_and_devices(capsys: pytest.CaptureFixture[str]):
    main(["info"])
    printed = capsys.readouterr().out
    assert "pronghorn-core 0.1.0" in printed
    assert "accelerator numpy: available" in printed
