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
    ("Adam", {"gradient_accumulation_steps": 2, "clipnorm": 0.5, "weight_decay": 0.1}),
    ("SGD", {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2}),
    ("RMSprop", {"learning_rate": 0.02, "rho": 0.7, "epsilon": 0.1, "global_clipnorm": 0.4, "loss_scale_factor": 4.0}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1}),
    ("Adamax", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1}),
    ("Nadam", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 0.1}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.7, "epsilon": 0.1}),
    ("Ftrl", {"learning_rate": 0.1, "learning_rate_power": -0.3, "initial_accumulator_value": 0.5}),
    ("Lion", {"learning_rate": 0.05, "beta_1": 0.5, "beta_2": 0.7, "weight_decay": 0.2}),
    ("Adafactor", {}),
    (
        "Adafactor",
        {"learning_rate": 0.7, "beta_2_decay": -0.5, "clip_threshold": 0.5, "epsilon_1": 0.1, "epsilon_2": 1.0},
    ),
    ("Lamb", {}),
    ("Lamb", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1, "weight_decay": 0.1}),
    ("Muon", {}),
    (
        "Muon",
        {
            "learning_rate": 0.1,
            "adam_beta_1": 0.5,
            "adam_beta_2": 0.7,
            "adam_weight_decay": 0.3,
            "weight_decay": 0.1,
            "epsilon": 0.1,
            "momentum": 0.5,
            "ns_steps": 3,
            "nesterov": False,
            "rms_rate": None,
            "adam_lr_ratio": 0.5,
            "muon_a": 3.0,
            "muon_b": -4.0,
            "muon_c": 2.0,
        },
    ),
    ("Muon", {"learning_rate": 0.1, "exclude_layers": ["w0"], "adam_weight_decay": None, "exclude_embeddings": False}),
    ("ScheduleFreeAdamW", {}),
    (
        "ScheduleFreeAdamW",
        {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1, "warmup_steps": 3, "weight_decay": 0.1},
    ),
]

EXCLUDED = [
    ("AdamW", {"learning_rate": 0.1, "weight_decay": 0.2}),
    ("SGD", {"weight_decay": 0.5}),
    ("Muon", {"learning_rate": 0.1}),
]
"""With w1 spared from weight decay."""

HALF = [
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("RMSprop", {"learning_rate": 0.02}),
    ("Adam", {"learning_rate": 0.1}),
    ("Lion", {"learning_rate": 0.05}),
]
"""With variables of float16 and bfloat16."""

LOSS_SCALES = [("Adam", {"initial_scale": 8.0, "dynamic_growth_steps": 2}), ("SGD", {"initial_scale": 4.0})]
"""Inner optimizer and options; the second step has an infinite gradient."""

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
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 6, "end_learning_rate": 0.02, "power": 0.5}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "warmup_target": 0.4}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 10, "warmup_target": 0.4, "warmup_steps": 4},
    ),
    (
        "CosineDecayRestarts",
        RESTARTS | {"m_mul": 0.5, "alpha": 0.1},
    ),
    ("CosineDecayRestarts", RESTARTS | {"t_mul": 1.0}),
    ("CosineDecayRestarts", RESTARTS | {"t_mul": 1.5, "m_mul": 0.8}),
]
STEPS = [0, 1, 3, 5, 6, 7, 9, 11, 13, 25]


def plain(x):
    """Lists of the shortest numbers that give the same float32."""
    x = np.asarray(x)
    if x.dtype.name in ("bfloat16", "float16"):
        x = x.astype("float32")
    if x.dtype != np.float32:
        return x.tolist()
    return np.array([float(str(v)) for v in x.ravel()]).reshape(x.shape).tolist()


def write(value):
    """JSON with a line for each case."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"


def optimizer_case(name, options, exclude=None, dtype="float32"):
    optimizer = getattr(keras.optimizers, name)(**options)
    variables = [keras.Variable(w, dtype=dtype, name=f"w{k}") for k, w in enumerate(INITIAL)]
    if exclude:
        optimizer.exclude_from_weight_decay(var_names=exclude)
    path = []
    for gradients in GRADIENTS:
        optimizer.apply_gradients(zip(map(keras.ops.array, gradients), variables, strict=True))
        path.append([plain(v.numpy()) for v in variables])
    if exclude or dtype != "float32":
        return {"name": name, "options": options, "exclude": exclude, "dtype": dtype, "path": path}
    return {
        "name": name,
        "options": options,
        "path": path,
        "state": [plain(v.numpy()) for v in optimizer.variables],
        "slots": [v.name for v in optimizer.variables],
        "config": optimizer.get_config() | {"name": None},
    }


def loss_scale_case(name, options):
    optimizer = keras.optimizers.LossScaleOptimizer(getattr(keras.optimizers, name)(0.1), **options)
    variables = [keras.Variable(w, name=f"w{k}") for k, w in enumerate(INITIAL)]
    optimizer.build(variables)
    path, scales = [], []
    for step, gradients in enumerate(GRADIENTS):
        scaled = [g * (np.inf if step == 1 else float(optimizer.scale_loss(1.0))) for g in gradients]
        state = [v.value for v in optimizer.variables]  # on JAX the optimizer works without side effects only
        after = optimizer.stateless_apply(state, list(map(keras.ops.array, scaled)), [v.value for v in variables])
        for v, value in zip([*variables, *optimizer.variables], [*after[0], *after[1]], strict=True):
            v.assign(value)
        path.append([plain(v.numpy()) for v in variables])
        scales.append(float(optimizer.scale_loss(1.0)))
    return {
        "name": name,
        "options": options,
        "path": path,
        "scales": scales,
        "slots": [v.name for v in optimizer.variables],
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
    "variants": [
        *(optimizer_case(*case, exclude=["w1"]) for case in EXCLUDED),
        *(optimizer_case(*case, dtype=dtype) for case in HALF for dtype in ("float16", "bfloat16")),
    ],
    "loss_scales": [loss_scale_case(*case) for case in LOSS_SCALES],
    "steps": STEPS,
    "schedules": [schedule_case(*case) for case in SCHEDULES],
}
lines = [f"{json.dumps(key)}: {write(value)}" for key, value in values.items()]
Path(__file__).with_name("keras_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
