from pronghorn.testing.layers import Affine as Affine
from pronghorn.testing.layers import Descent as Descent
from pronghorn.testing.layers import Momentum as Momentum
from pronghorn_layers.layer_contract import LayerContract as LayerContract
from pronghorn_ops.kernel_contract import KernelContract as KernelContract
from pronghorn_optimizers.contract import OptimizerContract as OptimizerContract
