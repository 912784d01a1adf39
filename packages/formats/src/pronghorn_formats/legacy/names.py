"""What Keras 1 and 2 called the layers and arguments that Keras 3 calls otherwise: tables, and nothing but tables."""

from __future__ import annotations

CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "GRUV2": "GRU",
    "GroupedQueryAttention": "GroupQueryAttention",
    "LSTMV2": "LSTM",
    "SeparableConvolution2D": "SeparableConv2D",
    "SyncBatchNormalization": "BatchNormalization",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
}
"""Class of Keras 1, 2 or tf.keras -> class of Keras 3."""

KERAS_CLASSES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Public name of a class -> the name it has in Keras's source, which `.h5` files of Keras 3 have."""

ADDED: dict[str, dict[str, object]] = {
    "CuDNNGRU": {"reset_after": True, "recurrent_activation": "sigmoid"},
    "CuDNNLSTM": {"recurrent_activation": "sigmoid"},
}
"""Arguments that an old class had as its only choice."""

_KERNEL = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "init": "kernel_initializer",
}
_SPATIAL = {"border_mode": "padding", "dim_ordering": "data_format"}
_CONVOLUTION = {**_KERNEL, **_SPATIAL, "nb_filter": "filters", "subsample": "strides", "atrous_rate": "dilation_rate"}
_RECURRENT = {
    **_KERNEL,
    "U_regularizer": "recurrent_regularizer",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
}

ARGUMENTS: dict[str, dict[str, str]] = {
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Conv1D": {**_CONVOLUTION, "filter_length": "kernel_size", "subsample_length": "strides"},
    "Conv2D": _CONVOLUTION,
    "Conv2DTranspose": _CONVOLUTION,
    "Conv3D": _CONVOLUTION,
    "Conv3DTranspose": _CONVOLUTION,
    "ConvLSTM2D": {**_CONVOLUTION, **_RECURRENT},
    "Dense": {**_KERNEL, "output_dim": "units"},
    "Dropout": {"p": "rate"},
    "Embedding": {
        "W_constraint": "embeddings_constraint",
        "W_regularizer": "embeddings_regularizer",
        "init": "embeddings_initializer",
    },
    "GRU": {**_RECURRENT, "output_dim": "units"},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "LSTM": {**_RECURRENT, "output_dim": "units"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "Highway": _KERNEL,
    "MaxoutDense": {**_KERNEL, "output_dim": "units"},
    "PReLU": {"init": "alpha_initializer"},
    "SeparableConv2D": {
        **_CONVOLUTION,
    },
    "SimpleRNN": {**_RECURRENT, "output_dim": "units"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", **_SPATIAL},
    "SpatialDropout3D": {"p": "rate", **_SPATIAL},
    "UpSampling1D": {"length": "size"},
    "ZeroPadding2D": _SPATIAL,
    **{
        f"{kind}Pooling1D": {**_SPATIAL, "pool_length": "pool_size", "stride": "strides"} for kind in ("Average", "Max")
    },
    **{
        name: _SPATIAL
        for name in (
            "AveragePooling2D AveragePooling3D Cropping2D Cropping3D GlobalAveragePooling2D GlobalAveragePooling3D "
            "GlobalMaxPooling2D GlobalMaxPooling3D MaxPooling2D MaxPooling3D UpSampling2D UpSampling3D ZeroPadding3D"
        ).split()
    },
    "DepthwiseConv2D": dict.fromkeys(("kernel_constraint", "kernel_initializer", "kernel_regularizer"), ""),
    "MultiHeadAttention": dict.fromkeys(("key_shape", "query_shape", "value_shape"), ""),
}
"""Class of Keras 3 -> old argument -> new one; "" where the old one did nothing."""

RECURRENT = frozenset("Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D GRU LSTM RNN SimpleRNN".split())
"""Layers that were called on a list of the inputs and the initial states."""

KERNEL_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"), ("filter_length",))
"""Arguments of Keras 1 that together are `kernel_size`."""

DATA_FORMATS = {"tf": "channels_last", "th": "channels_first", "default": None}

DROPPED = frozenset(
    "W_learning_rate_multiplier batch_input_shape b_learning_rate_multiplier consume_less create_input_dim "
    "cudnn forget_bias_init implementation input_dtype input_length input_shape is_placeholder keras_api_names "
    "perform_io ragged renorm_clipping renorm_momentum stateful_layer".split()
)
"""Arguments without a meaning for the outputs of a model."""

HARMLESS = (
    ("fused", True),
    ("groups", 1),
    ("input_dtype", "float32"),
    ("synchronized", True),
    ("trainable", True),
)
"""Arguments that a class no longer has, with a value that asks for nothing."""

REGULARIZERS = {"ActivityRegularizer": "L1L2", "L1L2Regularizer": "L1L2", "WeightRegularizer": "L1L2"}
CONSTRAINTS: dict[str, dict[str, str]] = {"NonNeg": {}, "MaxNorm": {"m": "max_value"}, "UnitNorm": {}}
"""Keras 1's constraint -> its arguments -> those of today."""

INITIALIZERS = {
    "OnesV2": "Ones",
    "RandomNormalV2": "RandomNormal",
    "RandomUniformV2": "RandomUniform",
    "ZerosV2": "Zeros",
}

MODULES = {
    "activation": "keras.layers",
    "constraint": "keras.constraints",
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
}
"""Last part of an argument's name -> the module of what it takes."""

MERGES = {
    "ave": "Average",
    "concat": "Concatenate",
    "cos": "Dot",
    "dot": "Dot",
    "max": "Maximum",
    "min": "Minimum",
    "mul": "Multiply",
    "sum": "Add",
}
"""Mode of Keras 1's Merge -> layer."""
