"""Plain types are converted to instances of the schemas and back without loss."""

from typing import Any

import pytest

from conftest import compose_config
from facemask.config.component import Component
from facemask.config.compose import compose
from facemask.config.schemas import Crop, EvaluateConfig, EvaluationData, TrainConfig
from facemask.config.typed import from_plain, to_plain

NODE = {"_target_": "a.B", "steps": {"c": {"_target_": "d.E", "size": [1, 2]}}}


@pytest.mark.parametrize("words", [[], ["model=cnn", "augment=none", "callbacks=none"], ["logger=[csv,tensorboard]"]])
def test_configuration_round_trips_through_plain_types(words: list[str]) -> None:
    config = compose_config(*words)
    assert from_plain(TrainConfig, to_plain(config)) == config


def test_nodes_and_mappings_of_nodes_become_components() -> None:
    config = from_plain(TrainConfig, {"data": NODE, "callbacks": {"stop": NODE}, "logger": {}})
    assert config.data == config.callbacks["stop"] == Component("a.B", {"steps": NODE["steps"]})
    assert config.logger == {}
    assert to_plain(config)["data"] == to_plain(config)["callbacks"]["stop"] == NODE


def test_to_plain_returns_a_deep_copy() -> None:
    config = from_plain(TrainConfig, {"data": NODE})
    to_plain(config)["data"]["steps"]["c"]["size"].append(3)
    assert to_plain(config)["data"] == NODE


def test_nested_keys_become_instances_of_their_schemas() -> None:
    plain: dict[str, Any] = {"data": {"root": "faces"}, "crop": {"margin": [0, 0, 1, 1]}}
    config = from_plain(EvaluateConfig, plain)
    assert config.data == EvaluationData(root="faces")
    assert config.crop == Crop(margin=[0, 0, 1, 1])
    assert compose("evaluate", ["run=[a]"]).crop.min_side == from_plain(EvaluateConfig, {}).crop.min_side


def test_missing_keys_get_defaults_and_unknown_keys_are_ignored() -> None:
    config = from_plain(TrainConfig, {"lr": 0.5, "unknown_key": 1, "data": NODE})
    assert (config.lr, config.k, config.monitor) == (0.5, TrainConfig().k, TrainConfig().monitor)
    assert not hasattr(config, "unknown_key")


def test_tuples_become_lists() -> None:
    assert to_plain(Component("a.B", {"sizes": (1, (2, 3))})) == {"_target_": "a.B", "sizes": [1, [2, 3]]}
