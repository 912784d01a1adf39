"""Objects as a class name and a config, and by name alone."""

from __future__ import annotations

from typing import Any, Self

import pytest

from pronghorn.saving.registry import deserialize_keras_object
from pronghorn.utils import legacy


class Knob:
    def __init__(self, turns: int = 1) -> None:
        self.turns = turns

    def get_config(self) -> dict[str, Any]:
        return {"turns": self.turns}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def double(x: int) -> int:
    return 2 * x


KNOWN = {"Knob": Knob, "double": double}


def test_objects_there_and_back() -> None:
    config = legacy.serialize_keras_object(Knob(3))
    assert config == {"class_name": "Knob", "config": {"turns": 3}}
    assert legacy.deserialize_keras_object(config, KNOWN).turns == 3
    assert legacy.deserialize_keras_object("Knob", custom_objects=KNOWN).turns == 1


def test_functions_and_nothing() -> None:
    assert legacy.serialize_keras_object(double) == "double"
    assert legacy.deserialize_keras_object("double", KNOWN) is double
    assert legacy.deserialize_keras_object(double) is double
    assert legacy.serialize_keras_object(None) is legacy.deserialize_keras_object(None) is None


def test_what_is_unknown_is_named() -> None:
    with pytest.raises(ValueError, match="unknown tuner 'Knob'; register it"):
        legacy.deserialize_keras_object("Knob", printable_module_name="tuner")
    with pytest.raises(ValueError, match="expected a name or a config of a object, got 3"):
        legacy.deserialize_keras_object(3)
    with pytest.raises(ValueError, match="neither get_config"):
        legacy.serialize_keras_object(3)


def test_objects_of_a_module_for_todays_configs() -> None:
    assert deserialize_keras_object("Knob", module_objects=KNOWN).turns == 1
    config = {"class_name": "Knob", "config": {"turns": 5}}
    assert deserialize_keras_object(config, module_objects=KNOWN).turns == 5
