"""Every argument of every layer is that of Keras, and changes what the layer does, or says that it is not supported.

For each layer there is a baseline, and for each argument another value; what can be seen of the two layers must differ:
outputs in inference and in training, a second batch, shapes, dtypes, masks, losses, weights before and after, and what
regularizers, constraints and the policy do. The config does not count.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, naming, ops, plugins, random, tree
from pronghorn.layer import Layer, get_mask, set_mask
from pronghorn.tensor import convert_to_tensor
from pronghorn.testing.kernels import using_accelerator

SIGNATURES = json.loads((Path(__file__).with_name("fixtures") / "signatures.json").read_text())
OWN = {name for name, found in plugins.references("layers").items() if found.target.startswith("pronghorn_layers.")}


def arguments(function: Any) -> list[list[Any]]:
    """Name and plain default of each argument, but for *args and **kwargs."""
    import inspect

    found = list(inspect.signature(function.__init__ if inspect.isclass(function) else function).parameters.values())
    named = [p for p in found[inspect.isclass(function) :] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    plain = (bool, int, float, str, tuple, list, type(None))
    return [[p.name, p.default] if isinstance(p.default, plain) else [p.name] for p in named]


@pytest.mark.parametrize("module", SIGNATURES)
def test_arguments_are_those_of_keras_in_order_with_their_defaults(module: str) -> None:
    facade = getattr(keras, module)
    for name, expected in SIGNATURES[module].items():
        if module == "layers" and name not in OWN and name[0].isupper():
            continue  # of another distribution, or not there
        found = json.loads(json.dumps(arguments(getattr(facade, name))))
        ours = [argument for argument in found if argument[0] in {e[0] for e in expected}]
        assert [a[0] for a in ours] == [e[0] for e in expected], (name, found, expected)
        wrong = [(e, a) for e, a in zip(expected, ours, strict=True) if len(e) == 2 and e != a]
        assert not wrong or (name, module) in ALIASES, (name, wrong)


ALIASES = {("QuantizedFloat8DTypePolicy", "dtype_policies")}
"""What is one of several names of a class that has the arguments of all."""

# ------------------------------------------------------------------------------------------------ what a layer does


class Base(NamedTuple):
    """How a layer is made and called."""

    arguments: dict[str, Any]
    shapes: Any = (2, 4, 3)
    ids: int = 0
    call: dict[str, Any] = {}
    mask: bool = False
    images: bool = False
    spread: bool = False
    """Whether the inputs are separate arguments."""


def squares(x: Any, by: float = 1.0) -> Any:
    return x * x * by


def inputs(base: Base) -> Any:
    rng = np.random.RandomState(0)

    def draw(shape: Any) -> Any:
        if isinstance(shape, list):
            return [draw(each) for each in shape]
        if base.ids:
            x = rng.randint(0, base.ids, shape)
        else:
            x = (rng.uniform(0, 255, shape) if base.images else rng.normal(size=shape)).astype("float32")
        t = convert_to_tensor(x)
        if base.mask:
            set_mask(t, convert_to_tensor(np.arange(shape[1]) < shape[1] - np.arange(shape[0])[:, None] - 1))
        return t

    return draw(base.shapes)


@functools.cache
def plain_behaviour(name: str, argument: str) -> list[Any]:
    """Of the baseline, computed once for all arguments that need no others besides."""
    base = BASES[name]
    return behaviour(getattr(layers, name), base._replace(arguments={**base.arguments, **also(name, argument)}), {})


def behaviour(make: Any, base: Base, options: dict[str, Any]) -> list[Any]:
    """All that can be seen of a layer, as plain values."""
    naming.reset_names()
    random.set_global_seed(0)
    layer: Any = make(**{**base.arguments, **options})
    seen: list[Any] = [layer.name]
    data = inputs(base)
    given = data if base.spread else [data]
    for training in (False, False, True):
        call = {**base.call, **({"training": training} if _takes_training(layer) else {})}
        for y in tree.flatten(layer(*given, **call)):
            seen += [y.shape, y.dtype, ops.cast(y, "float64").numpy().tolist()]
            seen.append(None if get_mask(y) is None else get_mask(y).numpy().tolist())
        seen.append([float(loss) for loss in layer.losses])
    probe = np.random.RandomState(1)
    seen.append([v.path for v in layer.trainable_variables])
    for v in layer.weights:
        value = convert_to_tensor(probe.normal(size=v.shape).astype(v.dtype))
        seen += [v.shape, v.dtype, v.numpy().tolist()]
        for function in (getattr(v, "regularizer", None), getattr(v, "constraint", None)):
            seen.append(None if function is None else np.asarray(function(value)).tolist())
    return seen


def _takes_training(layer: Layer) -> bool:
    import inspect

    return "training" in inspect.signature(layer.call).parameters


# ------------------------------------------------------------------------------------------------ the table

IMAGES = Base({}, (8, 3, 5, 3), images=True)
SHAPES = {1: (2, 7, 4), 2: (2, 7, 5, 4), 3: (2, 4, 7, 5, 4)}


def _spatial() -> dict[str, Base]:
    found = {}
    for rank, shape in SHAPES.items():
        for name, options in {
            "Conv{}D": {"filters": 2, "kernel_size": 2},
            "Conv{}DTranspose": {"filters": 2, "kernel_size": 3, "strides": 2},
            "DepthwiseConv{}D": {"kernel_size": 2},
            "SeparableConv{}D": {"filters": 2, "kernel_size": 2},
            "MaxPooling{}D": {"pool_size": 2},
            "AveragePooling{}D": {"pool_size": 2},
            "GlobalMaxPooling{}D": {},
            "GlobalAveragePooling{}D": {},
            "AdaptiveMaxPooling{}D": {"output_size": 2},
            "AdaptiveAveragePooling{}D": {"output_size": 2},
            "ZeroPadding{}D": {},
            "Cropping{}D": {"cropping": 1},
            "UpSampling{}D": {},
        }.items():
            found[name.format(rank)] = Base(options, shape)
        sample = (2, 2, *shape[1:]) if rank < 3 else (2, 2, 3, 3, 3, 2)
        found[f"ConvLSTM{rank}D"] = Base({"filters": 2, "kernel_size": 2}, sample)
        found[f"SpatialDropout{rank}D"] = Base({"rate": 0.5}, shape)
    return found


BASES: dict[str, Base] = {
    **_spatial(),
    "Activation": Base({"activation": "relu"}),
    "ActivityRegularization": Base({"l1": 0.1, "l2": 0.1}),
    "AdditiveAttention": Base({}, [(2, 3, 4), (2, 5, 4)]),
    "AlphaDropout": Base({"rate": 0.5}),
    "Attention": Base({}, [(2, 3, 4), (2, 5, 4)]),
    "AugMix": IMAGES._replace(arguments={"num_chains": 2, "chain_depth": 3, "seed": 3, "factor": 0.9}),
    "AutoContrast": IMAGES,
    "BatchNormalization": Base({}),
    "Bidirectional": Base({"layer": layers.LSTM(2)}),
    "CategoryEncoding": Base({"num_tokens": 5}, ids=5, shapes=(2, 3)),
    "CenterCrop": IMAGES._replace(arguments={"height": 1, "width": 3}),
    "Concatenate": Base({}, [(2, 3, 4), (2, 3, 4)]),
    "CutMix": IMAGES._replace(arguments={"seed": 1}),
    "Dense": Base({"units": 3}),
    "Discretization": Base({"bin_boundaries": [-0.5, 0.5]}, (2, 3)),
    "Dot": Base({"axes": 2}, [(2, 4, 4), (2, 4, 4)]),
    "Dropout": Base({"rate": 0.5}),
    "EinsumDense": Base({"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"}),
    "Embedding": Base({"input_dim": 5, "output_dim": 3}, (2, 4), ids=5),
    "Equalization": IMAGES,
    "GRU": Base({"units": 3}, mask=True),
    "GRUCell": Base({"units": 3}, [(2, 4), [(2, 3)]], spread=True),
    "GaussianDropout": Base({"rate": 0.5}),
    "GaussianNoise": Base({"stddev": 0.5}),
    "GroupNormalization": Base({"groups": 2}, (2, 3, 4)),
    "GroupQueryAttention": Base(
        {"head_dim": 4, "num_query_heads": 2, "num_key_value_heads": 1}, [(2, 3, 4), (2, 3, 4)], spread=True
    ),
    "LSTM": Base({"units": 3}, mask=True),
    "LSTMCell": Base({"units": 3}, [(2, 4), [(2, 3), (2, 3)]], spread=True),
    "Lambda": Base({"function": squares}),
    "LayerNormalization": Base({}),
    "Masking": Base({}, (2, 4, 1), ids=3),
    "MixUp": IMAGES._replace(arguments={"seed": 1}),
    "MultiHeadAttention": Base({"num_heads": 2, "key_dim": 3}, [(2, 3, 4)] * 2, spread=True),
    "Normalization": Base({}),
    "PReLU": Base({"alpha_initializer": "ones"}),
    "Permute": Base({"dims": (2, 1)}),
    "Pipeline": Base({"layers": [layers.Dense(2)]}),
    "RMSNormalization": Base({}),
    "RNN": Base({"cell": layers.SimpleRNNCell(3)}, mask=True),
    "RandAugment": IMAGES._replace(arguments={"seed": 1, "factor": 0.9, "num_ops": 6}),
    "RandomColorJitter": IMAGES._replace(arguments={"seed": 1, "brightness_factor": 0.5}),
    "RandomCrop": IMAGES._replace(arguments={"height": 1, "width": 3, "seed": 1}),
    "RandomErasing": IMAGES._replace(arguments={"seed": 1}),
    "RandomFlip": IMAGES._replace(arguments={"seed": 1}),
    "RandomGrayscale": IMAGES._replace(arguments={"seed": 1}),
    "RandomPerspective": IMAGES._replace(arguments={"seed": 1}),
    "RandomPosterization": IMAGES._replace(arguments={"factor": (2, 4), "seed": 1}),
    "RandomShear": IMAGES._replace(arguments={"x_factor": 0.5, "y_factor": 0.5, "seed": 1}),
    "RandomTranslation": IMAGES._replace(arguments={"height_factor": 0.5, "width_factor": 0.5, "seed": 1}),
    "RandomZoom": IMAGES._replace(arguments={"height_factor": 0.5, "seed": 1}),
    "ReLU": Base({}),
    "RepeatVector": Base({"n": 2}, (2, 4)),
    "Rescaling": Base({"scale": 0.5}),
    "Reshape": Base({"target_shape": (2, 6)}),
    "Resizing": IMAGES._replace(arguments={"height": 4, "width": 3}),
    "ReversibleEmbedding": Base({"input_dim": 5, "output_dim": 3}, (2, 3), call={"reverse": True}),
    "SimpleRNN": Base({"units": 3}, mask=True),
    "SimpleRNNCell": Base({"units": 3}, [(2, 4), [(2, 3)]], spread=True),
    "Solarization": IMAGES._replace(arguments={"addition_factor": 0.2, "threshold_factor": 0.5, "seed": 1}),
    "SpectralNormalization": Base({"layer": layers.Dense(3)}),
    "StackedRNNCells": Base({"cells": [layers.SimpleRNNCell(3)]}, [(2, 4), [(2, 3)]], spread=True),
    "TimeDistributed": Base({"layer": layers.Dense(2)}),
    "Wrapper": Base({"layer": layers.Dense(2)}),
}
SPECTRA: dict[str, Any] = {
    "fft_length": 64, "sequence_stride": 20, "sequence_length": 20, "window": "hamming", "sampling_rate": 800,
    "num_mel_bins": 5, "min_freq": 100.0, "max_freq": 300.0, "power_to_db": False, "top_db": 1.0, "mag_exp": 1.0,
    "min_power": 5.0, "ref_power": 2.0, "mode": "psd", "frame_length": 8, "frame_step": 3, "periodic": True,
    "scaling": "spectrum", "expand_dims": True,
}  # fmt: skip
BASES["MelSpectrogram"] = Base(
    {"fft_length": 32, "sequence_stride": 16, "num_mel_bins": 4, "sampling_rate": 1000}, (2, 90)
)
BASES["STFTSpectrogram"] = Base({"frame_length": 16}, (2, 40, 30))
EQUALIZED = "ContrastLimitedAdaptiveHistogramEqualization"
BASES[EQUALIZED] = IMAGES._replace(arguments={"tile_grid_size": (2, 2)})
BASES["MaxNumBoundingBoxes"] = IMAGES._replace(arguments={"max_number": 2})
OTHERS: dict[str, Any] = {
    "RandomGaussianBlur": {"seed": 1},
    "RandomElasticTransform": {"seed": 1},
    "RandomInvert": {"seed": 1},
}
for _name in OWN:
    if _name not in BASES and _name[0].isupper():
        _drawn = {"factor": 0.5, "seed": 1} if ["factor"] in SIGNATURES["layers"].get(_name, []) else {}
        BASES[_name] = IMAGES._replace(arguments=OTHERS.get(_name, _drawn)) if _name.startswith("Random") else Base({})

INITIAL, PENALTY, LIMIT = {"class_name": "Constant", "config": {"value": 0.7}}, "l2", "unit_norm"
VALUES: dict[str, Any] = {
    "activation": "softsign", "activity_regularizer": "l2", "addition_factor": 0.5, "all_ops": False, "alpha": 0.5,
    "antialias": True, "attention_axes": (1,), "axes": 1, "axis": 1, "bias_axes": None, "bins": 8,
    "bin_boundaries": [0.0, 0.1], "brightness_factor": 0.1, "center": False, "chain_depth": 2, "contrast_factor": 0.5,
    "crop_to_aspect_ratio": True, "cropping": 0, "data_format": "channels_first", "depth_multiplier": 2,
    "dilation_rate": 2, "dims": (1, 2), "dropout": 0.5, "dtype": "float64", "epsilon": 0.5, "equation": "abc,cd->adb",
    "factor": 0.0, "fill_mode": "constant", "fill_value": 9.0, "filters": 4, "flash_attention": True, "groups": 2,
    "go_backwards": True, "head_dim": 2, "height": 2, "height_factor": 0.1, "hue_factor": 0.5, "input_dim": 6,
    "interpolation": "nearest", "invert": True, "keepdims": True, "kernel_size": 3, "key_dim": 2, "l1": 0.5, "l2": 0.5,
    "logit_soft_cap": 0.01, "lora_alpha": 2.0, "lora_rank": 2, "mask_value": 1, "mask_zero": True, "max_value": 0.5,
    "mean": 1.0, "merge_mode": "sum", "mode": "vertical", "momentum": 0.5, "n": 3, "name": "other",
    "negative_slope": 0.7, "noise_shape": (None, 1, 1), "normalize": True, "num_chains": 3, "num_heads": 1,
    "num_key_value_heads": 2, "num_ops": 3, "num_query_heads": 4, "num_tokens": 6, "offset": 1.0, "output_dim": 4,
    "output_mode": "count", "output_padding": 1, "output_shape": 5, "output_size": 3, "pad_to_aspect_ratio": True,
    "padding": "same", "pool_size": 3, "power_iterations": 5, "quantization_config": {"mode": "int8"}, "rate": 0.2,
    "recurrent_activation": "hard_sigmoid", "recurrent_dropout": 0.5, "renorm": True, "renorm_clipping": {"rmax": 2.0},
    "renorm_momentum": 0.5, "reset_after": False, "return_sequences": True, "return_state": True,
    "reverse_dtype": "float64", "saturation_factor": 0.9, "scale": 0.3, "score_mode": "concat", "seed": 7,
    "shared_axes": [1], "sigma": 0.1, "size": 3, "sliding_window": 2, "sparse": True, "stateful": True, "stddev": 1.0,
    "strides": 3, "synchronized": True, "target_shape": (6, 2), "threshold": 0.4, "threshold_factor": 0.1,
    "tie_weights": False, "unit_forget_bias": False, "units": 4, "use_bias": False, "use_cudnn": True, "use_gate": True,
    "use_scale": True, "value_dim": 2, "value_range": (0, 100), "variance": 2.0, "width": 2, "width_factor": 0.1,
    "x_factor": 0.1, "y_factor": 0.1, "zero_output_for_mask": True, "gptq_unpacked_column_size": 3,
}  # fmt: skip
"""Argument -> another value than the baseline's."""
SPECTROGRAMS = ("MelSpectrogram", "STFTSpectrogram")
ADAPTED = ("Dense", "EinsumDense", "Embedding")
SPECIAL: dict[tuple[str, str], Any] = {
    ("ActivityRegularization", "name"): {"name": "other"},
    ("AdditiveAttention", "use_scale"): {"use_scale": False},
    ("AugMix", "seed"): {"seed": 8},
    ("BatchNormalization", "scale"): {"scale": False},
    ("Bidirectional", "backward_layer"): {"backward_layer": layers.LSTM(2, go_backwards=True, activation="relu")},
    ("Bidirectional", "layer"): {"layer": layers.GRU(2)},
    ("Bidirectional", "weights"): {"weights": [np.ones(s) for s in ((3, 8), (2, 8), (8,)) * 2]},
    ("CategoryEncoding", "sparse"): {"sparse": True},
    ("Discretization", "bin_boundaries"): {"bin_boundaries": [0.0, 0.1]},
    ("Discretization", "output_mode"): {"output_mode": "one_hot"},
    ("Discretization", "num_bins"): "it adapts; tested in test_preprocessing",
    ("Discretization", "epsilon"): "it adapts; tested in test_preprocessing",
    ("EinsumDense", "equation"): {"equation": "abc,bcd->abd"},
    ("EinsumDense", "output_shape"): {"output_shape": (None, 4)},
    ("Embedding", "weights"): {"weights": [np.ones((5, 3))]},
    **{(name, "lora_alpha"): "it scales a product that begins with 0; test_lora has it" for name in ADAPTED},
    ("GroupNormalization", "axis"): {"axis": 1, "groups": 1},
    ("GroupNormalization", "groups"): {"groups": 4},
    ("GroupNormalization", "scale"): {"scale": False},
    ("Lambda", "arguments"): {"arguments": {"by": 2.0}},
    ("Lambda", "function"): {"function": ops.sin},
    ("Lambda", "mask"): {"mask": convert_to_tensor(np.ones((2, 4), bool))},
    ("Lambda", "output_shape"): "it is found by tracing, and checked; see the last test",
    ("LayerNormalization", "scale"): {"scale": False},
    ("MixUp", "data_format"): "the batch comes first in both",
    ("MultiHeadAttention", "attention_axes"): "there are no others in sequences; a case of test_values_of_layers has",
    ("Normalization", "axis"): {"axis": 2, "mean": [1.0, 2.0, 3.0], "variance": [1.0, 2.0, 3.0]},
    ("Normalization", "invert"): {"invert": True, "mean": 1.0, "variance": 2.0},
    ("Normalization", "mean"): {"mean": 1.0, "variance": 1.0},
    ("Normalization", "variance"): {"mean": 0.0, "variance": 2.0},
    ("Pipeline", "layers"): {"layers": [layers.Dense(2), layers.Dense(3)]},
    ("RNN", "cell"): {"cell": layers.GRUCell(3)},
    ("RandomColorJitter", "value_range"): {"value_range": (0, 100)},
    ("RandomErasing", "scale"): {"scale": (0.5, 0.6)},
    ("RandomGrayscale", "factor"): {"factor": 0.9},
    ("RandomGaussianBlur", "kernel_size"): {"kernel_size": 5},
    ("RandomInvert", "data_format"): "no pixel has to do with another",
    ("RandomPosterization", "data_format"): "no pixel has to do with another",
    ("RandomPosterization", "factor"): {"factor": 6},
    ("RandomSaturation", "value_range"): {"value_range": (0, 0.5)},
    ("Softmax", "axis"): {"axis": 1},
    ("Resizing", "fill_mode"): "there is one only, others are an error",
    ("ReversibleEmbedding", "mask_zero"): "of the other direction; tested in test_recurrent",
    ("ReversibleEmbedding", "output_dim"): "of the other direction; tested in test_recurrent",
    ("SpectralNormalization", "layer"): {"layer": layers.Dense(4)},
    ("StackedRNNCells", "cells"): {"cells": [layers.SimpleRNNCell(3, activation="relu")]},
    ("TimeDistributed", "layer"): {"layer": layers.Dense(4)},
    **{(name, key): {key: SPECTRA[key]} for name in SPECTROGRAMS for key in SPECTRA},
    (EQUALIZED, "clip_limit"): {"clip_limit": 0.0},
    (EQUALIZED, "tile_grid_size"): {"tile_grid_size": (1, 2)},
    **{("MaxNumBoundingBoxes", key): "of boxes; tests/test_boxes_of_layers.py" for key in ("max_number", "fill_value")},
    ("UpSampling2D", "interpolation"): {"interpolation": "bilinear"},
    ("Wrapper", "layer"): "it has no call of its own",
}
for _kind in ("SimpleRNN", "LSTM", "GRU"):
    SPECIAL[f"{_kind}Cell", "units"] = "another state would be needed; test_recurrent has it"
for _kind in ("SimpleRNN", "LSTM", "GRU", "RNN"):
    SPECIAL[_kind, "unroll"] = "the numbers are the same; test_recurrent compares the programs"
for _rank in (1, 2, 3):
    for _kind in ("Max", "Average"):
        SPECIAL[f"{_kind}Pooling{_rank}D", "strides"] = {"strides": 1}
    SPECIAL[f"Conv{_rank}DTranspose", "kernel_size"] = {"kernel_size": 4}
    SPECIAL[f"Conv{_rank}DTranspose", "dilation_rate"] = {"strides": 1, "dilation_rate": 2}
    SPECIAL[f"Conv{_rank}DTranspose", "output_padding"] = {"output_padding": 1}
    SPECIAL[f"ZeroPadding{_rank}D", "padding"] = {"padding": 2}


ALSO: dict[tuple[str, str], dict[str, Any]] = {
    ("Discretization", "dtype"): {"output_mode": "one_hot"},
    ("RandomColorJitter", "data_format"): {"contrast_factor": 0.5},
    ("Resizing", "fill_value"): {"pad_to_aspect_ratio": True},
}
"""Arguments of both, where one has an effect with another only."""


def also(name: str, argument: str) -> dict[str, Any]:
    """What both layers have besides."""
    known = {known for known, *_ in SIGNATURES["layers"].get(name, [])}
    if argument == "seed" and "dropout" in known:
        return {"dropout": 0.5}
    if argument == "fill_value" and "fill_mode" in known and name != "Resizing":
        return {"fill_mode": "constant"}
    return ALSO.get((name, argument), {})


def change(name: str, argument: str) -> Any:
    """Arguments of which one is new; a string says why there are none."""
    if (name, argument) in SPECIAL:
        return SPECIAL[name, argument]
    for ending, value in (("_initializer", INITIAL), ("_regularizer", PENALTY), ("_constraint", LIMIT)):
        if argument.endswith(ending) and argument != "activity_regularizer":
            return {argument: value}
    return {argument: VALUES[argument]}


COMMON = ("name", "dtype", "trainable", "activity_regularizer")
OF_STRINGS = {"HashedCrossing", "Hashing", "IntegerLookup", "StringLookup", "TextVectorization"}
"""Layers whose arguments their own tests walk through."""
WALK = [
    (name, argument)
    for name in sorted(OWN & BASES.keys() & SIGNATURES["layers"].keys())
    if getattr(layers, name).__name__ == name and name not in OF_STRINGS  # no second name
    for argument in dict.fromkeys([argument for argument, *_ in SIGNATURES["layers"][name]])
]


@pytest.mark.parametrize(("name", "argument"), WALK)
def test_no_argument_is_ignored(name: str, argument: str) -> None:
    options, base = change(name, argument), BASES[name]
    if isinstance(options, str):
        return
    base = base._replace(arguments={**base.arguments, **also(name, argument)})
    with using_accelerator("numpy"):
        before = plain_behaviour(name, argument if also(name, argument) else "")
        try:
            after = behaviour(getattr(layers, name), base, options)
        except NotImplementedError as error:
            assert argument in str(error)
            return
    assert before != after, f"{options} changed nothing"


def test_the_shape_that_a_lambda_declares_is_checked() -> None:
    symbol = keras.Input((4, 3))
    for right in ((4, 3), (None, 3), lambda shape: shape):
        assert layers.Lambda(squares, output_shape=right)(symbol).shape == (None, 4, 3)
    for wrong in ((3, 4), (12,), lambda shape: (shape[0], 5, 3)):
        with pytest.raises(ValueError, match="`output_shape` says"):
            layers.Lambda(squares, output_shape=wrong)(symbol)
