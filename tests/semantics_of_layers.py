"""What a re-implementation of Keras's layers gets wrong, statement by statement: each is computed on both.

What is drawn at random differs between the two, so that of it only what holds for any draw is looked at.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from training_scenarios import error_of, fixed, scenario

rng = np.random.default_rng(3)
SEQUENCE = rng.normal(size=(2, 5, 3)).astype("float32")
IMAGES = rng.normal(size=(2, 6, 5, 4)).astype("float32")
MASK = np.array([[False, True, True, False, False], [True, True, False, True, True]])
LINE = np.arange(1, 7, dtype="float32").reshape(1, 6, 1)


def ramp(*shape: int) -> Any:
    return np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype("float32")


def values(layer: Any, *inputs: Any, **options: Any) -> Any:
    """What the layer gives once its weights are ramps."""
    layer(*inputs, **options)
    layer.set_weights([ramp(*w.shape) for w in layer.get_weights()])
    return layer(*inputs, **options)


@scenario
def initializers(keras: Any) -> Any:
    found: dict[str, Any] = {}
    scaling = keras.initializers.VarianceScaling
    shape = (3, 3, 20, 60)
    for mode, fan in (("fan_in", 180), ("fan_out", 540), ("fan_avg", 360)):
        largest = np.abs(np.asarray(scaling(mode=mode, distribution="uniform", seed=1)(shape))).max()
        found[f"{mode} of rank 4 counts the receptive field"] = 0.998 < largest / np.sqrt(3 / fan) <= 1.0001
    one = np.abs(np.asarray(scaling(mode="fan_in", distribution="uniform", seed=1)((0 + 1, 4000)))).max()
    found["a fan is one at least"] = 0.99 < one / np.sqrt(3) <= 1.0001
    found["configs of the named"] = [
        keras.initializers.get(name).get_config()
        for name in ("glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform")
        + ("uniform", "normal", "random_normal", "random_uniform", "truncated_normal", "orthogonal", "zeros", "ones")
    ]
    found["classes of the aliases"] = [
        type(keras.initializers.get(n)).__name__
        for n in ("uniform", "normal", "glorotUniform", "zero", "one")
        if n != "glorotUniform"
    ]
    q = np.asarray(keras.initializers.Orthogonal(seed=1)((3, 3, 4, 7))).reshape(-1, 7)
    found["orthogonal kernels are, flattened to (all others, last)"] = q.T @ q
    tall = np.asarray(keras.initializers.Orthogonal(gain=2.0, seed=1)((2, 2, 9))).reshape(-1, 9)
    found["where the last axis is longer, rows are"] = tall @ tall.T
    draw = keras.initializers.RandomNormal(seed=5)
    found["an int seed repeats"] = bool((np.asarray(draw((7,))) == np.asarray(draw((7,)))).all())
    once = keras.initializers.RandomNormal()
    found["no seed is fixed when it is made"] = bool((np.asarray(once((7,))) == np.asarray(once((7,)))).all())
    moving = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(1))
    found["a generator advances"] = bool((np.asarray(moving((7,))) == np.asarray(moving((7,)))).all())
    wide = np.abs(np.asarray(keras.initializers.TruncatedNormal(stddev=1.0, seed=2)((20000,))))
    found["TruncatedNormal ends at two deviations"] = 1.98 < wide.max() <= 2.0001
    lstm = keras.layers.LSTM(2)
    lstm.build((None, 3, 2))
    found["the forget gate's bias starts at one"] = lstm.get_weights()[2]
    found["identity and constant"] = [
        keras.initializers.Identity(gain=2.0)((2, 3)),
        keras.initializers.Constant(0.5)((2,)),
    ]
    found["defaults of layers"] = [
        [type(layer.embeddings_initializer).__name__ for layer in (keras.layers.Embedding(3, 2),)],
        [type(keras.layers.SimpleRNN(2).cell.recurrent_initializer).__name__],
        [type(getattr(keras.layers.Dense(2), f"{w}_initializer")).__name__ for w in ("kernel", "bias")],
    ]
    return found


@scenario
def weights_of_layers(keras: Any) -> Any:
    """Names, shapes and order."""
    L = keras.layers

    def weights(layer: Any, *inputs: Any) -> Any:
        layer(*inputs)
        return [[w.path.split("/")[-1], list(w.shape), w.trainable] for w in layer.weights]

    pair = [SEQUENCE, SEQUENCE]
    model = keras.Sequential([keras.Input((4,)), L.BatchNormalization(), L.Dense(2)])
    return {
        "Dense": weights(L.Dense(2), SEQUENCE),
        "Conv1D in groups": weights(L.Conv1D(6, 3, groups=3), SEQUENCE),
        "Conv2D of channels first": weights(L.Conv2D(2, (2, 3), data_format="channels_first"), ramp(1, 3, 5, 4)),
        "Conv2DTranspose": weights(L.Conv2DTranspose(5, 3), IMAGES),
        "DepthwiseConv2D": weights(L.DepthwiseConv2D(3, depth_multiplier=2), IMAGES),
        "SeparableConv2D": weights(L.SeparableConv2D(5, 3, depth_multiplier=2), IMAGES),
        "BatchNormalization": weights(L.BatchNormalization(), IMAGES),
        "LSTM": weights(L.LSTM(2), SEQUENCE),
        "GRU": weights(L.GRU(2), SEQUENCE),
        "GRU, reset before": weights(L.GRU(2, reset_after=False), SEQUENCE),
        "SimpleRNN": weights(L.SimpleRNN(2), SEQUENCE),
        "LayerNormalization": weights(L.LayerNormalization(), IMAGES),
        "GroupNormalization": weights(L.GroupNormalization(2), IMAGES),
        "RMSNormalization": weights(L.RMSNormalization(), IMAGES),
        "PReLU": weights(L.PReLU(shared_axes=[1]), IMAGES),
        "Normalization": weights(L.Normalization(), IMAGES),
        "Bidirectional": weights(L.Bidirectional(L.GRU(2)), SEQUENCE),
        "MultiHeadAttention": weights(L.MultiHeadAttention(2, 3, value_dim=3), SEQUENCE, SEQUENCE),
        "GroupQueryAttention": weights(L.GroupQueryAttention(3, 4, 2), SEQUENCE, SEQUENCE),
        "Attention": weights(L.Attention(use_scale=True, score_mode="concat"), pair),
        "AdditiveAttention": weights(L.AdditiveAttention(), pair),
        "EinsumDense": weights(L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), SEQUENCE),
        "SpectralNormalization": weights(L.SpectralNormalization(L.Dense(2)), ramp(1, 4)),
        "ConvLSTM2D": weights(L.ConvLSTM2D(2, 3), ramp(1, 2, 5, 5, 3)),
        "Embedding": weights(L.Embedding(5, 2), np.array([[1]])),
        "a model's weights go layer by layer": [w.path.split("/")[-1] for w in model.weights],
        "the trainable ones apart": [w.path.split("/")[-1] for w in model.trainable_weights],
        "get_weights has the shapes of weights": [list(w.shape) for w in model.get_weights()],
    }


@scenario
def spatial_layers(keras: Any) -> Any:
    L, found = keras.layers, {}
    ones = {"use_bias": False, "kernel_initializer": "ones"}
    for n in (5, 6, 7):
        line = np.arange(1, n + 1, dtype="float32").reshape(1, n, 1)
        found[f"same padding of {n}, extra cell at the end"] = {
            (k, s): L.Conv1D(1, k, strides=s, padding="same", **ones)(line) for k in (2, 3, 4) for s in (1, 2, 3)
        }
        found[f"same padding of {n}, dilated"] = L.Conv1D(1, 3, dilation_rate=2, padding="same", **ones)(line)
        found[f"pools of {n}"] = [
            kind(3, strides=2, padding="same")(-line) for kind in (L.AveragePooling1D, L.MaxPooling1D)
        ]
        for padding in ("valid", "same"):
            found[f"transposed {n}, {padding}"] = {
                (k, s, o, d): L.Conv1DTranspose(
                    1, k, strides=s, padding=padding, output_padding=o, dilation_rate=d, **ones
                )(line)
                for k, s, o, d in ((3, 2, None, 1), (2, 3, None, 1), (3, 2, 1, 1), (4, 3, 2, 1), (3, 1, None, 2))
            }
    found["a causal convolution looks back, dilated"] = values(L.Conv1D(2, 3, padding="causal", dilation_rate=2), LINE)
    found["output channel of a depthwise kernel is c * multiplier + m"] = values(
        L.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False), IMAGES[:1, :3, :3]
    )
    found["channels_first moves the data's axes only"] = [
        values(layer(**options), x)
        for layer, options in (
            (L.Conv2D, {"filters": 2, "kernel_size": 2, "strides": 2}),
            (L.Conv2DTranspose, {"filters": 2, "kernel_size": 2, "strides": 2}),
            (L.SeparableConv2D, {"filters": 2, "kernel_size": 2}),
        )
        for options, x in ((options, IMAGES), ({**options, "data_format": "channels_first"}, IMAGES))
    ]
    found["strides and dilation together"] = error_of(lambda: L.Conv2D(2, 3, strides=2, dilation_rate=2))
    found["groups must divide"] = [
        error_of(lambda: L.Conv2D(3, 3, groups=2)),
        error_of(lambda: L.Conv2D(3, 1, groups=3)(IMAGES)),
    ]
    picture = ramp(1, 2, 2, 1)
    for kind in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        found[f"UpSampling2D {kind}, half-pixel centres"] = L.UpSampling2D((2, 3), interpolation=kind)(picture)
        found[f"resize {kind}"] = [
            keras.ops.image.resize(IMAGES[:1], size, interpolation=kind, antialias=a)
            for size in ((3, 4), (8, 7))
            for a in (False, True)
        ]
    found["Resizing keeps the ratio on request"] = [
        L.Resizing(4, 4, **{option: True})(IMAGES[:1]) for option in ("crop_to_aspect_ratio", "pad_to_aspect_ratio")
    ]
    found["Resizing is bilinear"] = L.Resizing(4, 4)(IMAGES[:1])
    found["Rescaling"] = L.Rescaling(2.0, offset=1.0)(LINE)
    found["Normalization divides by the deviation, by epsilon at least"] = [
        L.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.0])(np.array([[1.5, 2.5]], "float32")),
        L.Normalization(mean=1.0, variance=4.0, invert=True)(LINE),
    ]
    return found


@scenario
def normalizations(keras: Any) -> Any:
    L, found = keras.layers, {}
    x = rng_of(1).normal(3, 2, (4, 5, 3)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3], [1], [0]])
    for training in (True, False):
        layer = L.BatchNormalization(momentum=0.9)
        layer.build(x.shape)
        layer.set_weights(list(np.array([[1.0, 2, 3], [0.5, 0, 1], [0, 1, 2], [1.0, 2, 0.5]])))
        found[f"batch normalization, training={training}"] = [layer(x, training=training), layer.get_weights()]
    masked = L.BatchNormalization()
    found["its moments are of what is not masked"] = [masked(x, training=True, mask=mask), masked.get_weights()]
    frozen = L.BatchNormalization(trainable=False)
    found["frozen it is in inference"] = [frozen(x, training=True), frozen.get_weights()]
    half = L.BatchNormalization(dtype="mixed_float16")
    large = (1000 * x).astype("float16")
    found["of float16 it computes in float32"] = [
        str(keras.backend.standardize_dtype(half(large, training=True).dtype)),
        half.get_weights(),
    ]
    found["defaults"] = [
        [getattr(layer, name, None) for name in ("momentum", "epsilon", "groups", "axis")]
        for layer in (L.BatchNormalization(), L.LayerNormalization(), L.GroupNormalization(), L.RMSNormalization())
    ]
    found["groups of one channel each"] = values(L.GroupNormalization(-1), x)
    found["RMSNormalization"] = values(L.RMSNormalization(), x)
    found["LayerNormalization"] = values(L.LayerNormalization(axis=[1, 2]), x)
    found["UnitNormalization"] = L.UnitNormalization(axis=1)(x)
    return found


def rng_of(seed: int) -> Any:
    return np.random.default_rng(seed)


@scenario
def dropouts(keras: Any) -> Any:
    L, found = keras.layers, {}
    x = np.ones((60, 50, 4), "float32")
    dropped = np.asarray(L.Dropout(0.25, seed=1)(x, training=True))
    found["inverted"] = sorted({round(float(v), 4) for v in dropped.ravel()})
    found["about as many as the rate says"] = bool(abs((dropped == 0).mean() - 0.25) < 0.02)
    shaped = np.asarray(L.Dropout(0.5, noise_shape=(None, 1, None), seed=1)(x, training=True))
    found["None in noise_shape is the input's"] = [bool((shaped == shaped[:, :1]).all()), float(shaped.std()) > 0.9]
    spatial = np.asarray(L.SpatialDropout1D(0.5, seed=1)(x, training=True))
    found["SpatialDropout1D drops channels"] = bool((spatial == spatial[:, :1]).all())
    normal = rng_of(0).normal(size=(400, 100)).astype("float32")
    alpha = np.asarray(L.AlphaDropout(0.3, seed=1)(normal, training=True))
    found["AlphaDropout keeps moments"] = [bool(abs(alpha.mean()) < 0.03), bool(abs(alpha.std() - 1) < 0.03)]
    noise = np.asarray(L.GaussianNoise(0.5, seed=1)(x, training=True))
    found["GaussianNoise adds"] = [bool(abs(noise.mean() - 1) < 0.02), bool(abs(noise.std() - 0.5) < 0.02)]
    factor = np.asarray(L.GaussianDropout(0.2, seed=1)(2 * x, training=True))
    found["GaussianDropout multiplies"] = [bool(abs(factor.mean() - 2) < 0.03), bool(abs(factor.std() - 1) < 0.03)]
    found["nothing in inference or at rate 0"] = [
        bool((np.asarray(layer(x, training=training)) == x).all())
        for layer, training in (
            (L.Dropout(0.5), False),
            (L.Dropout(0.0), True),
            (L.GaussianNoise(1.0), None),
            (L.AlphaDropout(0.5), None),
        )
    ]
    found["rates outside of 0 to 1"] = [error_of(lambda rate=rate: L.Dropout(rate)) for rate in (-0.1, 1.5)]
    return found


@scenario
def recurrent_layers(keras: Any) -> Any:
    L, found = keras.layers, {}
    for kind, options in (
        ("LSTM", {}),
        ("GRU", {}),
        ("GRU", {"reset_after": False}),
        ("SimpleRNN", {}),
        ("LSTM", {"recurrent_activation": "hard_sigmoid", "implementation": 1}),
    ):
        for more in (
            {},
            {"return_state": True},
            {"return_sequences": True, "go_backwards": True},
            {"return_sequences": True, "zero_output_for_mask": True, "return_state": True},
        ):
            layer = getattr(L, kind)(2, **options, **more)
            label = f"{kind} {sorted({**options, **more}.items())}"
            found[label] = [values(layer, SEQUENCE), layer(SEQUENCE, mask=MASK)]
    found["defaults of activations"] = [
        [getattr(layer, name).__name__ for name in ("activation", "recurrent_activation")]
        for layer in (L.LSTM(1), L.GRU(1))
    ] + [L.GRU(1).reset_after, L.LSTM(1).cell.implementation, L.LSTM(1, recurrent_dropout=0.1).cell.implementation]
    for merge in ("concat", "sum", "mul", "ave", None):
        layer = L.Bidirectional(L.LSTM(2, return_sequences=True, return_state=True), merge_mode=merge)
        result = values(layer, SEQUENCE, mask=MASK)
        found[f"Bidirectional {merge}"] = [type(result).__name__ in ("list", "tuple"), list(result)]
    steps = L.TimeDistributed(L.Dense(2))
    found["TimeDistributed"] = values(steps, SEQUENCE, mask=MASK)
    x = np.ones((1, 400, 6), "float32")
    dry = L.SimpleRNN(6, dropout=0.5, use_bias=False, activation=None, return_sequences=True, seed=1)
    dry.build(x.shape)
    dry.set_weights([np.eye(6), np.zeros((6, 6))])
    dropped = np.asarray(dry(x, training=True))
    found["one dropout mask for all steps"] = bool((dropped == dropped[:, :1]).all() and len(np.unique(dropped)) == 2)
    lstm = L.LSTM(2, return_sequences=True)
    symbol = L.Masking()(keras.Input((5, 3)))
    found["the mask goes on with sequences only"] = [
        lstm.compute_mask(SEQUENCE, MASK) is MASK,
        L.LSTM(2).compute_mask(SEQUENCE, MASK) is None,
        [m is None for m in L.LSTM(2, return_sequences=True, return_state=True).compute_mask(SEQUENCE, MASK)],
        getattr(L.LSTM(2)(symbol), "_keras_mask", None) is None,
    ]
    stateful = L.GRU(2, stateful=True)
    stateful.build(SEQUENCE.shape)
    stateful.set_weights([ramp(*w.shape) for w in stateful.get_weights()])
    first, again = stateful(SEQUENCE), stateful(SEQUENCE)
    stateful.reset_states()
    found["states are kept until they are reset"] = [first, again, stateful(SEQUENCE)]
    found["another batch size is refused"] = error_of(lambda: stateful(SEQUENCE[:1])) != "none"
    model = fixed(keras.Sequential([keras.Input((5, 3), batch_size=2), L.LSTM(2, stateful=True), L.Dense(1)]))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    losses = model.fit(SEQUENCE, np.ones((2, 1)), epochs=2, batch_size=2, shuffle=False, verbose=0).history["loss"]
    found["states go on over epochs"] = abs(losses[0] - losses[1]) > 1e-4
    found["given states"] = values(L.LSTM(2), SEQUENCE, initial_state=[ramp(2, 2), 0.5 * ramp(2, 2)])
    return found


@scenario
def masks_of_layers(keras: Any) -> Any:
    L, found = keras.layers, {}
    x = SEQUENCE * MASK[..., None]
    found["Masking zeroes and marks"] = [
        L.Masking(0.5)(np.where(MASK[..., None], SEQUENCE, 0.5)),
        L.Masking().compute_mask(x),
    ]
    found["Embedding marks what is not 0"] = L.Embedding(4, 2, mask_zero=True).compute_mask(np.array([[0, 1, 0, 3]]))
    with_mask = {
        "Dense": (2,), "LSTM": (2,), "GRU": (2,), "SimpleRNN": (2,), "Activation": ("relu",), "Dropout": (0.5,),
        "SpatialDropout1D": (0.5,), "MultiHeadAttention": (1, 2), "GroupQueryAttention": (2, 2, 1), "Attention": (),
        "AdditiveAttention": (), "GaussianNoise": (0.5,), "GaussianDropout": (0.5,), "AlphaDropout": (0.5,),
        "Masking": (), "Add": (), "Subtract": (), "Multiply": (), "Average": (), "Maximum": (), "Minimum": (),
        "Concatenate": (), "Dot": (1,), "BatchNormalization": (), "LayerNormalization": (), "GroupNormalization": (),
        "UnitNormalization": (), "ReLU": (), "LeakyReLU": (), "PReLU": (), "ELU": (), "Softmax": (),
        "GlobalAveragePooling1D": (), "ConvLSTM1D": (2, 2), "ConvLSTM2D": (2, 2), "ConvLSTM3D": (2, 2),
        "Identity": (), "ActivityRegularization": (), "Rescaling": (1,), "Normalization": (), "Conv1D": (2, 2),
        "Conv2D": (2, 2), "Conv3D": (2, 2), "Conv1DTranspose": (2, 2), "DepthwiseConv1D": (2,),
        "SeparableConv1D": (2, 2), "Embedding": (2, 2), "Flatten": (), "Reshape": ((1,),), "Permute": ((1,),),
        "RepeatVector": (2,), "Lambda": (abs,), "EinsumDense": ("ab,bc->ac", 2), "RMSNormalization": (),
        "MaxPooling1D": (), "AveragePooling1D": (2,), "GlobalMaxPooling1D": (), "UpSampling1D": (), "UpSampling2D": (),
        "ZeroPadding1D": (), "Cropping1D": (), "Resizing": (2, 2), "CenterCrop": (2, 2), "SpatialDropout2D": (0.5,),
        "Discretization": ([0.5],), "CategoryEncoding": (3,), "GlobalAveragePooling2D": (), "RandomFlip": (),
    }  # fmt: skip
    found["which pass masks on"] = {name: getattr(L, name)(*a).supports_masking for name, a in with_mask.items()}
    found["wrappers too"] = [
        layer.supports_masking
        for layer in (
            L.TimeDistributed(L.Dense(2)),
            L.Bidirectional(L.LSTM(2)),
            L.RNN(L.LSTMCell(2)),
            L.SpectralNormalization(L.Dense(2)),
        )
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = keras.Sequential([keras.Input((5, 3)), L.Masking(), L.Flatten()])
        model(x)
    found["others warn that it is lost"] = any("destroy the mask" in str(w.message) for w in caught)
    found["GlobalAveragePooling1D is a mean over what is not masked"] = L.GlobalAveragePooling1D()(SEQUENCE, mask=MASK)
    marked = [L.Masking()(x), L.Masking()(x[:, ::-1].copy())]
    for merge in (L.Add(), L.Concatenate(), L.Concatenate(axis=1), L.Average(), L.Maximum()):
        masks = [MASK, MASK[:, ::-1].copy()]
        found[f"{type(merge).__name__} {getattr(merge, 'axis', '')} merges masks"] = merge.compute_mask(marked, masks)
    attention = L.MultiHeadAttention(2, 3)
    found["attention looks at what is not masked"] = [
        values(attention, SEQUENCE, SEQUENCE, value_mask=MASK[:, ::-1].copy(), key_mask=MASK),
        attention(SEQUENCE, SEQUENCE, use_causal_mask=True),
    ]
    found["a row that may look at nothing"] = attention(SEQUENCE, SEQUENCE, query_mask=MASK)[0, 0]
    for layer in (L.Attention(), L.AdditiveAttention()):
        found[type(layer).__name__] = values(layer, [SEQUENCE, SEQUENCE], mask=[MASK, MASK[:, ::-1].copy()])
    found["Softmax"] = L.Softmax()(SEQUENCE[..., 0], mask=MASK)
    found["Lambda is told"] = L.Lambda(lambda x, mask=None: x if mask is None else x * 0 + 1)(SEQUENCE)
    return found


@scenario
def activations(keras: Any) -> Any:
    x = np.array([-4.0, -3.0, -1.0, -0.3, 0.0, 0.2, 0.5, 1.0, 3.0, 7.0], "float32")
    names = (
        "hard_sigmoid gelu silu swish selu elu leaky_relu softplus softsign mish hard_silu hard_swish exponential "
        "relu6 relu tanh sigmoid linear softmax log_softmax celu glu hard_tanh hard_shrink soft_shrink tanh_shrink "
        "squareplus log_sigmoid sparse_plus threshold sparse_sigmoid"
    ).split()
    found = {
        name: keras.activations.get(name)(*((x.reshape(1, -1),) if name in ("softmax", "log_softmax", "glu") else (x,)))
        for name in names
        if name != "threshold"
    }
    found["gelu, approximate"] = keras.activations.gelu(x, approximate=True)
    found["threshold"] = keras.activations.threshold(x, 0.3, -2.0)
    found["relu below its threshold"] = keras.activations.relu(x, negative_slope=0.1, max_value=2.0, threshold=0.2)
    found["layers"] = [getattr(keras.layers, name)()(x) for name in ("LeakyReLU", "ELU", "ReLU")] + [
        keras.layers.ReLU(max_value=2.0, negative_slope=0.5, threshold=0.3)(x)
    ]
    found["softmax over another axis"] = keras.activations.softmax(SEQUENCE, axis=1)
    return found


@scenario
def preprocessing_layers(keras: Any) -> Any:
    L, found = keras.layers, {}
    words = L.TextVectorization()
    words.adapt(["The cat, the dog!", "A cat? b-a d", "the end"])
    found["TextVectorization"] = [words.get_vocabulary(), words(["the CAT zebra", "b a"])]
    lookup = L.StringLookup()
    lookup.adapt(["b", "a", "c", "b", "c", "d"])
    found["StringLookup: by count, ties the other way round"] = [lookup.get_vocabulary(), lookup(["a", "z", "b"])]
    integers = L.IntegerLookup()
    integers.adapt([5, 7, 5, 9, -3])
    found["IntegerLookup"] = [integers.get_vocabulary(), integers([5, 1])]
    found["defaults"] = [
        {key: layer.get_config()[key] for key in ("num_oov_indices", "mask_token", "oov_token", "output_mode")}
        for layer in (L.StringLookup(), L.IntegerLookup())
    ]
    image = np.arange(12, dtype="float32").reshape(1, 2, 2, 3)
    still = [
        L.RandomFlip(), L.RandomRotation(0.5), L.RandomZoom(0.5), L.RandomTranslation(0.5, 0.5), L.RandomContrast(0.5),
        L.RandomBrightness(0.5),
    ]  # fmt: skip
    found["random layers do nothing in inference"] = [
        bool((np.asarray(layer(image, training=False)) == image).all()) for layer in still
    ]
    half = L.RandomRotation((0.25, 0.25), fill_mode="constant", interpolation="nearest")
    square = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    found["rotations are in fractions of a full turn"] = half(square, training=True)
    return found


@scenario
def dtypes_of_layers(keras: Any) -> Any:
    L, found = keras.layers, {}
    for policy in ("mixed_float16", "mixed_bfloat16", "float16", "float64", "bfloat16"):
        layer = L.Dense(2, dtype=policy)
        y = layer(np.ones((1, 3), "float32"))
        found[policy] = [layer.compute_dtype, layer.variable_dtype, layer.kernel.dtype]
        if policy != "float64":  # which JAX has on request only
            found[policy].append(keras.backend.standardize_dtype(y.dtype))

    class Seen(L.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(3,), initializer="ones")
            self.fixed = self.add_weight(shape=(3,), initializer="ones", autocast=False)

        def call(self, x: Any, ids: Any) -> Any:
            seen.append([keras.backend.standardize_dtype(v.dtype) for v in (x, ids, self.w + x, self.fixed + 0)])
            return x

    seen: list[Any] = []
    Seen(dtype="mixed_float16")(np.ones((1, 3), "float32"), np.ones((1, 3), "int32"))
    found["floats are cast, ints are not, weights are in call"] = seen[0]
    found["an Input is floatx"] = keras.Input((3,)).dtype
    model = keras.Sequential([keras.Input((3,)), L.Dense(1, dtype="mixed_float16")])
    loss = keras.losses.MeanSquaredError()(np.ones((1, 1), "float16"), model(np.ones((1, 3), "float32")))
    found["losses are float32"] = str(keras.backend.standardize_dtype(loss.dtype))
    one = keras.ops.ones((2,), "float16")
    found["Python numbers are weak"] = [str(keras.backend.standardize_dtype((one * v).dtype)) for v in (2, 2.5, True)]
    pairs = [
        (a, b)
        for a in ("bool", "uint8", "int8", "int32", "bfloat16", "float16", "float32")
        for b in ("bool", "uint8", "int16", "uint16", "bfloat16", "float16", "float32")
    ]
    found["promotion"] = {f"{a} {b}": keras.backend.result_type(a, b) for a, b in pairs}
    ids = keras.ops.convert_to_tensor(np.array([1, 2], "int32"))
    found["true division of ints is float32"] = str(
        keras.backend.standardize_dtype(keras.ops.true_divide(ids, ids).dtype)
    )
    penalty = []
    for batch in (1, 4):
        layer = L.Dense(2, activity_regularizer="l2", kernel_initializer="ones", kernel_regularizer="l1")
        layer(np.ones((batch, 3), "float32"))
        penalty.append(sorted(float(v) for v in layer.losses))
    found["penalties on outputs are divided by the batch size"] = penalty
    return found
