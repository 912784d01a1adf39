"""Building, calling, masks, losses, tracking and dtypes of layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import naming, ops
from pronghorn.functional import Input
from pronghorn.layer import InputSpec, Layer, get_mask, set_mask
from pronghorn.metric import Mean
from pronghorn.program import jit
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor, Variable, convert_to_tensor
from pronghorn.testing.layers import Affine


class Stack(Layer):
    """Sublayers in a list and a dict, and no `build`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blocks = [Affine(4), Affine(4)]
        self.named = {"last": Affine(2)}

    def call(self, inputs: Any, training: bool = False) -> Any:
        for block in self.blocks:
            inputs = block(inputs)
        return self.named["last"](inputs)


class Recorder(Layer):
    """Keeps what `call` was given."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        self._seen = (training, mask)
        return inputs


# ------------------------------------------------------------------------------------------------ building


def test_built_on_the_first_call_with_keras_names() -> None:
    layer = Affine(3, name="dense")
    assert not layer.built
    assert layer(np.ones((2, 5))).shape == (2, 3)
    assert [v.path for v in layer.weights] == ["dense/kernel", "dense/bias"]
    assert layer.get_build_config() == {"input_shape": (2, 5)}
    assert layer.count_params() == 18


def test_sublayers_are_built_by_tracing_with_unknown_sizes_left_unknown() -> None:
    layer = Stack(name="stack")
    layer.build((None, 5))
    first = layer.blocks[0].name
    assert [v.path for v in layer.weights][:2] == [f"stack/{first}/kernel", f"stack/{first}/bias"]
    assert layer.blocks[1].get_build_config() == {"input_shape": (None, 4)}
    assert layer.compute_output_shape((None, 5)) == (None, 2)


def test_shapes_may_be_lists_of_floats() -> None:
    layer = Affine(3)
    layer.build([None, 5.0])
    assert layer.kernel.shape == (5, 3)
    layer.add_weight(shape=[2.0, 3], name="extra")
    assert layer.weights[-1].shape == (2, 3)


def test_build_takes_the_shapes_of_arguments_by_name() -> None:
    class Pair(Layer):
        def build(self, left_shape: Any, right_shape: Any) -> None:
            self.shapes = (left_shape, right_shape)

        def call(self, left: Any, right: Any) -> Any:
            return left + right

    pair = Pair()
    pair(np.ones((2, 3)), right=np.ones((1, 3)))
    assert pair.shapes == ((2, 3), (1, 3))
    assert pair.get_build_config() == {"shapes_dict": {"left_shape": (2, 3), "right_shape": (1, 3)}}


def test_a_build_may_call_that_of_its_base() -> None:
    class More(Affine):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    layer = More(2, name="more")
    layer(np.ones((1, 3)))
    assert [v.path for v in layer.weights] == ["more/kernel", "more/bias", "more/scale"]


def test_building_inside_of_a_program_and_under_a_shape_trace_makes_variables_once() -> None:
    layer = Affine(2)
    program = jit(layer)
    assert program(np.ones((2, 3), "float32")).shape == (2, 2)
    assert len(layer.weights) == 2
    outer = Stack()
    assert outer(Input((7,))).shape == (None, 2)
    assert len(outer.weights) == 6


def test_default_initializers() -> None:
    layer = Affine(2)
    assert np.any(layer.add_weight(shape=(3, 3)).numpy())
    assert not np.any(layer.add_weight(shape=(3,), dtype="int32").numpy())


# ------------------------------------------------------------------------------------------------ calling


def test_lists_arrays_and_variables_are_taken() -> None:
    layer = Affine(2)
    assert layer([[1, 2], [3.0, 4]]).dtype == "float32"
    assert layer(Variable(np.ones((2, 2), "float32"))).shape == (2, 2)
    assert layer(np.ones((2, 2), "float64")).dtype == "float32"


def test_ids_are_not_cast() -> None:
    assert Recorder()(np.array([1, 2])).dtype == "int64"


def test_training_is_explicit_or_that_of_the_call_around_it() -> None:
    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Recorder()

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    outer = Outer()
    x = np.ones((1, 2))
    for given, seen in ((True, True), (False, False), (None, None)):
        outer(x, training=given)
        assert outer.inner._seen[0] is seen


def test_call_on_a_symbol_is_one_node() -> None:
    layer, x = Stack(), Input((3,))
    y = layer(x)
    assert y.symbolic and y.node is not None and y.node.op is layer
    assert layer.input is x and layer.output is y
    layer(x)
    assert layer.output is y, "of the first call, as in Keras"
    with pytest.raises(AttributeError, match="no `output` before it is called"):
        Stack().output  # noqa: B018


def test_errors_name_the_layer_the_argument_and_what_to_change() -> None:
    class Picky(Affine):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    layer = Picky(2, name="picky")
    layer(np.ones((1, 3)))
    with pytest.raises(
        ValueError, match=r'"picky" \(Picky\).*axis -1 .* value 3.*\(1, 4\).*; give it inputs of size 3'
    ):
        layer(np.ones((1, 4)))
    x = Affine(5, name="before")(Input((3,), name="in"))
    with pytest.raises(ValueError, match=r"from in \(None, 3\) -> before \(None, 5\)"):
        layer(x)
    with pytest.raises(TypeError, match="layer 'picky': .*its signature is call"):
        layer(np.ones((1, 3)), np.ones((1, 3)))


def test_errors_inside_show_the_chain_of_layers() -> None:
    stack = Stack(name="stack")
    with pytest.raises(ValueError) as caught:
        stack(np.ones((2, 3)))
        stack(np.ones((2, 9)))
    assert any("in layer 'stack' (Stack), called on (2, 9) float32" in note for note in caught.value.__notes__)


def test_a_forgotten_super_init_is_explained() -> None:
    class Forgot(Layer):
        def __init__(self) -> None:
            self.n = 1

    with pytest.raises(RuntimeError, match=r"Forgot: super\(\).__init__\(\) was not called"):
        Forgot()(np.ones(2))


def test_unknown_arguments_and_names() -> None:
    with pytest.raises(TypeError, match=r"unknown arguments \['units'\]"):
        Layer(units=3)
    with pytest.raises(ValueError, match="must be a string without '/'"):
        Layer(name="a/b")
    with pytest.raises(NotImplementedError, match=r"Layer 'layer[_\d]*' has no `call`"):
        Layer()(np.ones(1))


# ------------------------------------------------------------------------------------------------ masks


def masked(shape: tuple[int, ...]) -> Tensor:
    x = convert_to_tensor(np.ones(shape, "float32"))
    set_mask(x, convert_to_tensor(np.ones(shape[:2], bool)))
    return x


def test_masks_are_passed_on_or_lost_with_a_warning() -> None:
    layer = Affine(2, name="lossy")
    with pytest.warns(UserWarning, match="'lossy' .* will therefore destroy the mask information"):
        assert get_mask(layer(masked((2, 3, 4)))) is None
    layer.supports_masking = True
    assert get_mask(layer(masked((2, 3, 4)))) is not None


def test_a_mask_of_ones_own_means_masks_are_supported() -> None:
    class Halves(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs[:, :3], inputs[:, 3:]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return mask[:, :3], mask[:, 3:]

    assert all(get_mask(half).shape == (2, 3) for half in Halves()(masked((2, 6, 4))))


def test_masks_fill_arguments() -> None:
    class Two(Layer):
        supports_masking = True

        def call(self, query: Any, value: Any, value_mask: Any = None) -> Any:
            self._seen = value_mask
            return query

    recorder, two = Recorder(), Two()
    recorder.supports_masking = True
    recorder(masked((1, 2, 3)))
    assert recorder._seen[1] is not None
    two(np.ones((1, 2, 3)), masked((1, 2, 3)))
    assert two._seen is not None


def test_an_explicit_mask_wins() -> None:
    recorder = Recorder()
    recorder.supports_masking = True
    mask = np.zeros((1, 2), bool)
    y = recorder(masked((1, 2, 3)), mask=mask)
    assert not recorder._seen[1].numpy().any()
    assert get_mask(y) is not None


# ------------------------------------------------------------------------------------------------ losses


def test_losses_are_those_of_the_last_call() -> None:
    class Penalty(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(ops.sum(inputs))
            return inputs

    layer = Penalty(activity_regularizer=lambda x: 2 * ops.sum(x))
    layer(np.ones((4, 2)))
    layer(np.ones((4, 2)))
    assert [float(x) for x in layer.losses] == [8, 4]  # the activity regularizer's is divided by the batch size
    with pytest.raises(ValueError, match=r"add_loss takes scalars, got shape \(2,\)"):
        layer.add_loss([1.0, 2.0, np.ones(2)])


def test_losses_of_a_trace_stay_in_it() -> None:
    layer = Recorder(activity_regularizer=lambda x: ops.sum(x))

    def step(x: Any) -> Any:
        layer(x)
        return layer.losses[0]

    assert float(jit(step)(np.ones((2, 3), "float32"))) == 3
    assert layer.losses == []


def test_weight_regularizers() -> None:
    layer = Affine(2)
    layer.add_weight(shape=(3,), initializer="ones", regularizer=lambda w: 0.5 * ops.sum(w), name="w")
    assert [float(x) for x in layer.losses] == [1.5]
    layer.trainable = False
    assert layer.losses == []


# ------------------------------------------------------------------------------------------------ what it owns


def test_tracking_follows_the_order_of_assignment_also_into_containers() -> None:
    class Owner(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first: list[Any] = []
            self.second: list[Any] = []
            for i in range(2):
                self.first.append(Affine(1, name=f"a{i}"))
                self.second += [Affine(1, name=f"b{i}")]
            self.by_name = {"x": [Affine(1, name="c")]}
            self.by_name["y"] = [Affine(1, name="d")]
            self.pair = (Affine(1, name="e"), 3)

    owner = Owner()
    assert [layer.name for layer in owner._layers] == ["a0", "b0", "a1", "b1", "c", "d", "e"]
    owner.first.pop()
    del owner.by_name["y"]
    owner.pair = None
    assert [layer.name for layer in owner._layers] == ["a0", "b0", "b1", "c"]


def test_variables_weights_and_their_order() -> None:
    class Owner(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.statistic = self.add_weight(shape=(), trainable=False, name="statistic")
            self.weight = self.add_weight(shape=(), name="weight")
            self.given = Variable(1.0, name="given")
            self.seed = SeedGenerator(1)
            self.metric = Mean(name="mean")
            self.inner = Affine(1)

    owner = Owner()
    owner.inner.build((None, 1))
    assert [v.name for v in owner.weights] == ["weight", "given", "statistic", "kernel", "bias"]
    assert len(owner.variables) == 6
    assert [v.name for v in owner.trainable_variables] == ["weight", "given", "kernel", "bias"]
    assert [m.name for m in owner.metrics] == ["mean"]
    owner.trainable = False
    assert owner.trainable_variables == [] and not owner.inner.trainable
    owner.trainable = True
    assert not owner.statistic.trainable and owner.inner.kernel.trainable


def test_get_and_set_weights() -> None:
    layer, other = Affine(2), Affine(2)
    layer.build((None, 3)), other.build((None, 3))
    other.set_weights(layer.get_weights())
    np.testing.assert_array_equal(other.kernel.numpy(), layer.kernel.numpy())
    with pytest.raises(ValueError, match="expects 2 arrays, got 1"):
        layer.set_weights([np.ones(2)])
    with pytest.raises(ValueError, match=r"got shape \(3,\) for 'affine.*bias', expected \(2,\)"):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    with pytest.raises(ValueError, match="expects 0 arrays, got 1; it is not built yet"):
        Affine(2).set_weights([np.ones(2)])
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    other.load_own_variables({key: 2 * value for key, value in store.items()})
    np.testing.assert_array_equal(other.kernel.numpy(), 2 * layer.kernel.numpy())


def test_changing_an_attribute_is_noted() -> None:
    layer = Affine(2)
    before = naming.mutation_count()
    layer.units = 2
    assert naming.mutation_count() == before
    layer.units = 3
    layer.trainable = False
    layer.trainable = False
    layer.dtype_policy = "float64"
    assert layer.mutations and naming.mutation_count() == before + 3


# ------------------------------------------------------------------------------------------------ dtypes


def test_a_mixed_policy_computes_in_16_bits_and_keeps_32_bit_variables() -> None:
    layer = Affine(2, dtype="mixed_float16")
    assert layer(np.ones((1, 3))).dtype == "float16"
    assert layer.kernel.dtype == "float32" and layer.kernel.numpy().dtype == "float32"


def test_a_float32_layer_inside_of_a_mixed_one_computes_in_32_bits() -> None:
    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__(dtype="mixed_float16")
            self.inner = Affine(2, dtype="float32")

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    assert Outer()(np.ones((1, 3))).dtype == "float32"


def test_a_build_of_ones_own_may_call_that_of_the_base() -> None:
    """Which then builds nothing by calling the layer: that is not ready yet."""

    class Shifted(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Affine(2)

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.shift = self.add_weight(shape=(2,))

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs) + self.shift

    layer = Shifted()
    assert layer(np.ones((3, 4), "float32")).shape == (3, 2)
    assert len(layer.weights) == 3
