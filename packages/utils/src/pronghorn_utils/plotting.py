"""`plot_model` and `model_to_dot`: a model's layers as a picture."""

from __future__ import annotations

import os
import sys
import warnings
from html import escape
from pathlib import Path
from typing import Any

from pronghorn_utils import svg
from pronghorn_utils.diagram import Box, Diagram, Options, diagram

_RANKDIRS = ("TB", "LR")
_SPLINES = ("ortho", "curved", "polyline", "spline", "line")
_INSTALL = "pip install 'pronghorn-utils[plot]' and Graphviz (https://graphviz.org/download/)"


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> Any:
    """A model as a `pydot.Dot`, or as a `pydot.Cluster` where `subgraph` is true. Needs pydot.

    The other arguments are those of `plot_model`.

    Raises:
        ImportError: pydot is not installed.
        ValueError: the model is not built, or an argument is wrong.
    """
    pydot = _pydot()
    if pydot is None:
        raise ImportError("model_to_dot needs pydot, which is not installed: pip install 'pronghorn-utils[plot]'")
    _check("model_to_dot", model, rankdir, splines)
    options = Options(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    return _dot(pydot, diagram(model, options), rankdir, dpi, subgraph, splines)


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> Any:
    """Draws a model's layers into a file: by Graphviz where it and pydot are installed, else plainly as SVG.

    Without them a file of another kind than .svg is not written, but one of the same name that ends in .svg,
    and a warning says so.

    Args:
        model: a built model; one that is no graph of layers is a single box.
        to_file: the file; its suffix decides the format.
        show_shapes: whether boxes show the shapes of inputs and outputs.
        show_dtype: whether boxes show the dtype of the outputs.
        show_layer_names: whether boxes show the layers' names besides their classes.
        rankdir: "TB" from top to bottom, "LR" from left to right.
        expand_nested: whether the layers of nested models are shown.
        dpi: dots per inch.
        show_layer_activations: whether boxes show the activations of layers that have one.
        show_trainable: whether boxes show which layers with weights train.
        splines: how arrows run: "ortho", "curved", "polyline", "spline" or "line".

    Returns:
        The picture for a notebook, where there is one; else None.

    Raises:
        ValueError: the model is not built, or an argument is wrong.
    """
    _check("plot_model", model, rankdir, splines)
    options = Options(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    drawn = diagram(model, options)
    path = Path(to_file)
    kind = path.suffix[1:].lower() or "png"
    pydot = _pydot()
    if pydot is None or not _graphviz(pydot):
        if kind != "svg":
            path, kind, wanted = path.with_suffix(".svg"), "svg", path
            warnings.warn(
                f"plot_model: Graphviz or pydot is missing, so {path} was written instead of {wanted}; {_INSTALL}",
                stacklevel=2,
            )
        path.write_text(svg.draw(drawn, rankdir, dpi, splines), encoding="utf-8")
    else:
        _dot(pydot, drawn, rankdir, dpi, False, splines).write(str(path), format=kind)
    return _shown(path, kind)


def _check(caller: str, model: Any, rankdir: str, splines: str) -> None:
    if not model.built:
        raise ValueError(f"{caller}: model {model.name!r} is not built yet; call it on data, or build(input_shape)")
    for name, value, known in (("rankdir", rankdir, _RANKDIRS), ("splines", splines, _SPLINES)):
        if value not in known:
            raise ValueError(f"{caller}: {name} is {value!r}; pass one of {', '.join(known)}")


def _pydot() -> Any:
    try:
        import pydot
    except ImportError:
        return None
    return pydot


def _graphviz(pydot: Any) -> bool:
    """Whether Graphviz's programs run."""
    try:
        pydot.Dot().create()
    except Exception:  # pydot has raised OSError, its own errors and AssertionError for a missing program
        return False
    return True


def _dot(pydot: Any, drawn: Diagram, rankdir: str, dpi: float, subgraph: bool, splines: str) -> Any:
    if subgraph:
        dot = pydot.Cluster(graph_name=drawn.name, style="dashed", label=drawn.name, labeljust="l")
    else:
        dot = pydot.Dot(rankdir=rankdir, concentrate="true", dpi=str(dpi), splines=splines)
        dot.set_node_defaults(shape="record")
    for box in drawn.boxes:
        dot.add_node(pydot.Node(str(box.key), label=_label(box), fontname="Helvetica", margin="0"))
    for inner in drawn.nested:
        dot.add_subgraph(_dot(pydot, inner, rankdir, dpi, True, splines))
    for source, target in drawn.edges:
        dot.add_edge(pydot.Edge(str(source), str(target), penwidth="2"))
    return dot


def _label(box: Box) -> str:
    """The table, in Graphviz's HTML, that a box is drawn as."""
    rows = [f'<tr><td bgcolor="black"><font color="white"><b>{escape(box.title)}</b></font></td></tr>']
    for i, line in enumerate(box.lines, start=1):
        last = i == len(box.lines) and box.trainable is not None
        colour = ("forestgreen" if box.trainable else "firebrick") if last else "white"
        text = f'<font color="white">{escape(line)}</font>' if last else escape(line)
        rows.append(f'<tr><td bgcolor="{colour}">{text}</td></tr>')
    return f'<<table border="0" cellborder="1" cellpadding="10">{"".join(rows)}</table>>'


def _shown(path: Path, kind: str) -> Any:
    """The picture as IPython shows it, where IPython runs."""
    if "IPython" not in sys.modules or kind == "pdf":
        return None
    from IPython import display

    return display.SVG(filename=str(path)) if kind == "svg" else display.Image(filename=str(path))
