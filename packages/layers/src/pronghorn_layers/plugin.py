"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl


def _in(module: str, names: str) -> dict[str, str]:
    """Name -> reference, of names in a module; "alias=Name" gives a name a second one."""
    pairs = [name.partition("=") for name in names.split()]
    return {alias: f"pronghorn_layers.{module}:{name or alias}" for alias, _, name in pairs}


@hookimpl
def pronghorn_layers() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {
        **_in("activation_layers", "Activation ELU LeakyReLU PReLU ReLU Softmax"),
        **_in("attention", "AdditiveAttention Attention"),
        **_in("cells", "GRUCell LSTMCell SimpleRNNCell StackedRNNCells"),
        **_in(
            "convolution",
            "Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose Convolution1D=Conv1D "
            "Convolution1DTranspose=Conv1DTranspose Convolution2D=Conv2D Convolution2DTranspose=Conv2DTranspose "
            "Convolution3D=Conv3D Convolution3DTranspose=Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
            "SeparableConv1D SeparableConv2D SeparableConvolution1D=SeparableConv1D "
            "SeparableConvolution2D=SeparableConv2D",
        ),
        **_in("conv_lstm", "ConvLSTM1D ConvLSTM2D ConvLSTM3D"),
        **_in("core_layers", "ActivityRegularization Identity Lambda"),
        **_in("dense", "Dense"),
        **_in(
            "dropout",
            "AlphaDropout Dropout GaussianDropout GaussianNoise SpatialDropout1D SpatialDropout2D SpatialDropout3D",
        ),
        **_in("einsum_dense", "EinsumDense"),
        **_in("embedding", "Embedding ReversibleEmbedding"),
        **_in("images.chains", "AugMix Pipeline RandAugment"),
        **_in(
            "images.colors",
            "AutoContrast Equalization RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast "
            "RandomGrayscale RandomHue RandomInvert RandomPosterization RandomSaturation RandomSharpness Solarization",
        ),
        **_in("images.clahe", "ContrastLimitedAdaptiveHistogramEqualization"),
        **_in("images.max_boxes", "MaxNumBoundingBoxes"),
        **_in("images.mixing", "CutMix MixUp RandomErasing RandomGaussianBlur"),
        **_in("images.sizes", "CenterCrop RandomCrop Resizing"),
        **_in(
            "images.warps",
            "RandomElasticTransform RandomFlip RandomPerspective RandomRotation RandomShear RandomTranslation "
            "RandomZoom",
        ),
        **_in("masking", "Masking"),
        **_in("merging", "Add Average Concatenate Dot Maximum Minimum Multiply Subtract"),
        **_in("merging", "add average concatenate dot maximum minimum multiply subtract"),
        **_in("multi_head_attention", "GroupQueryAttention=GroupedQueryAttention MultiHeadAttention"),
        **_in(
            "normalization",
            "BatchNormalization GroupNormalization LayerNormalization RMSNormalization UnitNormalization",
        ),
        **_in(
            "padding",
            "Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D "
            "ZeroPadding3D",
        ),
        **_in(
            "pooling",
            "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D "
            "AdaptiveMaxPooling2D AdaptiveMaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D "
            "AvgPool1D=AveragePooling1D AvgPool2D=AveragePooling2D "
            "AvgPool3D=AveragePooling3D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
            "GlobalAvgPool1D=GlobalAveragePooling1D GlobalAvgPool2D=GlobalAveragePooling2D "
            "GlobalAvgPool3D=GlobalAveragePooling3D GlobalMaxPool1D=GlobalMaxPooling1D "
            "GlobalMaxPool2D=GlobalMaxPooling2D GlobalMaxPool3D=GlobalMaxPooling3D GlobalMaxPooling1D "
            "GlobalMaxPooling2D GlobalMaxPooling3D MaxPool1D=MaxPooling1D MaxPool2D=MaxPooling2D "
            "MaxPool3D=MaxPooling3D MaxPooling1D MaxPooling2D MaxPooling3D",
        ),
        **_in("hashing", "HashedCrossing Hashing"),
        **_in("lookup", "IntegerLookup StringLookup"),
        **_in("preprocessing", "CategoryEncoding Discretization Normalization Rescaling"),
        **_in("text_vectorization", "TextVectorization"),
        **_in("recurrent", "GRU LSTM SimpleRNN"),
        **_in("reshaping", "Flatten Permute RepeatVector Reshape"),
        **_in("rnn", "RNN"),
        **_in("spectral_normalization", "SpectralNormalization"),
        **_in("spectrograms", "MelSpectrogram STFTSpectrogram"),
        **_in("wrappers", "Bidirectional TimeDistributed Wrapper"),
    }


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """Name -> "module:attribute"."""
    contract = {f"testing.{name}": reference for name, reference in _in("layer_contract", "LayerContract").items()}
    return contract | _in("feature_space", "FeatureSpace")


@hookimpl
def pronghorn_serializables() -> dict[str, str]:
    """The name in files -> "module:attribute"."""
    names = _in("feature_space", "Cross Feature TFDIdentity=Unchanged")
    private = {f"keras.src.layers.preprocessing.feature_space>{name}": target for name, target in names.items()}
    return {"keras.utils>FeatureSpace": _in("feature_space", "FeatureSpace")["FeatureSpace"], **private}


@hookimpl
def pronghorn_activations() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return _in(
        "activations",
        "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish=hard_silu hard_tanh "
        "leaky_relu linear "
        "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
        "sparse_sigmoid sparsemax squareplus swish=silu tanh tanh_shrink threshold",
    )


@hookimpl
def pronghorn_initializers() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return _in(
        "initializers",
        "Constant GlorotNormal HeNormal HeUniform Identity IdentityInitializer=Identity LecunNormal LecunUniform "
        "Orthogonal "
        "OrthogonalInitializer=Orthogonal RandomNormal RandomUniform STFT STFTInitializer=STFT TruncatedNormal "
        "VarianceScaling constant=Constant stft=STFT "
        "glorot_normal=GlorotNormal he_normal=HeNormal he_uniform=HeUniform identity=Identity lecun_normal=LecunNormal "
        "lecun_uniform=LecunUniform orthogonal=Orthogonal random_normal=RandomNormal random_uniform=RandomUniform "
        "truncated_normal=TruncatedNormal variance_scaling=VarianceScaling",
    )


@hookimpl
def pronghorn_regularizers() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return _in(
        "regularizers",
        "L1 L1L2 L2 OrthogonalRegularizer Regularizer l1=L1 l1_l2=L1L2 l2=L2 "
        "orthogonal_regularizer=OrthogonalRegularizer",
    )


@hookimpl
def pronghorn_constraints() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return _in(
        "constraints",
        "Constraint MaxNorm MinMaxNorm NonNeg UnitNorm max_norm=MaxNorm min_max_norm=MinMaxNorm non_neg=NonNeg "
        "unit_norm=UnitNorm",
    )


@hookimpl
def pronghorn_dtype_policies() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return _in(
        "dtype_policies",
        "DTypePolicyMap QuantizedDTypePolicy AWQDTypePolicy=QuantizedDTypePolicy GPTQDTypePolicy=QuantizedDTypePolicy "
        "Int4DTypePolicy=QuantizedDTypePolicy QuantizedFloat8DTypePolicy=QuantizedDTypePolicy",
    )
