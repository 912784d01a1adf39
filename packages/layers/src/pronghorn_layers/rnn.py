"""RNN: runs a cell over the steps of sequences."""

from __future__ import annotations

from typing import Any

from pronghorn import dtypes, ops, tree
from pronghorn.arguments import map_shapes
from pronghorn.layer import Layer
from pronghorn.tensor import MODEL, Tensor, Variable
from pronghorn_layers.cells import (
    Noise,
    RecurrentCell,
    StackedRNNCells,
    call_cell,
    check_cell,
    initial_state,
    noise_for_a_sequence,
    output_size,
)


class RNN(Layer):
    """The outputs of a cell that is applied to one step after the other, each time to the state that it returned.

    Inputs: sequences (batch, steps, …). Outputs: those of the last step (batch, size), or of all (batch, steps, size).
    A step that is masked leaves the state as it was and repeats the last output: the initial state at first, or 0 for
    a cell of another kind than this package's.

    Args:
        cell: an object with `call(inputs, states) -> (output, states)` and `state_size`, or a list of such, stacked.
        return_sequences: whether the outputs of all steps are returned.
        return_state: whether the final states are returned after the outputs.
        go_backwards: whether the steps are taken from last to first; the outputs come in the order in which they
            were computed.
        stateful: whether a batch begins with the states in which the one before ended, until `reset_states()`.
        unroll: whether the steps are written out in the program instead of looped over.
        zero_output_for_mask: whether the output of a masked step is 0 instead.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell, dtype=self.dtype_policy)
        check_cell(cell, f"layer {self.name!r} ({type(self).__name__})")
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.states: Any = None

    # -------------------------------------------------------------------------------------------- shapes and states

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if len(sequences_shape) < 3:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): expected sequences of the shape (batch, steps, …), got "
                f"{sequences_shape}; add the missing axis, for example with ops.expand_dims"
            )
        if isinstance(self.cell, Layer) and not self.cell.built:
            self._build_cell(self.cell, (sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            if sequences_shape[0] is None:
                raise ValueError(
                    f"layer {self.name!r}: stateful=True needs to know the batch size, got the shape "
                    f"{sequences_shape}; give Input a batch_shape"
                )
            zeros = self.get_initial_state(sequences_shape[0])

            def memory(value: Tensor) -> Variable:
                return Variable(value, trainable=False, dtype=self.variable_dtype, name="rnn_state")

            # States belong to the data, not to the weights: they are in no file, and not tracked.
            object.__setattr__(self, "states", tree.map_structure(memory, zeros))

    def _build_cell(self, cell: Layer, step_shape: Any) -> None:
        """By the cell's own `build`; the layers inside of a cell that has none are built by tracing a step."""
        if type(cell).build is not Layer.build:
            return cell.build(step_shape)

        def symbol(shape: Any) -> Tensor:
            return Tensor(shape, cell.compute_dtype, scope=MODEL)

        states = [map_shapes(symbol, shape) for shape in self._state_shapes(step_shape[0])]
        cell.compute_output_spec(symbol(step_shape), states)

    def _state_shapes(self, batch: int | None) -> list[Any]:
        size = self.cell.state_size
        return [_state_shape(batch, each) for each in (size if isinstance(size, (list, tuple)) else [size])]

    def get_initial_state(self, batch_size: int | None) -> list[Any]:
        """The states before the first step: the cell's, or zeros."""
        found = initial_state(self.cell, batch_size, _compute_dtype(self.cell))
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def reset_state(self) -> None:
        """Makes the next batch of a stateful layer begin with zeros."""
        for state in tree.flatten(self.states) if self.states is not None else ():
            state.assign(ops.zeros(state.shape, dtype=state.dtype))

    def reset_states(self) -> None:
        """The same as `reset_state`."""
        self.reset_state()

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps = sequences_shape[:2]
        size = output_size(self.cell)
        shape = (batch, steps, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return shape
        return (shape, *self._state_shapes(batch))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = tree.flatten(previous_mask)[0] if self.return_sequences else None
        return [mask, *(None for _ in tree.flatten(self.cell.state_size))] if self.return_state else mask

    # -------------------------------------------------------------------------------------------- calling

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        batch, steps = sequences.shape[:2]
        if not steps:
            raise ValueError(
                f"layer {self.name!r}: expected sequences (batch, steps, …) of at least one step, got the shape "
                f"{sequences.shape}; leave empty sequences out, or pad them and mask the padding"
            )
        if self.states is not None and (expected := tree.flatten(self.states)[0].shape[0]) != batch:
            raise ValueError(
                f"layer {self.name!r}: stateful=True was built for batches of {expected} sequences, got {batch}; "
                f"keep the batch size, or drop the last batch"
            )
        given = initial_state is not None
        if initial_state is None:
            initial_state = self.get_initial_state(batch) if self.states is None else self.states
        dtype = _compute_dtype(self.cell)
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        states = tree.map_structure(lambda s: ops.cast(s, dtype), states)
        if given:
            self._check_states(states, batch)
        if mask is not None:
            mask = self._checked_mask(tree.flatten(mask)[0], sequences)
        sequences, mask = _by_steps(sequences, self.go_backwards), _by_steps(mask, self.go_backwards)
        with noise_for_a_sequence(self.cell, batch, training):  # type: ignore[arg-type]
            last, outputs, states = self.inner_loop(sequences, states, mask, training)
        if mask is not None and self.zero_output_for_mask:
            last = _choose(mask[-1], last, 0)
            outputs = None if outputs is None else _choose(mask, outputs, 0)
        if self.states is not None:
            for variable, value in zip(tree.flatten(self.states), tree.flatten(states), strict=True):
                variable.assign(ops.cast(value, variable.dtype))
        output = ops.cast(_by_steps(outputs) if self.return_sequences else last, self.compute_dtype)
        if not self.return_state:
            return output
        return (output, *tree.map_structure(lambda s: ops.cast(s, self.compute_dtype), states))

    def _check_states(self, states: list[Any], batch: int | None) -> None:
        expected = [x.shape for x in tree.flatten(self.get_initial_state(batch))]
        if (found := [x.shape for x in tree.flatten(states)]) != expected:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): argument `initial_state` must have the shapes "
                f"{expected}, got {found}"
            )

    def _checked_mask(self, mask: Any, sequences: Tensor) -> Tensor:
        mask = ops.cast(mask, "bool")
        if len(mask.shape) == 3 and mask.shape[2] == 1:
            mask = ops.squeeze(mask, 2)
        if mask.shape != sequences.shape[:2]:
            raise ValueError(
                f"layer {self.name!r}: the mask must have the shape (batch, steps) = {sequences.shape[:2]}, got "
                f"{mask.shape}; it has one bool for each step"
            )
        return mask  # type: ignore[no-any-return]

    def inner_loop(
        self, sequences: Tensor, initial_state: list[Any], mask: Tensor | None, training: bool = False
    ) -> tuple[Tensor, Tensor | None, list[Any]]:
        """Last output, all outputs and last states of sequences (steps, batch, …), with a mask (steps, batch).

        Masked steps keep output and state. Where not all outputs are wanted there may be None.
        """
        cell, unroll = self.cell, True if self.unroll else 1
        if isinstance(cell, RecurrentCell):
            noise = cell._noise or Noise()
            projected = cell.project(sequences, noise)
            whole = None if self.unroll else cell.run(projected, initial_state, mask, noise)
            if whole is not None:
                return whole[0][-1], whole[0], [states[-1] for states in whole]

            def step(states: Any, items: Any) -> Any:
                _, following = cell.step(items[0], states, noise)
                states = _unless_masked(items[1], following, states)
                return states, states[0] if self.return_sequences else None

            states, outputs = ops.scan(step, initial_state, (projected, mask), unroll=unroll)
            return states[0], outputs, states  # the first state of these cells is their output

        def turn(carry: Any, items: Any) -> Any:
            carry = _unless_masked(items[1], call_cell(cell, items[0], carry[1]), carry)
            return carry, carry[0] if self.return_sequences else None

        first = ops.zeros((sequences.shape[1], output_size(cell)), dtype=_compute_dtype(cell))
        (last, states), outputs = ops.scan(turn, (first, initial_state), (sequences, mask), unroll=unroll)
        return last, outputs, states

    # -------------------------------------------------------------------------------------------- config

    def get_config(self) -> dict[str, Any]:
        from pronghorn.saving.registry import serialize_keras_object

        config = super().get_config()
        return config | {"cell": serialize_keras_object(self.cell)} if "cell" in config else config


def _state_shape(batch: int | None, size: Any) -> Any:
    return [(batch, n) for n in size] if isinstance(size, (list, tuple)) else (batch, size)


def _compute_dtype(cell: Any) -> str:
    return str(getattr(cell, "compute_dtype", None) or dtypes.standardize(None))


def _by_steps(x: Any, backwards: bool = False) -> Any:
    """(batch, steps, …) to (steps, batch, …) or the other way round, perhaps from last to first."""
    if x is None:
        return None
    x = ops.swapaxes(x, 0, 1)
    return ops.flip(x, 0) if backwards else x


def _unless_masked(valid: Tensor | None, new: Any, old: Any) -> Any:
    """`new`, in the structure of `old`; its values where `valid` does not hold."""
    new = tree.pack_sequence_as(old, tree.flatten(new))
    return new if valid is None else tree.map_structure(lambda a, b: _choose(valid, a, b), new, old)


def _choose(valid: Tensor, new: Any, old: Any) -> Any:
    """`new` in the rows where `valid` holds, elsewhere `old`."""
    return ops.where(ops.reshape(valid, (*valid.shape, *(1,) * (len(new.shape) - len(valid.shape)))), new, old)
