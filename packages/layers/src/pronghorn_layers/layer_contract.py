"""LayerContract: what every layer must do, as tests to inherit."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pronghorn import ops, tree
from pronghorn.autodiff import GradientTape, check_gradients
from pronghorn.functional import Input
from pronghorn.layer import Layer, get_mask, set_mask
from pronghorn.model import Model
from pronghorn.program import jit
from pronghorn.saving.load import load_model
from pronghorn.saving.registry import custom_object_scope, deserialize_keras_object, serialize_keras_object
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn.testing.kernels import accelerators, using_accelerator


class LayerContract:
    """Checks a layer. Subclass it in a test module and say how to make one:

    ```python
    class TestSwish(LayerContract):
        input_shape = (3, 5)

        def make(self, **options):
            return Swish(**options)
    ```

    `make` passes `options`, those that every layer has, on to the constructor.

    Attributes:
        input_shape: of one batch; a list of shapes for a layer that takes a list of inputs.
        input_dtype: "float32"; an integer dtype for a layer of ids, which are drawn below `ids`; or "string" for one of
            texts, each of a few of the words "a" to "d".
        unknown: which dimensions but the batch the layer does not need to know.
        differentiable: whether gradients with respect to the inputs are checked.
        rtol: relative difference allowed between ways of computing the same.
    """

    input_shape: ClassVar[Any] = (3, 5)
    input_dtype: ClassVar[str] = "float32"
    ids: ClassVar[int] = 4
    unknown: ClassVar[tuple[int, ...]] = ()
    differentiable: ClassVar[bool] = True
    rtol: ClassVar[float] = 1e-5

    def make(self, **options: Any) -> Layer:
        """A new layer."""
        raise NotImplementedError(f"{type(self).__name__} must define make(**options)")

    # -------------------------------------------------------------------------------------------- the checks

    def test_shape_and_dtype_are_those_of_the_symbol(self) -> None:
        layer = self.make()
        symbols = tree.map_structure(self._symbol, self.arrays())
        declared = tree.flatten(layer(symbols))
        for batch in (1, self._batch()):
            for t, symbol in zip(tree.flatten(layer(self.arrays(batch=batch))), declared, strict=True):
                assert len(t.shape) == len(symbol.shape), f"declared {symbol.shape}, got {t.shape}"
                assert all(m in (None, n) for n, m in zip(t.shape, symbol.shape, strict=True)), (symbol.shape, t.shape)
                assert t.dtype == symbol.dtype
        shapes = layer.compute_output_shape(tree.map_structure(lambda t: t.shape, symbols))
        assert _flat_shapes(shapes) == [t.shape for t in declared]

    def test_dtype_policies(self) -> None:
        if self.input_dtype != "float32":
            return
        for name, compute, variable in (("float64",) * 3, ("mixed_float16", "float16", "float32")):
            layer = self.make(dtype=name)
            outputs = tree.flatten(layer(self.arrays()))
            assert {t.dtype for t in outputs if t.dtype.startswith("float")} <= {compute}
            assert {v.dtype for v in layer.weights if v.dtype.startswith("float")} <= {variable}

    def test_gradients(self) -> None:
        layer = self.make(dtype="float64")
        arrays = tree.flatten(self.arrays("float64"))
        layer(self._pack(arrays))
        if self.differentiable and self.input_dtype == "float32":
            check_gradients(lambda *xs: layer(self._pack(list(xs))), arrays)
        for variable in layer.trainable_variables:

            def scalar() -> Any:
                parts = [t for t in tree.flatten(layer(self._pack(arrays))) if t.dtype == "float64"]
                return sum(ops.sum(ops.sin(t)) for t in parts)

            with GradientTape() as tape:
                total = scalar()
            gradient = tape.gradient(total, variable)
            assert gradient is not None, f"the outputs do not depend on {variable.path}"
            _compare_with_differences(scalar, variable, gradient.numpy())

    def test_program_equals_eager_on_every_accelerator(self) -> None:
        layer = self.make()
        arrays = self.arrays()
        expected = [t.numpy() for t in tree.flatten(layer(arrays))]
        for name in accelerators():
            with using_accelerator(name):
                for found, want in zip(tree.flatten(jit(layer)(arrays)), expected, strict=True):
                    np.testing.assert_allclose(found.numpy(), want, rtol=self.rtol, atol=self.rtol, err_msg=name)

    def test_config_round_trip(self) -> None:
        layer = self.make(name="first")
        with custom_object_scope({type(layer).__name__: type(layer)}):
            arrays = self.arrays()
            expected = tree.flatten(layer(arrays))
            config = json.loads(json.dumps(serialize_keras_object(layer)))
            again = deserialize_keras_object(config)
            assert json.loads(json.dumps(serialize_keras_object(again))) == config
            assert [v.shape for v in again.weights] == [v.shape for v in layer.weights] or not again.built
            if not again.built:
                again(arrays)
            again.set_weights(layer.get_weights())
            for found, want in zip(tree.flatten(again(arrays)), expected, strict=True):
                np.testing.assert_array_equal(found.numpy(), want.numpy())

    def test_in_a_model_that_is_made_again(self, tmp_path: Path) -> None:
        """From its config, and from a file."""
        layer = self.make()
        symbols = tree.map_structure(self._symbol, self.arrays())
        with custom_object_scope({type(layer).__name__: type(layer)}):
            model = Model(symbols, layer(symbols))
            again = Model.from_config(json.loads(json.dumps(model.get_config())))
            again.set_weights(model.get_weights())
            model.save(tmp_path / "model.keras")
            arrays = self.arrays()
            for other in (again, load_model(tmp_path / "model.keras")):
                for found, want in zip(tree.flatten(other(arrays)), tree.flatten(model(arrays)), strict=True):
                    np.testing.assert_array_equal(found.numpy(), want.numpy())

    def test_masks(self) -> None:
        """A mask is passed on, or the layer says that it is lost."""
        layer = self.make()
        inputs = tree.map_structure(convert_to_tensor, self.arrays())
        if any(len(t.shape) < 3 for t in tree.flatten(inputs)) or self.input_dtype != "float32":
            return
        for t in tree.flatten(inputs):
            set_mask(t, convert_to_tensor(np.arange(t.shape[1]) < t.shape[1] - 1) & ops.ones(t.shape[:2], dtype="bool"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outputs = tree.flatten(layer(inputs))
        warned = any("destroy the mask" in str(w.message) for w in caught)
        assert warned != layer.supports_masking
        for t in outputs:
            mask = get_mask(t)
            assert mask is None or (mask.dtype == "bool" and mask.shape == t.shape[: len(mask.shape)])

    def test_training_step(self) -> None:
        """A step of descent changes every trainable variable, the same eagerly and as a program; frozen ones stay."""
        layer, twin = self.make(), self.make()
        arrays = self.arrays()
        layer(arrays), twin(arrays)
        twin.set_weights(layer.get_weights())
        before = [v.numpy() for v in layer.trainable_variables]
        _descend(layer, arrays)
        jit(lambda x: _descend(twin, x))(arrays)
        for old, eager, traced in zip(before, layer.trainable_variables, twin.trainable_variables, strict=True):
            assert not np.array_equal(old, eager.numpy()), f"{eager.path} was not changed"
            np.testing.assert_allclose(eager.numpy(), traced.numpy(), rtol=10 * self.rtol, atol=10 * self.rtol)
        layer.trainable = False
        assert layer.trainable_variables == []
        assert len(layer.non_trainable_variables) == len(layer.variables)

    # -------------------------------------------------------------------------------------------- inputs

    def arrays(self, dtype: str | None = None, batch: int | None = None) -> Any:
        """Inputs: normal draws, or ids."""
        rng = np.random.default_rng(0)

        def draw(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
            sizes = (batch or shape[0], *shape[1:])
            if self.input_dtype == "string":
                words = rng.choice(["a", "b", "c", "d", "a b", "d c a"], sizes)
                return words.astype(object)
            if self.input_dtype != "float32":
                return rng.integers(0, self.ids, sizes).astype(self.input_dtype)
            return rng.normal(size=sizes).astype(dtype or "float32")

        return [draw(s) for s in self.input_shape] if isinstance(self.input_shape, list) else draw(self.input_shape)

    def _batch(self) -> int:
        return int(tree.flatten(self.arrays())[0].shape[0])

    def _symbol(self, array: np.ndarray[Any, Any]) -> Tensor:
        shape = tuple(None if i == 0 or i in self.unknown else n for i, n in enumerate(array.shape))
        return Input(batch_shape=shape, dtype=self.input_dtype)

    def _pack(self, flat: list[Any]) -> Any:
        return flat if isinstance(self.input_shape, list) else flat[0]


def _descend(layer: Layer, inputs: Any) -> Any:
    with GradientTape() as tape:
        loss: Any = 0.0
        for t in tree.flatten(layer(inputs, training=True)):
            loss = loss + ops.sum(ops.square(ops.cast(t, "float32") - 0.3))
    variables = layer.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign(variable - 0.01 * gradient)
    return loss


def _compare_with_differences(scalar: Any, variable: Any, gradient: Any, eps: float = 1e-6) -> None:
    value = variable.numpy()
    places = np.random.default_rng(0).permutation(value.size)[:6]
    for place in places:
        found = []
        for sign in (1, -1):
            moved = value.copy()
            moved.flat[place] += sign * eps
            variable.assign(moved)
            found.append(float(scalar()))
        variable.assign(value)
        numeric = (found[0] - found[1]) / (2 * eps)
        np.testing.assert_allclose(gradient.flat[place], numeric, rtol=1e-5, atol=1e-6, err_msg=variable.path)


def _flat_shapes(shapes: Any) -> list[Any]:
    if isinstance(shapes, tuple) and all(n is None or isinstance(n, int) for n in shapes):
        return [shapes]
    return [shape for part in (shapes.values() if isinstance(shapes, dict) else shapes) for shape in _flat_shapes(part)]
