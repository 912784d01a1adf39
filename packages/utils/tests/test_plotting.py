"""Models as drawings: through pydot where it is installed, and plainly without it."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest

import pronghorn as keras
from pronghorn.utils import model_to_dot, plot_model
from pronghorn_utils.diagram import Options, diagram


class Scale(keras.Layer):
    """Multiplies by a weight."""

    def __init__(self, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x * self.factor


@pytest.fixture
def model():
    """Two branches; one through a nested model, then an op."""
    x = keras.Input((3,), name="x")
    inner = keras.Sequential([keras.Input((3,)), Scale(name="one"), Scale(name="two")], name="inner")
    return keras.Model(x, Scale(name="left", activation=keras.ops.tanh)(x) + inner(x), name="branched")


def connections(model, **options) -> tuple[set, list]:
    drawn = diagram(model, Options(names=True, **options))
    names = {box.key: box.title.partition(" ")[0] for box in drawn.all_boxes()}
    return {(names[a], names[b]) for a, b in drawn.all_edges()}, sorted(names.values())


def test_arrows_follow_tensors(model):
    edges, boxes = connections(model)
    assert edges == {("x", "left"), ("x", "inner"), ("left", "add"), ("inner", "add")}
    assert boxes == ["add", "inner", "left", "x"]


def test_nested_models_are_expanded(model):
    edges, boxes = connections(model, expand_nested=True)
    assert edges == {("x", "left"), ("x", "one"), ("one", "two"), ("left", "add"), ("two", "add")}
    assert "inner" not in boxes


def test_a_sequential_model_is_a_chain_and_another_model_one_box():
    chain = keras.Sequential([keras.Input((2,)), Scale(name="a"), Scale(name="b"), Scale(name="c")])
    assert connections(chain) == ({("a", "b"), ("b", "c")}, ["a", "b", "c"])

    class Own(keras.Model):
        def call(self, x):
            return x

    own = Own(name="own")
    own.build((None, 2))
    assert connections(own) == (set(), ["own"])


def test_boxes_show_what_is_asked_for(model):
    options = Options(shapes=True, dtype=True, names=True, activations=True, trainable=True)
    boxes = {box.title: box.lines for box in diagram(model, options).boxes}
    assert boxes["x (InputLayer)"] == ("Output shape: (None, 3)", "Output dtype: float32")
    assert boxes["left (Scale)"] == (
        "Activation: tanh",
        "Input shape: (None, 3)",
        "Output shape: (None, 3)",
        "Output dtype: float32",
        "Trainable",
    )
    model.get_layer("left").trainable = False
    assert diagram(model, options).boxes[1].trainable is False
    assert [box.title for box in diagram(model, Options()).boxes][:2] == ["InputLayer", "Scale"]


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("splines", ["ortho", "curved", "line"])
def test_without_pydot_an_svg_is_drawn(plain, model, tmp_path, rankdir, splines):
    plot_model(model, tmp_path / "m.svg", show_layer_names=True, rankdir=rankdir, splines=splines)
    root = ET.parse(tmp_path / "m.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == ["add (Add)", "inner (Sequential)", "left (Scale)", "x (InputLayer)"]
    paths = [element.get("d") for element in root.iter("{http://www.w3.org/2000/svg}path")]
    assert len(paths) == 5
    assert ("C" in paths[1]) == (splines == "curved")


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_boxes_of_a_drawing_do_not_overlap(plain, model, tmp_path, rankdir):
    plot_model(model, tmp_path / "m.svg", show_shapes=True, rankdir=rankdir, expand_nested=True, dpi=100)
    root = ET.parse(tmp_path / "m.svg").getroot()
    frames = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("fill") == "white"]
    boxes = [[float(e.get(key)) for key in ("x", "y", "width", "height")] for e in frames]
    for i, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, *_ in boxes[:i]:
            assert not (x <= other_x < x + width and y <= other_y < y + height)
    assert float(root.get("width")) * 2 == float(root.get("viewBox").split()[2])


def test_another_format_becomes_svg_with_a_warning(plain, model, tmp_path):
    with pytest.warns(UserWarning, match="m.svg was written instead of .*m.png"):
        plot_model(model, tmp_path / "m.png")
    assert [path.name for path in tmp_path.iterdir()] == ["m.svg"]
    with pytest.raises(ImportError, match=r"pronghorn-utils\[plot\]"):
        model_to_dot(model)


def test_pydot_gets_boxes_arrows_and_clusters(model):
    pytest.importorskip("pydot")
    dot = model_to_dot(model, expand_nested=True, rankdir="LR", show_trainable=True)
    assert (len(dot.get_nodes()), len(dot.get_edges()), len(dot.get_subgraphs())) == (4, 4, 1)
    assert dot.get_rankdir() == "LR" and "forestgreen" in dot.to_string()
    assert len(model_to_dot(model, subgraph=True).get_nodes()) == 4


@pytest.mark.parametrize(("arguments", "message"), [({"rankdir": "up"}, "rankdir"), ({"splines": "wavy"}, "splines")])
def test_wrong_arguments_are_named(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_model(model, **arguments)
    with pytest.raises(ValueError, match="not built"):
        plot_model(keras.Sequential([Scale()]))
