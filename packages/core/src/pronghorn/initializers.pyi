from collections.abc import Callable
from typing import Any

from pronghorn.initializer import GlorotUniform as GlorotUniform
from pronghorn.initializer import GlorotUniform as glorot_uniform
from pronghorn.initializer import Initializer as Initializer
from pronghorn.initializer import Ones as Ones
from pronghorn.initializer import Ones as ones
from pronghorn.initializer import Zeros as Zeros
from pronghorn.initializer import Zeros as zeros
from pronghorn_layers.initializers import Constant as Constant
from pronghorn_layers.initializers import Constant as constant
from pronghorn_layers.initializers import GlorotNormal as GlorotNormal
from pronghorn_layers.initializers import GlorotNormal as glorot_normal
from pronghorn_layers.initializers import HeNormal as HeNormal
from pronghorn_layers.initializers import HeNormal as he_normal
from pronghorn_layers.initializers import HeUniform as HeUniform
from pronghorn_layers.initializers import HeUniform as he_uniform
from pronghorn_layers.initializers import Identity as Identity
from pronghorn_layers.initializers import Identity as IdentityInitializer
from pronghorn_layers.initializers import Identity as identity
from pronghorn_layers.initializers import LecunNormal as LecunNormal
from pronghorn_layers.initializers import LecunNormal as lecun_normal
from pronghorn_layers.initializers import LecunUniform as LecunUniform
from pronghorn_layers.initializers import LecunUniform as lecun_uniform
from pronghorn_layers.initializers import Orthogonal as Orthogonal
from pronghorn_layers.initializers import Orthogonal as OrthogonalInitializer
from pronghorn_layers.initializers import Orthogonal as orthogonal
from pronghorn_layers.initializers import RandomNormal as RandomNormal
from pronghorn_layers.initializers import RandomNormal as random_normal
from pronghorn_layers.initializers import RandomUniform as RandomUniform
from pronghorn_layers.initializers import RandomUniform as random_uniform
from pronghorn_layers.initializers import STFT as STFT
from pronghorn_layers.initializers import STFT as STFTInitializer
from pronghorn_layers.initializers import STFT as stft
from pronghorn_layers.initializers import TruncatedNormal as TruncatedNormal
from pronghorn_layers.initializers import TruncatedNormal as truncated_normal
from pronghorn_layers.initializers import VarianceScaling as VarianceScaling
from pronghorn_layers.initializers import VarianceScaling as variance_scaling

get: Callable[..., Any]
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
