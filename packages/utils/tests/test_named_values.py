"""Config: a dict with attributes."""

from __future__ import annotations

import json

import pytest

from pronghorn.utils import Config


def test_values_are_items_and_attributes() -> None:
    config = Config(momentum=0.9, learning_rate=0.1)
    config.seed = 1
    config["name"] = "x"
    assert (config.learning_rate, config["seed"], config.get("name"), config.get("none", 5)) == (0.1, 1, "x", 5)
    assert list(config) == ["learning_rate", "momentum", "name", "seed"]
    assert "seed" in config and len(config) == 4
    assert json.loads(config.to_json()) == config.as_dict() == dict(config.items())
    config.update(seed=2)
    assert config.pop("seed") == 2
    del config["name"]
    assert repr(config) == "<Config {'momentum': 0.9, 'learning_rate': 0.1}>"
    copied = config.as_dict()
    copied["momentum"] = 0
    assert config.momentum == 0.9


def test_a_frozen_config_refuses_changes() -> None:
    config = Config(seed=1)
    config.freeze()
    assert config.frozen
    for change in (
        lambda: setattr(config, "seed", 2),
        lambda: config.update(other=2),
        lambda: config.pop("seed"),
        lambda: config.__delitem__("seed"),
    ):
        with pytest.raises(ValueError, match="cannot be changed, since the config is frozen"):
            change()
    config.unfreeze()
    config.seed = 2
    assert config.seed == 2


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no 'learning_rat'; did you mean 'learning_rate'"):
        _ = Config(learning_rate=1).learning_rat
    with pytest.raises(AttributeError, match="no 'x'$"):
        _ = Config().x
    with pytest.raises(AttributeError, match="'items' is a method"):
        Config().items = 3
