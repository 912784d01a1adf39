"""Writes keras_values.json: what real Keras computes.

Run with Keras 3.15.1: `KERAS_BACKEND=jax python make_keras_values.py`.
"""

import json
from pathlib import Path

import keras
import numpy as np

rng = np.random.default_rng(3)
INITIAL = [rng.normal(size=shape).round(3).astype("float32") for shape in ((2, 3), (3,))]
GRADIENTS = [[rng.normal(size=w.shape).round(3).astype("float32") for w in INITIAL] for _ in range(4)]

OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"learning_rate": 0.02, "momentum": 0.8, "centered": True}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.1, "amsgrad": True}),
    ("AdamW", {"learning_rate": 0.1, "weight_decay": 0.2}),
    ("Adamax", {"learning_rate": 0.1}),
    ("Nadam", {"learning_rate": 0.1}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 0.05,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.2,
            "beta": 0.3,
        },
    ),
    ("Lion", {"learning_rate": 0.05}),
    ("Adam", {"clipnorm": 0.5}),
    ("Adam", {"global_clipnorm": 0.5}),
    ("Adam", {"clipvalue": 0.3}),
    ("Adam", {"weight_decay": 0.1}),
    ("Adam", {"loss_scale_factor": 8.0}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.8}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2}),
    ("Adam", {"gradient_accumulation_steps": 2}),
]

DECAY = {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.7}
RESTARTS = {"initial_learning_rate": 0.1, "first_decay_steps": 4}
SCHEDULES = [
    ("ExponentialDecay", DECAY),
    (
        "ExponentialDecay",
        DECAY | {"staircase": True},
    ),
    ("InverseTimeDecay", DECAY),
    (
        "InverseTimeDecay",
        DECAY | {"staircase": True},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [3, 8], "values": [1.0, 0.5, 0.25]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.1}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 10, "warmup_target": 0.4, "warmup_steps": 4},
    ),
    (
        "CosineDecayRestarts",
        RESTARTS | {"m_mul": 0.5, "alpha": 0.1},
    ),
    ("CosineDecayRestarts", RESTARTS | {"t_mul": 1.0}),
]
STEPS = [0, 1, 3, 5, 6, 7, 9, 11, 13, 25]


def plain(x):
    """Lists of the shortest numbers that give the same float32."""
    x = np.asarray(x)
    if x.dtype != np.float32:
        return x.tolist()
    return np.array([float(str(v)) for v in x.ravel()]).reshape(x.shape).tolist()


def write(value):
    """JSON with a line for each case."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"


def optimizer_case(name, options):
    optimizer = getattr(keras.optimizers, name)(**options)
    variables = [keras.Variable(w, name=f"w{k}") for k, w in enumerate(INITIAL)]
    path = []
    for gradients in GRADIENTS:
        optimizer.apply_gradients(zip(map(keras.ops.array, gradients), variables, strict=True))
        path.append([plain(v.numpy()) for v in variables])
    return {
        "name": name,
        "options": options,
        "path": path,
        "state": [plain(v.numpy()) for v in optimizer.variables],
        "slots": [v.name for v in optimizer.variables],
        "config": optimizer.get_config() | {"name": None},
    }


def schedule_case(name, options):
    schedule = getattr(keras.optimizers.schedules, name)(**options)
    return {
        "name": name,
        "options": options,
        "rates": [plain(schedule(step)) for step in STEPS],
        "config": schedule.get_config(),
    }


values = {
    "initial": [plain(w) for w in INITIAL],
    "gradients": [[plain(g) for g in gradients] for gradients in GRADIENTS],
    "optimizers": [optimizer_case(*case) for case in OPTIMIZERS],
    "steps": STEPS,
    "schedules": [schedule_case(*case) for case in SCHEDULES],
}
lines = [f"{json.dumps(key)}: {write(value)}" for key, value in values.items()]
Path(__file__).with_name("keras_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
