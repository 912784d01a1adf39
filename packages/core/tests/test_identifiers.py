"""Losses, metrics, optimizers … by name, config, class or object."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from pronghorn import plugins
from pronghorn.identifiers import lookup
from pronghorn.plugins import Reference
from pronghorn.saving.registry import CustomObjectScope


def mean_squared_error(y_true, y_pred):
    return 0


class MeanSquaredError:
    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __call__(self, y_true, y_pred):
        return 0


class F1Score(MeanSquaredError):
    pass


class Adam(MeanSquaredError):
    __call__ = None


OFFERED = {
    "losses": (mean_squared_error, MeanSquaredError),
    "metrics": (mean_squared_error, MeanSquaredError, F1Score),
    "optimizers": (Adam,),
}


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only these few names are installed."""
    module = ModuleType("acme_names")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for objects in OFFERED.values():
        for item in objects:
            setattr(module, item.__name__, item)
            monkeypatch.setattr(item, "__module__", module.__name__)

    def references(kind: str) -> dict[str, Reference]:
        objects = OFFERED.get(kind, ())
        return {item.__name__: Reference("acme", f"acme_names:{item.__name__}") for item in objects}

    monkeypatch.setattr(plugins, "references", references)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("losses", "mse", mean_squared_error),
        ("losses", "MSE", mean_squared_error),
        ("losses", "mean_squared_error", mean_squared_error),
        ("losses", "MeanSquaredError", MeanSquaredError),
        ("metrics", "mse", MeanSquaredError),
        ("metrics", "mean_squared_error", MeanSquaredError),
        ("metrics", "f1_score", F1Score),
        ("optimizers", "adam", Adam),
        ("optimizers", "Adam", Adam),
    ],
)
def test_a_name_in_any_usual_spelling(kind, name, expected):
    get, _, _ = lookup(kind)
    found = get(name)
    assert found is expected if expected is mean_squared_error else type(found) is expected


def test_a_class_gives_an_instance_and_an_object_stays():
    get, _, _ = lookup("optimizers")
    adam = get(Adam)
    assert type(adam) is Adam
    assert get(adam) is adam
    assert get(None) is None


def test_a_custom_object_wins():
    get, _, _ = lookup("losses")
    with CustomObjectScope({"mine": mean_squared_error}):
        assert get("mine") is mean_squared_error


def test_what_was_serialized_comes_back():
    get, serialize, deserialize = lookup("losses")
    assert serialize(mean_squared_error) == "mean_squared_error"
    assert deserialize("mean_squared_error") is mean_squared_error
    config = serialize(MeanSquaredError())
    assert config["class_name"] == "MeanSquaredError"
    assert type(deserialize(config)) is type(get(config)) is MeanSquaredError


def test_an_unknown_name_brings_the_nearest():
    get, _, _ = lookup("losses")
    with pytest.raises(ValueError, match="among its losses; did you mean 'mean_squared_error'"):
        get("mean_square_error")


@pytest.mark.parametrize("identifier", [3, ["mse"], b"mse"])
def test_what_stands_for_nothing_is_refused(identifier):
    get, _, _ = lookup("losses")
    with pytest.raises(TypeError, match="losses.get:"):
        get(identifier)
