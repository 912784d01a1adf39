"""Names of Keras's top level, settings with one value, and what is left of keras.backend."""

from __future__ import annotations

import numpy as np
import pytest

import pronghorn
from pronghorn import Input, Layer, Variable, backend, config, ops
from pronghorn.testing import Affine


def test_symbols_are_recognized() -> None:
    x = Input((3,))
    assert isinstance(x, pronghorn.KerasTensor) and backend.is_keras_tensor(Affine(2)(x))
    assert not isinstance(ops.ones(3), pronghorn.KerasTensor) and not backend.is_keras_tensor(np.ones(3))
    symbol = pronghorn.KerasTensor((None, 3), "int32", name="x")
    assert (symbol.shape, symbol.dtype, symbol.name) == ((None, 3), "int32", "x")
    with pytest.raises(NotImplementedError, match="sparse"):
        pronghorn.KerasTensor((3,), sparse=True)

    class Halved(Layer):
        def compute_output_spec(self, inputs):  # type: ignore[no-untyped-def]
            return pronghorn.KerasTensor((*inputs.shape[:-1], inputs.shape[-1] // 2), inputs.dtype)

        def call(self, inputs):  # type: ignore[no-untyped-def]
            return inputs[..., ::2]

    assert Halved()(Input((6,))).shape == (None, 3)


def test_functions_of_symbols() -> None:
    a, b = Input((3,)), Input((3,))
    dense = Affine(2)
    function = pronghorn.Function([a, b], {"sum": dense(a + b)}, name="both")
    x = np.ones((4, 3), "float32")
    np.testing.assert_allclose(function([x, x])["sum"], dense(2 * x))
    assert function([Input((3,)), Input((3,))])["sum"].shape == (None, 2)
    assert function.name == "both" and dense in function.operations
    assert [t.shape for t in (*function.inputs, *function.outputs)] == [(None, 3), (None, 3), (None, 2)]


def test_operations_of_ones_own() -> None:
    class Doubled(pronghorn.Operation):
        def call(self, x):  # type: ignore[no-untyped-def]
            return x * 2

    doubled = Doubled()
    assert doubled.name.startswith("doubled") and Doubled("twice").name == "twice"
    assert doubled(Input((3,))).shape == (None, 3)
    np.testing.assert_array_equal(doubled(ops.ones(2)), [2, 2])


def test_devices() -> None:
    kind = {"numpy": "cpu"}.get(config.accelerator(), config.accelerator())
    with pronghorn.device(f"{kind}:0"):
        assert ops.ones(2).shape == (2,)
    with pytest.raises(NotImplementedError, match="set_accelerator"), pronghorn.device("tpu"):
        pass


def test_settings_with_one_value() -> None:
    assert not config.is_flash_attention_enabled() and not config.is_nnx_enabled()
    assert not config.is_traceback_filtering_enabled() and config.max_epochs() is config.max_steps_per_epoch() is None
    config.disable_flash_attention()
    config.disable_traceback_filtering()
    config.set_backend("pronghorn")
    config.set_max_epochs(None)
    config.set_max_steps_per_epoch(None)
    for change, arguments in {
        "enable_flash_attention": (),
        "enable_traceback_filtering": (),
        "enable_unsafe_deserialization": (),
        "set_backend": ("jax",),
        "set_max_epochs": (3,),
        "set_max_steps_per_epoch": (3,),
    }.items():
        with pytest.raises(NotImplementedError, match=change):
            getattr(config, change)(*arguments)
    with pytest.raises(AttributeError, match="'pronghorn.config' has no attribute 'colour'"):
        config.colour  # noqa: B018


def test_backend_and_version() -> None:
    assert (backend.is_float_dtype("float16"), backend.is_int_dtype("float16"), backend.is_int_dtype("uint8")) == (
        True, False, True,
    )  # fmt: skip
    assert backend.standardize_dtype(np.float64) == "float64"
    backend.clear_session()
    assert [backend.get_uid("dense"), backend.get_uid("dense"), backend.get_uid("x")] == [1, 2, 1]
    assert pronghorn.version() == pronghorn.__version__
    with pytest.raises(NotImplementedError, match="layout"):
        Variable(np.ones(2), layout="x")
