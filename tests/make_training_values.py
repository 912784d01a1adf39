"""Writes training_values.json: what real Keras gives for the scenarios of training_scenarios.py.

Run with Keras 3.15.1: `KERAS_BACKEND=jax python make_training_values.py`.
"""

import json
import warnings
from pathlib import Path

import keras
from training_scenarios import SCENARIOS, plain

warnings.simplefilter("ignore")
lines = [f"{json.dumps(name)}: {json.dumps(plain(run(keras)))}" for name, run in SCENARIOS.items()]
Path(__file__).with_name("training_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
