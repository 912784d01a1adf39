"""What this distribution offers."""

from pronghorn import hookimpl


@hookimpl
def pronghorn_layers() -> dict[str, str]:
    return {"Swish": "pronghorn_swish.swish:Swish"}


@hookimpl
def pronghorn_ops() -> dict[str, str]:
    return {"scaled_sigmoid_product": "pronghorn_swish.swish:scaled_sigmoid_product"}


@hookimpl
def pronghorn_kernels() -> dict[str, str]:
    return {"cpu/scaled_sigmoid_product": "pronghorn_swish.cpu:scaled_sigmoid_product"}
