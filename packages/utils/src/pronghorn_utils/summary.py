"""The text of `model.summary()`: a table of layers with their output shapes and numbers of parameters."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pronghorn import dtypes, graph
from pronghorn.functional import Functional
from pronghorn.graph import Node
from pronghorn.layer import Layer
from pronghorn.tensor import MODEL, Variable


def summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> str:
    """The text that `Model.summary` prints; its arguments are described there."""
    connected = isinstance(model, Functional) and not _is_chain(model)
    steps: Sequence[Any] = model.graph.steps if isinstance(model, Functional) else model.layers
    header = ["Layer (type)", "Output Shape", "Param #", *(["Connected to"] if connected else [])]
    shares = list(positions or ([0.3, 0.56, 0.74, 1.0] if connected else [0.45, 0.8, 1.0]))
    if len(shares) != len(header):
        raise ValueError(
            f"summary: the table has {len(header)} columns, but `positions` {shares} are for {len(shares)}"
        )
    length = 108 if connected else 88
    if show_trainable:
        header.append("Trainable")
        shares = [share * 0.9 for share in shares] + [1.0]
        length += 12
    if line_length is None:
        line_length = min(length, shutil.get_terminal_size().columns - 4)
    rows = [
        row
        for step in _in_range(model, steps, layer_range)
        for row in _rows(model, step, connected, expand_nested, show_trainable)
    ]
    ends = [0, *(int(share * line_length) for share in shares)]
    widths = [right - left for left, right in zip(ends, ends[1:], strict=False)]
    if min(widths) < 4:
        raise ValueError(f"summary: a line_length of {line_length} leaves columns of {widths} characters; give more")
    table = _table(header, rows, _fit(widths, line_length), ["<", "<", ">", *"<" * connected, *"^" * show_trainable])
    return "\n".join([f'Model: "{model.name}"', *table, *_totals(model)]) + "\n"


# ------------------------------------------------------------------------------------------------ what is shown


def _is_chain(model: Functional) -> bool:
    """Whether each layer of the model reads just the one before it."""
    depths = model.graph.depths
    if len(set(depths.values())) < len(depths) or any(len(node.inputs) > 1 for node in depths):
        return False
    return all(len(model.graph.calls(layer)) < 2 for layer in model.layers)


def _in_range(model: Any, steps: Sequence[Any], layer_range: Sequence[str] | None) -> Sequence[Any]:
    if layer_range is None:
        return steps
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"summary: layer_range takes the names of the first and the last layer, got {layer_range!r}")
    names = [_name(model, step) for step in steps]
    first, last = ([i for i, name in enumerate(names) if re.match(pattern, name)] for pattern in layer_range)
    if not first or not last:
        raise ValueError(f"summary: layer_range {list(layer_range)} matches no layer at one end; there are {names}")
    low, high = (min(first), max(last)) if min(first) <= max(last) else (min(last), max(first))
    return steps[low : high + 1]


def _name(model: Any, step: Any) -> str:
    return model.graph.name(step) if isinstance(step, Node) else step.name  # type: ignore[no-any-return]


def _rows(
    model: Any, step: Any, connected: bool, expand: bool, show_trainable: bool, level: int = 0
) -> Iterator[list[str]]:
    name = "   " * level + ("└ " if level else "") + _name(model, step)
    if isinstance(step, Node):
        kind, params = step.op.name.title().replace("_", ""), "0"
    else:
        kind, params = type(step).__name__, f"{step.count_params():,}" if step.built else "0 (unbuilt)"
    row = [f"{name} ({kind})", _shape(step), params]
    if connected:
        row.append(_connections(model, step) if level == 0 else "-")
    if show_trainable:
        weights = getattr(step, "weights", ())
        row.append(("Y" if step.trainable else "N") if weights else "-")
    yield row
    if expand:
        for layer in getattr(step, "layers", ()):
            yield from _rows(step, layer, connected, expand, show_trainable, level + 1)


def _shape(step: Any) -> str:
    """The shape of a step's output, the shapes in a list where there are several."""
    if isinstance(step, Node):
        found = graph.flatten_specs(step.structure)
    elif step.inbound_nodes:
        found = graph.flatten_specs(step.inbound_nodes[-1].structure)
    elif step._build_shapes:
        try:
            found = step.compute_output_spec(*(step._symbol(shape) for shape in step._build_shapes.values()))
        except (NotImplementedError, AttributeError, TypeError, ValueError):
            return "?"
    else:
        return "?"
    shapes = [f"({', '.join(map(str, t.shape))})" for t in graph.flatten_specs(found)]
    return shapes[0] if len(shapes) == 1 else str(graph.pack_specs(found, shapes)).replace("'", "")


def _connections(model: Functional, step: Any) -> str:
    found = []
    for node in model.graph.calls(step):
        for t in node.inputs:
            if t.scope is MODEL and t.node is not None:
                source = t.node.op
                index = source.inbound_nodes.index(t.node) if isinstance(source, Layer) else 0
                found.append(f"{model.graph.name(t.node)}[{index}][{t.index}]")
    return ", ".join(found) or "-"


def _totals(model: Any) -> Iterator[str]:
    trainable, rest = model.trainable_weights, model.non_trainable_weights
    optimizer = model.optimizer.variables if model.compiled and model.optimizer and model.optimizer.built else []
    yield _total(" Total params", [*trainable, *rest, *optimizer])
    yield _total(" Trainable params", trainable)
    yield _total(" Non-trainable params", rest)
    if optimizer:
        yield _total(" Optimizer params", optimizer)


def _total(label: str, variables: Iterable[Variable]) -> str:
    variables = list(variables)
    size: float = sum(v.size * dtypes.itemsize(v.dtype) for v in variables)
    unit = "B"
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):
        if size < 1024 or unit == "PB":
            break
        size /= 1024
    return f"{label}: {sum(v.size for v in variables):,} ({size:.2f} {unit})"


# ------------------------------------------------------------------------------------------------ the table


def _fit(widths: list[int], line_length: int) -> list[int]:
    """Widths of the cells' text such that the table, with a blank on each side of a cell, is `line_length` wide."""
    padded = [width + 2 for width in widths]
    excess = sum(padded) - (line_length - len(widths) - 1)
    for i in range(len(padded)):
        share = round(excess / (len(padded) - i))
        padded[i] -= share
        excess -= share
    return [width - 2 for width in padded]


def _table(header: list[str], rows: list[list[str]], widths: list[int], alignments: list[str]) -> Iterator[str]:
    def rule(left: str, line: str, middle: str, right: str) -> str:
        return left + middle.join(line * (width + 2) for width in widths) + right

    def lines(row: list[str], edge: str) -> Iterator[str]:
        cells = [_wrap(text, width) for text, width in zip(row, widths, strict=True)]
        for i in range(max(map(len, cells))):
            parts = [cell[i] if i < len(cell) else "" for cell in cells]
            padded = (f" {part:{align}{width}} " for part, align, width in zip(parts, alignments, widths, strict=True))
            yield edge + edge.join(padded) + edge

    yield rule("┏", "━", "┳", "┓")
    yield from lines(header, "┃")
    yield rule("┡", "━", "╇", "┩")
    for i, row in enumerate(rows):
        if i:
            yield rule("├", "─", "┼", "┤")
        yield from lines(row, "│")
    yield rule("└", "─", "┴", "┘")


def _wrap(text: str, width: int) -> list[str]:
    """`text` in lines, broken between words; a word that is too long ends in an ellipsis."""
    lines = [""]
    for word in re.findall(r"\s*\S+\s*", text):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line if len(line) <= width else line[: width - 1] + "…" for line in (line.rstrip() for line in lines)]
