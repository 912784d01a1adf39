"""Every installed layer, by name: `from pronghorn.layers import Dense`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.functional import Input as Input
    from pronghorn.functional import InputLayer as InputLayer
    from pronghorn.input_spec import InputSpec as InputSpec
    from pronghorn.layer import Layer as Layer
    from pronghorn_layers.activation_layers import ELU as ELU
    from pronghorn_layers.activation_layers import Activation as Activation
    from pronghorn_layers.activation_layers import LeakyReLU as LeakyReLU
    from pronghorn_layers.activation_layers import PReLU as PReLU
    from pronghorn_layers.activation_layers import ReLU as ReLU
    from pronghorn_layers.activation_layers import Softmax as Softmax
    from pronghorn_layers.attention import AdditiveAttention as AdditiveAttention
    from pronghorn_layers.attention import Attention as Attention
    from pronghorn_layers.cells import GRUCell as GRUCell
    from pronghorn_layers.cells import LSTMCell as LSTMCell
    from pronghorn_layers.cells import SimpleRNNCell as SimpleRNNCell
    from pronghorn_layers.cells import StackedRNNCells as StackedRNNCells
    from pronghorn_layers.convolution import Conv1D as Conv1D
    from pronghorn_layers.convolution import Conv1D as Convolution1D
    from pronghorn_layers.convolution import Conv1DTranspose as Conv1DTranspose
    from pronghorn_layers.convolution import Conv1DTranspose as Convolution1DTranspose
    from pronghorn_layers.convolution import Conv2D as Conv2D
    from pronghorn_layers.convolution import Conv2D as Convolution2D
    from pronghorn_layers.convolution import Conv2DTranspose as Conv2DTranspose
    from pronghorn_layers.convolution import Conv2DTranspose as Convolution2DTranspose
    from pronghorn_layers.convolution import Conv3D as Conv3D
    from pronghorn_layers.convolution import Conv3D as Convolution3D
    from pronghorn_layers.convolution import Conv3DTranspose as Conv3DTranspose
    from pronghorn_layers.convolution import Conv3DTranspose as Convolution3DTranspose
    from pronghorn_layers.convolution import DepthwiseConv1D as DepthwiseConv1D
    from pronghorn_layers.convolution import DepthwiseConv2D as DepthwiseConv2D
    from pronghorn_layers.convolution import SeparableConv1D as SeparableConv1D
    from pronghorn_layers.convolution import SeparableConv1D as SeparableConvolution1D
    from pronghorn_layers.convolution import SeparableConv2D as SeparableConv2D
    from pronghorn_layers.convolution import SeparableConv2D as SeparableConvolution2D
    from pronghorn_layers.core_layers import ActivityRegularization as ActivityRegularization
    from pronghorn_layers.core_layers import Identity as Identity
    from pronghorn_layers.core_layers import Lambda as Lambda
    from pronghorn_layers.dense import Dense as Dense
    from pronghorn_layers.dropout import Dropout as Dropout
    from pronghorn_layers.dropout import GaussianDropout as GaussianDropout
    from pronghorn_layers.dropout import GaussianNoise as GaussianNoise
    from pronghorn_layers.dropout import SpatialDropout1D as SpatialDropout1D
    from pronghorn_layers.dropout import SpatialDropout2D as SpatialDropout2D
    from pronghorn_layers.dropout import SpatialDropout3D as SpatialDropout3D
    from pronghorn_layers.einsum_dense import EinsumDense as EinsumDense
    from pronghorn_layers.embedding import Embedding as Embedding
    from pronghorn_layers.masking import Masking as Masking
    from pronghorn_layers.merging import Add as Add
    from pronghorn_layers.merging import Average as Average
    from pronghorn_layers.merging import Concatenate as Concatenate
    from pronghorn_layers.merging import Dot as Dot
    from pronghorn_layers.merging import Maximum as Maximum
    from pronghorn_layers.merging import Minimum as Minimum
    from pronghorn_layers.merging import Multiply as Multiply
    from pronghorn_layers.merging import Subtract as Subtract
    from pronghorn_layers.merging import add as add
    from pronghorn_layers.merging import average as average
    from pronghorn_layers.merging import concatenate as concatenate
    from pronghorn_layers.merging import dot as dot
    from pronghorn_layers.merging import maximum as maximum
    from pronghorn_layers.merging import minimum as minimum
    from pronghorn_layers.merging import multiply as multiply
    from pronghorn_layers.merging import subtract as subtract
    from pronghorn_layers.multi_head_attention import GroupedQueryAttention as GroupQueryAttention
    from pronghorn_layers.multi_head_attention import MultiHeadAttention as MultiHeadAttention
    from pronghorn_layers.normalization import BatchNormalization as BatchNormalization
    from pronghorn_layers.normalization import GroupNormalization as GroupNormalization
    from pronghorn_layers.normalization import LayerNormalization as LayerNormalization
    from pronghorn_layers.normalization import RMSNormalization as RMSNormalization
    from pronghorn_layers.normalization import UnitNormalization as UnitNormalization
    from pronghorn_layers.padding import Cropping1D as Cropping1D
    from pronghorn_layers.padding import Cropping2D as Cropping2D
    from pronghorn_layers.padding import Cropping3D as Cropping3D
    from pronghorn_layers.padding import UpSampling1D as UpSampling1D
    from pronghorn_layers.padding import UpSampling2D as UpSampling2D
    from pronghorn_layers.padding import UpSampling3D as UpSampling3D
    from pronghorn_layers.padding import ZeroPadding1D as ZeroPadding1D
    from pronghorn_layers.padding import ZeroPadding2D as ZeroPadding2D
    from pronghorn_layers.padding import ZeroPadding3D as ZeroPadding3D
    from pronghorn_layers.pooling import AdaptiveAveragePooling1D as AdaptiveAveragePooling1D
    from pronghorn_layers.pooling import AdaptiveAveragePooling2D as AdaptiveAveragePooling2D
    from pronghorn_layers.pooling import AdaptiveAveragePooling3D as AdaptiveAveragePooling3D
    from pronghorn_layers.pooling import AdaptiveMaxPooling1D as AdaptiveMaxPooling1D
    from pronghorn_layers.pooling import AdaptiveMaxPooling2D as AdaptiveMaxPooling2D
    from pronghorn_layers.pooling import AdaptiveMaxPooling3D as AdaptiveMaxPooling3D
    from pronghorn_layers.pooling import AveragePooling1D as AveragePooling1D
    from pronghorn_layers.pooling import AveragePooling1D as AvgPool1D
    from pronghorn_layers.pooling import AveragePooling2D as AveragePooling2D
    from pronghorn_layers.pooling import AveragePooling2D as AvgPool2D
    from pronghorn_layers.pooling import AveragePooling3D as AveragePooling3D
    from pronghorn_layers.pooling import AveragePooling3D as AvgPool3D
    from pronghorn_layers.pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
    from pronghorn_layers.pooling import GlobalAveragePooling1D as GlobalAvgPool1D
    from pronghorn_layers.pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
    from pronghorn_layers.pooling import GlobalAveragePooling2D as GlobalAvgPool2D
    from pronghorn_layers.pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
    from pronghorn_layers.pooling import GlobalAveragePooling3D as GlobalAvgPool3D
    from pronghorn_layers.pooling import GlobalMaxPooling1D as GlobalMaxPool1D
    from pronghorn_layers.pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
    from pronghorn_layers.pooling import GlobalMaxPooling2D as GlobalMaxPool2D
    from pronghorn_layers.pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
    from pronghorn_layers.pooling import GlobalMaxPooling3D as GlobalMaxPool3D
    from pronghorn_layers.pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
    from pronghorn_layers.pooling import MaxPooling1D as MaxPool1D
    from pronghorn_layers.pooling import MaxPooling1D as MaxPooling1D
    from pronghorn_layers.pooling import MaxPooling2D as MaxPool2D
    from pronghorn_layers.pooling import MaxPooling2D as MaxPooling2D
    from pronghorn_layers.pooling import MaxPooling3D as MaxPool3D
    from pronghorn_layers.pooling import MaxPooling3D as MaxPooling3D
    from pronghorn_layers.preprocessing import CategoryEncoding as CategoryEncoding
    from pronghorn_layers.preprocessing import Discretization as Discretization
    from pronghorn_layers.preprocessing import Normalization as Normalization
    from pronghorn_layers.preprocessing import Rescaling as Rescaling
    from pronghorn_layers.recurrent import GRU as GRU
    from pronghorn_layers.recurrent import LSTM as LSTM
    from pronghorn_layers.recurrent import SimpleRNN as SimpleRNN
    from pronghorn_layers.reshaping import Flatten as Flatten
    from pronghorn_layers.reshaping import Permute as Permute
    from pronghorn_layers.reshaping import RepeatVector as RepeatVector
    from pronghorn_layers.reshaping import Reshape as Reshape
    from pronghorn_layers.rnn import RNN as RNN
    from pronghorn_layers.spectral_normalization import SpectralNormalization as SpectralNormalization
    from pronghorn_layers.wrappers import Bidirectional as Bidirectional
    from pronghorn_layers.wrappers import TimeDistributed as TimeDistributed
    from pronghorn_layers.wrappers import Wrapper as Wrapper

__getattr__, __dir__ = facade(
    __name__,
    "layers",
    {"pronghorn.functional": "Input InputLayer", "pronghorn.input_spec": "InputSpec", "pronghorn.layer": "Layer"},
)
_, serialize, deserialize = lookup("layers")
