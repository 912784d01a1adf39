"""Recurrent cells: one step of a recurrence.

A cell of this module is split in two. What depends on the inputs alone, `project`, is one product for all steps of a
sequence together; what depends on the state, `step`, runs step by step. `call` is one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from pronghorn import activations, constraints, initializers, ops, plugins, random, regularizers
from pronghorn.arguments import as_integer
from pronghorn.layer import Layer
from pronghorn.ops.attributes import Recurrence
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor

Product = Callable[[Tensor, Any], Tensor]


class Noise(NamedTuple):
    """What dropout multiplies the inputs and the state with in all steps of a sequence, None for nothing.

    The first axis counts the gates, each of which has a draw of its own; there may be one for all.
    """

    inputs: Tensor | None = None
    state: Tensor | None = None


class RecurrentCell(Layer):
    """The base of the cells: kernel (features, gates * units), recurrent_kernel (units, gates * units) and a bias."""

    gates = 1
    size_argument = "units"
    feature_axis = -1
    """The axis along which the gates lie side by side."""
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    bias: Any

    def __init__(self, units: int, dropout: float, recurrent_dropout: float, seed: int | None, **kwargs: Any) -> None:
        implementation = 1 if recurrent_dropout > 0 else kwargs.pop("implementation", 2)
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        where = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.units = as_integer(units, f"{where} `{self.size_argument}`")
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.implementation = implementation
        self.noise_per_gate = implementation == 1
        self.seed = seed
        if self.dropout > 0 or self.recurrent_dropout > 0:
            self.seed_generator = SeedGenerator(seed)
        self._noise: Noise | None = None

    def _options(self, activation: Any, use_bias: bool, **options: Any) -> None:
        """Resolves the arguments that all cells have; `options` are of kernel, recurrent kernel and bias."""
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for name, value in options.items():
            kind = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}
            setattr(self, name, kind[name.rpartition("_")[2]].get(value))

    @property
    def state_size(self) -> Any:
        """The sizes of the states."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the outputs."""
        return self.units

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.gates * self.units,)

    def _bias_initializer(self) -> Any:
        return self.bias_initializer

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): the number of features must be known, got the shape "
                f"{input_shape} of one step; give Input a shape with a number there"
            )
        width = self.gates * self.units
        self.kernel = self._weight("kernel", (features, width), self.kernel_initializer)
        self.recurrent_kernel = self._weight("recurrent_kernel", (self.units, width), self.recurrent_initializer)
        self.bias = self._weight("bias", self.bias_shape, self._bias_initializer()) if self.use_bias else None

    def _weight(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        kind = name.removesuffix("_kernel")
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
            name=name,
        )

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """Zeros for each state."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    # -------------------------------------------------------------------------------------------- dropout

    def draw_noise(self, batch: int) -> Noise:
        """Draws for a batch of sequences in training."""
        draws = self.gates if self.noise_per_gate else 1

        def draw(rate: float, size: int) -> Tensor | None:
            if not 0 < rate < 1:
                return None
            ones = ops.ones((draws, batch, size), dtype=self.compute_dtype)
            return random.dropout(ones, rate, seed=self.seed_generator)  # type: ignore[no-any-return]

        return Noise(draw(self.dropout, self.kernel.shape[0]), draw(self.recurrent_dropout, self.units))

    def _times_kernel(self, x: Tensor, kernel: Any, noise: Tensor | None, times: Product = ops.matmul) -> Tensor:
        """x @ kernel for all gates, x with the noise of each."""
        if noise is None:
            return times(x, kernel)
        if noise.shape[0] == 1:
            return times(x * noise[0], kernel)
        columns = [kernel[..., k * self.units : (k + 1) * self.units] for k in range(noise.shape[0] or 0)]
        products = [times(x * noise[k], part) for k, part in enumerate(columns)]
        return ops.concatenate(products, axis=self.feature_axis)

    def _times_recurrent_kernel(self, state: Tensor, noise: Tensor | None) -> Tensor:
        """state @ recurrent_kernel for all gates."""
        return self._times_kernel(state, self.recurrent_kernel, noise)

    # -------------------------------------------------------------------------------------------- steps

    def project(self, inputs: Tensor, noise: Noise) -> Tensor:
        """inputs @ kernel + bias: of one step (batch, features), or of all (steps, batch, features)."""
        if noise.inputs is not None:
            outputs = self._times_kernel(inputs, self.kernel, noise.inputs)
            return outputs if self.bias is None else outputs + self._input_bias()
        rows = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), self.kernel)  # the bias fuses into one product
        rows = rows if self.bias is None else rows + self._input_bias()
        return ops.reshape(rows, (*inputs.shape[:-1], rows.shape[-1]))  # type: ignore[no-any-return]

    def _input_bias(self) -> Any:
        return self.bias

    def step(self, projected: Tensor, states: Sequence[Tensor], noise: Noise) -> tuple[Tensor, list[Tensor]]:
        """Output and next states, from the projected inputs (batch, gates * units) of one step."""
        raise NotImplementedError

    def run(
        self, projected: Tensor, states: Sequence[Tensor], mask: Tensor | None, noise: Noise
    ) -> list[Tensor] | None:
        """The states after each step of whole sequences (steps, batch, gates * units), by a primitive; None where
        options call for another formula than the primitive's.
        """
        formula = self.recurrence() if projected.dtype in ("float32", "float64") else None
        if formula is None:
            return None
        rest = [] if mask is None else [mask]
        if noise.state is not None:
            rest.append(ops.broadcast_to(noise.state, (self.gates, *noise.state.shape[1:])))
        weights = [ops.convert_to_tensor(self.recurrent_kernel, projected.dtype)]
        if formula.bias:
            weights.append(self._recurrent_bias())
        recurrence = plugins.load("utils", "primitives.recurrence")
        attrs = {"cell": formula, "masked": mask is not None, "noisy": noise.state is not None}
        results = recurrence(projected, *weights, *states, *rest, **attrs)
        return list(results[: len(states)]) if isinstance(results, tuple) else [results]

    def recurrence(self) -> Recurrence | None:
        """What primitive computes the steps, if one does."""
        return None

    def _recurrent_bias(self) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> tuple[Tensor, Any]:
        nested = isinstance(states, (list, tuple))
        noise = self._noise
        if noise is None:
            noise = self.draw_noise(inputs.shape[0]) if training else Noise()  # type: ignore[arg-type]
        output, following = self.step(self.project(inputs, noise), list(states) if nested else [states], noise)
        return output, following if nested else following[0]

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "implementation"}


class SimpleRNNCell(RecurrentCell):
    """output = activation(inputs @ kernel + state @ recurrent_kernel + bias), which is also the next state.

    Args:
        units: the size of the outputs and the state.
        activation: a name or function, None for none.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on them.
        kernel_constraint, recurrent_constraint, bias_constraint: projections after each update.
        dropout, recurrent_dropout: the rates at which inputs and state are dropped in training, the same in all
            steps of a sequence (Gal and Ghahramani, 2016).
        seed: of the dropout.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, dropout, recurrent_dropout, seed, **kwargs)
        self._options(
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )

    def recurrence(self) -> Recurrence | None:
        return _formula("simple", self.activation)

    def step(self, projected: Tensor, states: Sequence[Tensor], noise: Noise) -> tuple[Tensor, list[Tensor]]:
        output = (self.activation or activations.linear)(
            projected + self._times_recurrent_kernel(states[0], noise.state)
        )
        return output, [output]


class LSTMCell(RecurrentCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), with states h and c:

        i, f, g, o = split(inputs @ kernel + h @ recurrent_kernel + bias, 4)
        c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)

    where `recurrent_activation` stands for sigmoid and `activation` for tanh.

    Args:
        units: the size of the outputs and of both states.
        activation, recurrent_activation: names or functions, None for none.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the weights.
        unit_forget_bias: whether the bias of the forget gate begins with 1 (Jozefowicz et al., 2015).
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on them.
        kernel_constraint, recurrent_constraint, bias_constraint: projections after each update.
        dropout, recurrent_dropout: the rates at which inputs and state are dropped in training, the same in all
            steps of a sequence (Gal and Ghahramani, 2016).
        seed: of the dropout.
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, dropout, recurrent_dropout, seed, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self._options(
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    def _bias_initializer(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer

        def with_open_forget_gate(shape: Any, dtype: Any = None) -> Tensor:
            units = self.units
            rest = [self.bias_initializer((n * units,), dtype=dtype) for n in (1, 2)]
            return ops.concatenate([rest[0], ops.ones((units,), dtype=dtype), rest[1]])

        return with_open_forget_gate

    def recurrence(self) -> Recurrence | None:
        return _formula("lstm", self.activation, self.recurrent_activation)

    def step(self, projected: Tensor, states: Sequence[Tensor], noise: Noise) -> tuple[Tensor, list[Tensor]]:
        h, c = states
        z = projected + self._times_recurrent_kernel(h, noise.state)
        i, f, g, o = ops.split(z, 4, axis=self.feature_axis)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]


class GRUCell(RecurrentCell):
    """Gated recurrent unit (Cho et al., 2014), with update gate z, reset gate r and candidate g:

        h = z h + (1 - z) g,  g = tanh(inputs @ kernel_g + r (h @ recurrent_kernel_g + bias_g))

    With `reset_after=False` the reset gate is applied before the product: g = tanh(… + (r h) @ recurrent_kernel_g).

    Args:
        units: the size of the outputs and the state.
        activation, recurrent_activation: of candidate and gates: names or functions, None for none.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on them.
        kernel_constraint, recurrent_constraint, bias_constraint: projections after each update.
        dropout, recurrent_dropout: the rates at which inputs and state are dropped in training, the same in all
            steps of a sequence (Gal and Ghahramani, 2016).
        reset_after: see above. The bias is then (2, 3 * units): for inputs and for the state.
        seed: of the dropout.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, dropout, recurrent_dropout, seed, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self._options(
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self.reset_after = reset_after

    @property
    def bias_shape(self) -> tuple[int, ...]:
        width = self.gates * self.units
        return (2, width) if self.reset_after else (width,)

    def _input_bias(self) -> Any:
        return self.bias[0] if self.reset_after else self.bias

    def recurrence(self) -> Recurrence | None:
        return _formula("gru", self.activation, self.recurrent_activation) if self.reset_after else None

    def _recurrent_bias(self) -> Tensor:
        if self.bias is None:
            return ops.zeros((self.gates * self.units,), dtype=self.compute_dtype)
        return self.bias[1]  # type: ignore[no-any-return]

    def step(self, projected: Tensor, states: Sequence[Tensor], noise: Noise) -> tuple[Tensor, list[Tensor]]:
        (h,) = states
        split = 2 * self.units
        if self.reset_after:
            inner = self._times_recurrent_kernel(h, noise.state)
            inner = inner if self.bias is None else inner + self.bias[1]
        else:
            inner = self._times_kernel(
                h, self.recurrent_kernel[:, :split], None if noise.state is None else noise.state[:2]
            )
        z, r = ops.split(self.recurrent_activation(projected[:, :split] + inner[:, :split]), 2, axis=-1)
        if self.reset_after:
            candidate = r * inner[:, split:]
        else:
            kept = h if noise.state is None else h * noise.state[2]
            candidate = ops.matmul(r * kept, self.recurrent_kernel[:, split:])
        h = z * h + (1 - z) * self.activation(projected[:, split:] + candidate)
        return h, [h]


def _formula(cell: str, *functions: Any) -> Recurrence | None:
    """The recurrence of a cell with these activations; None where there is none for one of them."""
    names = [getattr(function, "__name__", "") for function in functions]
    if any(getattr(activations, name, None) is not f for name, f in zip(names, functions, strict=True)):
        return None  # somebody's own, perhaps of the same name
    known = plugins.load("utils", "primitives.ACTIVATIONS")
    return plugins.load("utils", "primitives.activated")(cell, *names) if known.keys() >= set(names) else None


class StackedRNNCells(Layer):
    """Several cells as one: each takes the outputs of the one before; the state is the list of their states.

    Args:
        cells: objects with `call(inputs, states)` and `state_size`.
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(cell, f"layer {self.name!r} (StackedRNNCells)")
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states, cell by cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the last cell's outputs."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros, or what the cells begin with."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: Any, states: Sequence[Any], training: bool = False, **kwargs: Any) -> tuple[Any, list[Any]]:
        following = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, new = call_cell(cell, inputs, state, **kwargs)
            following.append(new)
        return inputs, following


def check_cell(cell: Any, name: str) -> None:
    """Raises a ValueError where an object cannot be a cell."""
    missing = [attribute for attribute in ("call", "state_size") if not hasattr(cell, attribute)]
    if missing:
        raise ValueError(
            f"{name}: a cell needs call(inputs, states) and `state_size`, {type(cell).__name__} has no "
            f"{' and no '.join(f'`{m}`' for m in missing)}; pass a cell such as LSTMCell(32), not a layer"
        )


def call_cell(cell: Any, inputs: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Output and next state of any cell, the state nested as it came; a single one may be a tensor."""
    nested = isinstance(state, (list, tuple))
    function = cell if callable(cell) else cell.call
    output, following = function(inputs, list(state) if nested else [state], **kwargs)
    if nested and not isinstance(following, (list, tuple)):
        following = [following]
    elif not nested and isinstance(following, (list, tuple)):
        following = following[0]
    return output, following


def output_size(cell: Any) -> int:
    """The size of a cell's outputs: that of its first state unless it says otherwise."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    return int(size)


def initial_state(cell: Any, batch: int | None, dtype: str) -> Any:
    """What a cell begins with: its `get_initial_state`, or zeros."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch)
    if isinstance(cell.state_size, (list, tuple)):
        return [ops.zeros((batch, size), dtype=dtype) for size in cell.state_size]
    return ops.zeros((batch, cell.state_size), dtype=dtype)


@contextmanager
def noise_for_a_sequence(cell: Any, batch: int, training: bool) -> Iterator[None]:
    """Inside, the cells in `cell` use one draw of dropout noise for all steps."""
    with ExitStack() as stack:
        for part in getattr(cell, "cells", [cell]):
            if isinstance(part, RecurrentCell):
                part._noise = part.draw_noise(batch) if training else Noise()
                stack.callback(setattr, part, "_noise", None)
            elif part is not cell:
                stack.enter_context(noise_for_a_sequence(part, batch, training))
        yield
