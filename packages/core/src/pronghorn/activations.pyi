from collections.abc import Callable
from typing import Any

from pronghorn_formats.activations import keras2_hard_sigmoid as keras2_hard_sigmoid
from pronghorn_layers.activations import celu as celu
from pronghorn_layers.activations import elu as elu
from pronghorn_layers.activations import exponential as exponential
from pronghorn_layers.activations import gelu as gelu
from pronghorn_layers.activations import glu as glu
from pronghorn_layers.activations import hard_shrink as hard_shrink
from pronghorn_layers.activations import hard_sigmoid as hard_sigmoid
from pronghorn_layers.activations import hard_silu as hard_silu
from pronghorn_layers.activations import hard_silu as hard_swish
from pronghorn_layers.activations import hard_tanh as hard_tanh
from pronghorn_layers.activations import leaky_relu as leaky_relu
from pronghorn_layers.activations import linear as linear
from pronghorn_layers.activations import log_sigmoid as log_sigmoid
from pronghorn_layers.activations import log_softmax as log_softmax
from pronghorn_layers.activations import mish as mish
from pronghorn_layers.activations import relu as relu
from pronghorn_layers.activations import relu6 as relu6
from pronghorn_layers.activations import selu as selu
from pronghorn_layers.activations import sigmoid as sigmoid
from pronghorn_layers.activations import silu as silu
from pronghorn_layers.activations import silu as swish
from pronghorn_layers.activations import soft_shrink as soft_shrink
from pronghorn_layers.activations import softmax as softmax
from pronghorn_layers.activations import softplus as softplus
from pronghorn_layers.activations import softsign as softsign
from pronghorn_layers.activations import sparse_plus as sparse_plus
from pronghorn_layers.activations import sparse_sigmoid as sparse_sigmoid
from pronghorn_layers.activations import sparsemax as sparsemax
from pronghorn_layers.activations import squareplus as squareplus
from pronghorn_layers.activations import tanh as tanh
from pronghorn_layers.activations import tanh_shrink as tanh_shrink
from pronghorn_layers.activations import threshold as threshold

get: Callable[..., Any]
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
