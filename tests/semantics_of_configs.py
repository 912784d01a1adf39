"""get_config of whatever the registry has: keys and values are Keras's."""

from __future__ import annotations

import inspect
from typing import Any

from training_scenarios import scenario

ARGUMENTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "layers": {
        **{f"{kind}{rank}D": (2, 3) for rank in (1, 2, 3) for kind in ("Conv", "SeparableConv", "ConvLSTM")},
        **{f"Conv{rank}DTranspose": (2, 3) for rank in (1, 2, 3)},
        **{
            f"{kind}{rank}D": (2,)
            for rank in (1, 2, 3)
            for kind in "DepthwiseConv MaxPooling AveragePooling AdaptiveMaxPooling AdaptiveAveragePooling".split()
        },
        **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "Dense"), (3,)),
        **dict.fromkeys(("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "RandomRotation"), (0.5,)),
        **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "RandomZoom"), (0.5,)),
        **dict.fromkeys(("RandomContrast", "RandomBrightness", "RandomHue", "RandomSharpness"), (0.1,)),
        "RandomSaturation": (0.1,),
        **dict.fromkeys(("Resizing", "CenterCrop", "Embedding", "ReversibleEmbedding"), (3, 4)),
        "RandomColorDegeneration": (0.1,), "EinsumDense": ("abc,cd->abd", (None, 3)), "Activation": ("relu",),
        "MultiHeadAttention": (2, 3), "GroupQueryAttention": (2, 4, 2), "Permute": ((1, 2),), "Reshape": ((2, 3),),
        "RepeatVector": (2,), "Rescaling": (2.0,), "CategoryEncoding": (4,), "Discretization": ([0.0, 1.0],),
        "Hashing": (3,), "HashedCrossing": (3,), "Dot": (1,), "RandomTranslation": (0.1, 0.1),
        "RandomPosterization": (4,), "Cropping1D": (1,), "UpSampling1D": (2,), "RandomCrop": (3, 4, 5),
    },
    "initializers": {"Constant": (0.5,)},
    "constraints": {},
    "regularizers": {"L1L2": (0.1, 0.2)},
    "losses": {},
    "metrics": {
        "IoU": (2, [0]), "OneHotIoU": (2, [0]),
        **dict.fromkeys(("MeanIoU", "OneHotMeanIoU"), (2,)),
        **dict.fromkeys(("SensitivityAtSpecificity", "SpecificityAtSensitivity"), (0.5,)),
        **dict.fromkeys(("PrecisionAtRecall", "RecallAtPrecision"), (0.5,)),
    },
    "optimizers": {},
    "optimizers.schedules": {
        "ExponentialDecay": (0.1, 10, 0.5), "InverseTimeDecay": (0.1, 10, 0.5), "PolynomialDecay": (0.1, 10),
        "CosineDecay": (0.1, 10), "CosineDecayRestarts": (0.1, 10), "PiecewiseConstantDecay": ([5], [1.0, 2.0]),
    },
}  # fmt: skip
"""Arguments of those that need some."""

NESTED: dict[str, Any] = {
    "Bidirectional": lambda L: L.Bidirectional(L.LSTM(2, name="l"), name="x"),
    "TimeDistributed": lambda L: L.TimeDistributed(L.Dense(2, name="d"), name="x"),
    "Wrapper": lambda L: L.Wrapper(L.Dense(2, name="d"), name="x"),
    "RNN": lambda L: L.RNN(L.LSTMCell(2, name="c"), name="x"),
    "StackedRNNCells": lambda L: L.StackedRNNCells([L.LSTMCell(2, name="c")], name="x"),
    "SpectralNormalization": lambda L: L.SpectralNormalization(L.Dense(2, name="d"), name="x"),
    "Pipeline": lambda L: L.Pipeline([L.Dense(2, name="d")], name="x"),
    "Lambda": lambda L: L.Lambda(abs, name="x"),
}
LEFT_OUT = {
    *(
        "InputLayer",
        "InputSpec",
        "Layer",
        "Lambda",
        "Optimizer",
        "LossScaleOptimizer",
        "OptimizerMap",
        "MultiOptimizer",
    ),
    *("LearningRateSchedule", "Loss", "Metric", "MeanMetricWrapper", "MeanRelativeError", "Regularizer", "Initializer"),
    *("Constraint", "RandomInitializer"),
    *("Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense", "ThresholdedReLU"),  # of Keras 1 and 2
    "MaxNumBoundingBoxes",  # of which Keras forgets an argument
    *("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"),  # of other frameworks
}
"""Base classes, what is made of other objects, and layers of the frameworks below Keras."""


def configs(keras: Any, module: str) -> dict[str, Any]:
    where, found = keras, {}
    for part in module.split("."):
        where = getattr(where, part)
    for name in sorted(name for name in dir(where) if name[0].isupper()):
        kind = getattr(where, name)
        own = inspect.isclass(kind) and kind.__name__ == name and name not in LEFT_OUT
        if not own or not kind.__module__.startswith(("keras.", "pronghorn")):
            continue
        named = module in ("layers", "losses", "metrics", "optimizers")
        options = {"name": "x"} if named else {}
        if name in NESTED:
            made = NESTED[name](where)
        else:
            made = kind(*ARGUMENTS[module].get(name, ()), **options)
        found[name] = made.get_config()
    return found


@scenario
def configs_of_layers(keras: Any) -> Any:
    return configs(keras, "layers")


@scenario
def configs_of_losses_and_metrics(keras: Any) -> Any:
    return {"losses": configs(keras, "losses"), "metrics": configs(keras, "metrics")}


@scenario
def configs_of_the_others(keras: Any) -> Any:
    modules = ("initializers", "constraints", "regularizers", "optimizers", "optimizers.schedules")
    return {module: configs(keras, module) for module in modules}
