"""Writes what real Keras gives for the scenarios of the modules named here, one file each: <module>.json.

Run with Keras 3.15.1, and TensorFlow beside it for the layers of strings: `KERAS_BACKEND=jax python
make_training_values.py`.
"""

import importlib
import json
import warnings
from pathlib import Path

import keras
from training_scenarios import MODULES, SCENARIOS, plain

warnings.simplefilter("ignore")
for module in MODULES:
    before = set(SCENARIOS) if module != MODULES[0] else set()
    importlib.import_module(module)
    own = {name: run for name, run in SCENARIOS.items() if name not in before}
    lines = []
    for name, run in own.items():
        keras.utils.clear_session()  # names are counted from the first again
        lines.append(f"{json.dumps(name)}: {json.dumps(plain(run(keras)))}")
    Path(__file__).with_name(f"{module}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
