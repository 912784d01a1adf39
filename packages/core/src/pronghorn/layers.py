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
    from pronghorn_layers.cells import GRUCell as GRUCell
    from pronghorn_layers.cells import LSTMCell as LSTMCell
    from pronghorn_layers.cells import SimpleRNNCell as SimpleRNNCell
    from pronghorn_layers.cells import StackedRNNCells as StackedRNNCells
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
    from pronghorn_layers.recurrent import GRU as GRU
    from pronghorn_layers.recurrent import LSTM as LSTM
    from pronghorn_layers.recurrent import SimpleRNN as SimpleRNN
    from pronghorn_layers.reshaping import Flatten as Flatten
    from pronghorn_layers.reshaping import Permute as Permute
    from pronghorn_layers.reshaping import RepeatVector as RepeatVector
    from pronghorn_layers.reshaping import Reshape as Reshape
    from pronghorn_layers.rnn import RNN as RNN
    from pronghorn_layers.wrappers import Bidirectional as Bidirectional
    from pronghorn_layers.wrappers import TimeDistributed as TimeDistributed
    from pronghorn_layers.wrappers import Wrapper as Wrapper

__getattr__, __dir__ = facade(
    __name__,
    "layers",
    {"pronghorn.functional": "Input InputLayer", "pronghorn.input_spec": "InputSpec", "pronghorn.layer": "Layer"},
)
_, serialize, deserialize = lookup("layers")
