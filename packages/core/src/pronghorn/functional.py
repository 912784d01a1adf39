"""Functional models: a graph of layers and ops between input and output tensors, run again on other tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pronghorn import dtypes, graph, naming, tree
from pronghorn.arguments import as_shape, get_mask, set_mask
from pronghorn.graph import Node, Spec
from pronghorn.input_spec import InputSpec
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.op import infer_by_tracing
from pronghorn.tensor import MODEL, Shape, Tensor, convert_to_tensor


class InputLayer(Layer):
    """Where tensors enter a model graph; see `Input`."""

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Tensor | None = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        if sparse or ragged:
            raise NotImplementedError("Input: sparse and ragged inputs are not supported; use dense ones")
        if input_tensor is not None:
            shape, batch_shape, dtype = None, input_tensor.shape, input_tensor.dtype
        elif (shape is None) == (batch_shape is None):
            raise ValueError(f"Input: give either `shape` or `batch_shape`, got {shape!r} and {batch_shape!r}")
        super().__init__(name=name, dtype=dtypes.standardize(dtype))
        batch = None if batch_size is None else int(batch_size)
        self._batch_shape = (
            as_shape(batch_shape, "Input: batch_shape") if shape is None else (batch, *as_shape(shape, "Input: shape"))
        )
        self.optional = optional
        self.built = True
        tensor = (
            Tensor(self._batch_shape, self.dtype, scope=MODEL, name=self.name) if input_tensor is None else input_tensor
        )
        tensor.node = node = Node(self, (), {"args": (), "kwargs": {}}, (tensor,), structure=tensor)
        self.inbound_nodes.append(node)

    @property
    def batch_shape(self) -> Shape:
        """The shape of the input with its batch dimension."""
        return self._batch_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return {
            "batch_shape": self._batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Tensor | None = None,
    optional: bool = False,
) -> Tensor:
    """A symbol for the input of a model.

    Args:
        shape: of one sample; None for unknown sizes.
        batch_size: unknown by default.
        dtype: floatx by default.
        sparse, ragged: not supported.
        batch_shape: the shape with the batch, in place of `shape` and `batch_size`.
        name: of the input; the key where inputs come as a dict.
        tensor: a tensor of a model graph, to be an input instead of a new one.
        optional: whether None may be passed for it.
    """
    return InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name).output  # type: ignore[no-any-return]


class Functional(Model):
    """A model made of the tensors it begins and ends with.

    Args:
        inputs: what `Input` returned, or tensors computed from it, nested as you like.
        outputs: tensors computed from the inputs, nested as you like.
        name: "functional", numbered, by default.
        trainable: whether training changes the variables.
    """

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool | None = None, **kwargs: Any
    ) -> None:
        Layer.__init__(self, name=name, **kwargs)
        for what, tensors in (("inputs", inputs), ("outputs", outputs)):
            for t in tree.flatten(tensors):
                if not isinstance(t, Tensor) or t.scope is not MODEL:
                    raise ValueError(
                        f"Model {self.name!r}: `{what}` must be tensors that began as pronghorn.Input(…), "
                        f"got {t!r} of type {type(t).__name__}"
                    )
        if any(not isinstance(t.node.op, InputLayer) for t in tree.flatten(inputs)):
            inputs, outputs = _with_inputs(inputs, outputs)
        self._inputs_struct = inputs
        self._outputs_struct = outputs
        self._inputs: list[Tensor] = tree.flatten(inputs)
        self._outputs: list[Tensor] = tree.flatten(outputs)
        self._graph = ModelGraph(self._inputs, self._outputs)
        self._operations = self._graph.layers
        self.output_names = [self._graph.name(t.node) for t in self._outputs if t.node is not None]
        self.supports_masking = True
        self.built = True
        if trainable is not None:
            self.trainable = trainable

    @property
    def layers(self) -> list[Layer]:
        """The layers in the order of the graph."""
        return list(self._graph.layers)

    @property
    def graph(self) -> ModelGraph:
        """The nodes between inputs and outputs."""
        return self._graph

    @property
    def input(self) -> Any:
        """The input tensors, nested as they were given."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The output tensors, nested as they were given."""
        return self._outputs_struct

    @property
    def inputs(self) -> list[Tensor]:
        """The input tensors."""
        return list(self._inputs)

    @property
    def outputs(self) -> list[Tensor]:
        """The output tensors."""
        return list(self._outputs)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [self._graph.name(t.node) for t in self._inputs if t.node is not None]

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or a structure of shapes."""
        return _unpacked(tree.map_structure(lambda t: t.shape, self._inputs_struct))

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or a structure of shapes."""
        return _unpacked(tree.map_structure(lambda t: t.shape, self._outputs_struct))

    @property
    def input_spec(self) -> Any:
        """What each input must look like; the batch size is free."""
        return [
            InputSpec(
                shape=(None, *t.shape[1:]) if t.shape else (),
                allow_last_axis_squeeze=True,
                name=name,
                optional=isinstance(t.node.op, InputLayer) and t.node.op.optional,  # type: ignore[union-attr]
            )
            for t, name in zip(self._inputs, self._keys(), strict=True)
        ]

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        if value is not None:
            raise AttributeError(f"Model {self.name!r}: the input_spec of a functional model follows from its inputs")

    def _keys(self) -> list[str]:
        """The keys by which a dict of inputs is read."""
        if isinstance(self._inputs_struct, Mapping) and not any(map(tree.is_nested, self._inputs_struct.values())):
            return sorted(self._inputs_struct)
        return self.input_names

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the layers were built when they were called on tensors of the graph."""

    def get_build_config(self) -> dict[str, Any]:
        """None: the graph holds all shapes."""
        return {"input_shape": None}

    def _convert(self, x: Any) -> Any:
        return x if isinstance(x, Tensor) or not hasattr(x, "__array__") else convert_to_tensor(x)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Runs the graph on `inputs`, nested like those of the model, or a dict by their names."""
        values = [self._as_input(x, t) for x, t in zip(self._flat_inputs(inputs), self._inputs, strict=True)]
        for x, m in zip(values, [] if mask is None else tree.flatten(mask), strict=False):
            if x is not None and m is not None:
                set_mask(x, m)
        return _unpacked(tree.pack_sequence_as(self._outputs_struct, self._graph.run(values, training)))

    def _flat_inputs(self, inputs: Any) -> list[Any]:
        if isinstance(inputs, Mapping) and all(key in inputs for key in self._keys()):
            return [inputs[key] for key in self._keys()]
        flat = tree.flatten(inputs)
        if len(flat) != len(self._inputs):
            raise ValueError(
                f"Model {self.name!r} has the {len(self._inputs)} inputs {self._keys()}, it was given {len(flat)}; "
                f"pass a list in this order, or a dict with these keys"
            )
        return flat

    def _as_input(self, x: Any, reference: Tensor) -> Tensor | None:
        """`x` in the dtype and rank of an input; a last dimension of 1 is added or dropped."""
        from pronghorn import ops

        if x is None:
            return None
        x = convert_to_tensor(x)
        if not _castable(x.dtype, reference.dtype):
            raise ValueError(
                f"Model {self.name!r}: the input {reference.name!r} takes {reference.dtype}, got {x.dtype} of shape "
                f"{x.shape}; convert the data, or give Input(…, dtype={x.dtype!r})"
            )
        found = value = convert_to_tensor(x, dtype=reference.dtype)
        if len(value.shape) == len(reference.shape) + 1 and value.shape[-1] == 1:
            value = ops.squeeze(value, axis=-1)
        elif len(value.shape) == len(reference.shape) - 1 and reference.shape[-1] == 1:
            value = ops.expand_dims(value, axis=-1)
        if len(value.shape) != len(reference.shape):
            raise ValueError(
                f"Model {self.name!r}: the input {reference.name!r} has the shape {reference.shape}, got an array of "
                f"shape {x.shape}; reshape the data, or change the shape of Input"
            )
        if value is not x and value is not found or get_mask(value) is None and get_mask(x) is not None:
            set_mask(value, get_mask(x))
        return value

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Shapes and dtypes of the outputs."""
        if all(
            x is not None and x.shape == t.shape for x, t in zip(self._flat_inputs(inputs), self._inputs, strict=True)
        ):
            flat = [Spec(t.shape, t.dtype) for t in self._outputs]
            return _unpacked(graph.pack_specs(self._outputs_struct, flat))
        with self._scope():
            return infer_by_tracing(self.call, (inputs,), {"training": training})

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None: the outputs have the masks that the last layers gave them."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The graph as plain values; of a subclass with a constructor of its own, the constructor's arguments."""
        from pronghorn.saving.functional import functional_config

        if type(self).__init__ not in (Functional.__init__, Model.__init__):
            return Layer.get_config(self)
        return functional_config(self)


def _castable(dtype: str, wanted: str) -> bool:
    """Whether casting loses neither text nor imaginary parts."""
    if "string" in (dtype, wanted):
        return dtype == wanted
    return not dtype.startswith("complex") or wanted.startswith("complex")


class ModelGraph:
    """The nodes between input and output tensors of a model graph.

    `nodes` are in an order in which they can run; `steps` are the layers and, as nodes, the ops, from the inputs to the
    outputs by depth: the order in which a person reads them. `depths` says how far each node is from the outputs.

    Raises:
        ValueError: an output depends on an input that is not given.
    """

    def __init__(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.nodes, order = _walk(inputs, outputs)
        self.depths = _depths(self.nodes)
        for t in inputs:
            if t.node is not None and isinstance(t.node.op, InputLayer) and t.node not in self.depths:
                self.nodes.insert(0, t.node)
                self.depths[t.node] = 0
                order[step_of(t.node)] = -1
        deepest: dict[Any, int] = {}
        for node, depth in self.depths.items():
            deepest[step_of(node)] = max(depth, deepest.get(step_of(node), 0))
        self.steps = sorted(order, key=lambda step: (-deepest[step], order[step]))
        self.layers = [step for step in self.steps if isinstance(step, Layer)]
        self._names = _names(self.steps)

    def name(self, node: Node) -> str:
        """The name of a node's layer, or of its op, which is numbered within the graph."""
        return self._names[step_of(node)]

    def calls(self, step: Layer | Node) -> list[Node]:
        """The nodes of a layer, in the order of its calls; an op has itself only."""
        if isinstance(step, Node):
            return [step]
        own = set(self.nodes)
        return [node for node in step.inbound_nodes if node in own]

    def run(self, values: Iterable[Any], training: bool | None = None) -> list[Any]:
        """The outputs for other inputs. Nodes that need an optional input which is None are left out."""
        known: dict[Tensor, Any] = {t: x for t, x in zip(self.inputs, values, strict=True) if x is not None}

        def fill(x: Any) -> Any:
            return known[x] if isinstance(x, Tensor) and x.scope is MODEL else x

        for node in self.nodes:
            if isinstance(node.op, InputLayer) or any(t.scope is MODEL and t not in known for t in node.inputs):
                continue
            kwargs = {name: tree.map_structure(fill, value) for name, value in node.kwargs.items()}
            if training is not None and isinstance(node.op, Layer):
                kwargs["training"] = training
            result = node.op(*tree.map_structure(fill, node.args), **kwargs)
            known.update(zip(node.outputs, tree.flatten(result), strict=True))
        if missing := [i for i, t in enumerate(self.outputs) if t not in known]:
            raise ValueError(f"the outputs {missing} of the model need an input that was given as None")
        return [known[t] for t in self.outputs]


def step_of(node: Node) -> Layer | Node:
    """What stands for a node in a list of layers: its layer, or the node itself for an op."""
    return node.op if isinstance(node.op, Layer) else node


def _walk(inputs: list[Tensor], outputs: list[Tensor]) -> tuple[list[Node], dict[Any, int]]:
    """The nodes, each after what it reads, and the order in which a walk back from the outputs meets their layers."""
    given = set(inputs)
    nodes: list[Node] = []
    order: dict[Any, int] = {}
    seen: set[Node] = set()
    stack = [(t, False) for t in reversed(outputs)]
    while stack:
        t, done = stack.pop()
        node = t.node
        if node is None or (t in given and not isinstance(node.op, InputLayer)):
            continue
        if done:
            nodes.append(node)
        elif node not in seen:
            seen.add(node)
            order.setdefault(step_of(node), len(order))
            if isinstance(node.op, InputLayer) and t not in given:
                raise ValueError(
                    f"Graph disconnected: the outputs depend on the Input {t.name!r}, which is not among the model's "
                    f"inputs {[x.name for x in inputs]}; add it to `inputs`"
                )
            stack.append((t, True))
            stack.extend((x, False) for x in reversed(node.inputs) if x.scope is MODEL)
    return nodes, order


def _depths(nodes: list[Node]) -> dict[Node, int]:
    """For each node the length of the longest path to an output, a layer's calls counting as one place."""
    depths: dict[Node, int] = {}
    of_step: dict[Any, int] = {}
    for node in reversed(nodes):
        depth = max(depths.get(node, 0), of_step.get(step_of(node), 0))
        depths[node] = of_step[step_of(node)] = depth
        for t in node.inputs:
            if t.node is not None:
                depths[t.node] = max(depth + 1, depths.get(t.node, 0))
    return depths


def _names(steps: list[Any]) -> dict[Any, str]:
    """Layers by their names; ops by theirs, numbered where it is taken."""
    names: dict[Any, str] = {}
    for step in steps:
        if isinstance(step, Layer):
            if step.name in names.values():
                raise ValueError(
                    f"the name {step.name!r} is used for two layers of the model; give one of them another name"
                )
            names[step] = step.name
    taken = set(names.values())
    for step in steps:
        if isinstance(step, Node):
            base = naming.to_snake_case(step.op.name)
            number = 0
            while (name := f"{base}_{number}" if number else base) in taken:
                number += 1
            taken.add(name)
            names[step] = name
    return names


def _with_inputs(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The part of a graph after intermediate tensors, repeated with an Input in the place of each."""
    old = tree.flatten(inputs)
    new = [
        t if isinstance(t.node.op, InputLayer) else Input(batch_shape=t.shape, dtype=t.dtype, name=t.name) for t in old
    ]
    results = ModelGraph(old, tree.flatten(outputs)).run(new)
    return tree.pack_sequence_as(inputs, new), tree.pack_sequence_as(outputs, results)


def _unpacked(structure: Any) -> Any:
    """The item of a list of one."""
    return structure[0] if isinstance(structure, list) and len(structure) == 1 else structure
