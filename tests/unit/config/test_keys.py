"""Configurations are compared key by key; a missing key counts as its default."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from facemask.config.arguments import default_choices, typed_choices
from facemask.config.component import Component
from facemask.config.compose import CONF, RUN_GROUPS
from facemask.config.keys import (
    ABSENT,
    differing_keys,
    flat_values,
    format_setting,
    identities,
    labels,
    varied_keys,
)
from facemask.config.schemas import TrainConfig
from facemask.config.typed import from_plain, to_plain
from runs_on_disk import configuration

CONFIG = configuration()
CNN = {"_target_": "facemask.models.cnn.CNN", "_partial_": True}
WITH_NETWORK = replace(CONFIG, model=CONFIG.model.with_arguments(net=CNN))


def are_same(one: TrainConfig, other: TrainConfig) -> bool:
    """Compare two configurations with every function, in both orders; all results must agree."""
    results = {
        not differing_keys(one, other),
        not differing_keys(other, one),
        len(set(identities([one, other], without=()))) == 1,
        not varied_keys([one, other]),
    }
    assert len(results) == 1
    return results.pop()


# Group, missing key, its default in the signature of the target, and another value.
ADDED_KEYS = [
    ("data", "k", 5, 4),  # of FaceDataModule
    ("data", "augmentation", "light", "strong"),
    ("model", "freeze", "none", "backbone"),  # of MaskClassifier
    ("model", "channels", [16, 32, 64, 128, 256], [4]),  # of the CNN; a tuple in the signature
    ("model", "dropout", 0.3, 0.1),
    ("augment", "mixup", 0.0, 0.2),
    ("trainer", "precision", None, "16-mixed"),  # of Lightning's Trainer
    ("optim", "weight_decay", 0.01, 0.1),  # of torch.optim.AdamW
]


@pytest.mark.parametrize(("group", "key", "default", "other"), ADDED_KEYS)
def test_missing_key_counts_as_its_default(group: str, key: str, default: object, other: object) -> None:
    older: Component = getattr(WITH_NETWORK, group)
    assert key not in older.arguments
    same, changed = (replace(WITH_NETWORK, **{group: older.with_arguments(**{key: v})}) for v in (default, other))
    assert are_same(WITH_NETWORK, same)
    assert not are_same(WITH_NETWORK, changed)
    assert differing_keys(WITH_NETWORK, changed) == {f"{group}.{key}": (default, other)}
    assert varied_keys([WITH_NETWORK, changed]) == [f"{group}.{key}"]


@pytest.mark.parametrize(("group", "key"), [("data", "colour"), ("model", "channels"), ("trainer", "colour")])
def test_missing_key_without_default_counts_as_a_difference(group: str, key: str) -> None:
    added = replace(CONFIG, **{group: getattr(CONFIG, group).with_arguments(**{key: 3})})
    assert differing_keys(CONFIG, added) == {f"{group}.{key}": (ABSENT, 3)}
    assert not are_same(CONFIG, added)


def test_key_added_to_the_schema_has_its_default_in_older_runs() -> None:
    @dataclass
    class Newer(TrainConfig):
        warmup: int = 3

    older = from_plain(Newer, to_plain(CONFIG))
    assert are_same(older, from_plain(Newer, to_plain(CONFIG) | {"warmup": 3}))
    assert differing_keys(older, from_plain(Newer, to_plain(CONFIG) | {"warmup": 4})) == {"warmup": (3, 4)}


def test_configurations_whose_target_cannot_be_imported_are_compared() -> None:
    gone = Component("gone.Network", {"width": 4})
    assert are_same(replace(CONFIG, model=gone), replace(CONFIG, model=gone))
    deeper = replace(CONFIG, model=gone.with_arguments(depth=2))
    assert differing_keys(replace(CONFIG, model=gone), deeper) == {"model.depth": (ABSENT, 2)}


NOT_COMPARED_CHANGES: list[dict[str, Any]] = [
    {"name": "other"},
    {"resume": "outputs/x"},
    {"race": True, "race_margin": 3.0, "fail_fast": True},
    {"logger": {"csv": Component("lightning.pytorch.loggers.CSVLogger")}},
    {"data": CONFIG.data.with_arguments(num_workers=7, store_dir="elsewhere")},
    {"trainer": CONFIG.trainer.with_arguments(enable_progress_bar=False)},
]


@pytest.mark.parametrize("change", NOT_COMPARED_CHANGES, ids=lambda change: ",".join(change))
def test_keys_that_do_not_change_results_are_not_compared(change: dict[str, Any]) -> None:
    assert are_same(CONFIG, replace(CONFIG, **change))


def test_fold_can_be_excluded_from_the_identity() -> None:
    folds = [replace(CONFIG, fold=fold) for fold in (0, 1, "all")]
    assert len(set(identities(folds))) == 1
    assert len(set(identities(folds, without=()))) == 3


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0.0, False), ("1", 1)])
def test_equal_values_of_different_types_differ(one: object, other: object) -> None:
    """Lightning interprets ``limit_train_batches=1`` as one batch and ``1.0`` as all batches."""
    configs = [replace(CONFIG, trainer=CONFIG.trainer.with_arguments(limit_train_batches=v)) for v in (one, other)]
    assert not are_same(*configs)


VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "a"])


@given(st.lists(VALUES | st.lists(VALUES, max_size=2), min_size=2, max_size=2))
def test_all_comparisons_agree_on_arbitrary_values(values: list[object]) -> None:
    one, other = (replace(CONFIG, trainer=CONFIG.trainer.with_arguments(log_every_n_steps=v)) for v in values)
    assert are_same(one, other) == (repr(values[0]) == repr(values[1]))


def test_varied_keys_omit_a_dotted_key_that_follows_a_shorter_key() -> None:
    configs = [configuration(lr=lr) for lr in (0.1, 0.2)]  # optim.lr is interpolated from lr
    assert differing_keys(*configs).keys() == {"lr", "optim.lr"}
    assert varied_keys(configs) == ["lr"]


def test_labels_omit_model_keys_when_models_differ() -> None:
    configs = [configuration(lr=lr) for lr in (0.1, 0.2)]
    varied = ["lr", "model.name"]
    assert labels(configs, ["a", "a"], varied, [{}, {}]) == ["a lr=0.1 model.name=net", "a lr=0.2 model.name=net"]
    assert labels(configs, ["a", "b"], varied, [{}, {}]) == ["a lr=0.1", "b lr=0.2"]
    assert labels([configs[0], None], ["a", ""], varied, [{}, {}]) == ["a lr=0.1 model.name=net", ""]


def test_groups_are_shown_by_their_typed_choice() -> None:
    sgd = Component("torch.optim.SGD", {"lr": 0.1, "momentum": 0.9}, True)
    none, cosine = (Component(f"facemask.models.schedules.{name}", is_partial=True) for name in ("none", "cosine"))
    configs = [replace(CONFIG, optim=o, schedule=s) for o in (CONFIG.optim, sgd) for s in (none, cosine)]
    choices = [{"optim": o, "schedule": s} for o in ("adamw", "sgd") for s in ("none", "cosine")]
    assert varied_keys(configs, choices) == ["schedule", "optim"]
    found = labels(configs, ["net"] * 4, varied_keys(configs, choices), choices)
    assert found == [f"net schedule={c['schedule']} optim={c['optim']}" for c in choices]
    # A key that varies within a choice is shown beside it.
    fast = replace(configs[3], optim=sgd.with_arguments(momentum=0.5))
    assert varied_keys([*configs, fast], [*choices, choices[3]]) == ["schedule", "optim", "optim.momentum"]
    # Without the choice of one configuration, the keys are shown.
    assert varied_keys(configs, [{}, *choices[1:]]) == ["optim._target_", "schedule._target_"]


def test_an_experiment_stands_for_all_keys_that_follow_it() -> None:
    configs = [replace(CONFIG, lr=lr, epochs=epochs) for epochs in (3, 9) for lr in (0.1, 0.2)]
    choices = [{"experiment": name} for name in ("short", "short", "long", "long")]
    assert varied_keys(configs, choices) == ["experiment", "lr"]


def test_models_are_named_by_their_choice_if_it_varies() -> None:
    frozen = replace(CONFIG, model=CONFIG.model.with_arguments(freeze="backbone"))
    configs, choices = [CONFIG, frozen], [{"model": "mobilenetv2"}, {"model": "mobilenetv2_frozen"}]
    assert labels(configs, ["net", "net"], varied_keys(configs, choices), choices) == [
        "mobilenetv2",
        "mobilenetv2_frozen",
    ]


def test_default_choices_are_those_of_the_command() -> None:
    content = OmegaConf.to_container(OmegaConf.load(CONF / "train.yaml"), resolve=False)
    assert isinstance(content, dict)
    entries = [entry for entry in content["defaults"] if isinstance(entry, dict)]
    written = {key: value for entry in entries for key, value in entry.items()}
    assert {key: written[key] for key in RUN_GROUPS} == {
        **default_choices(),
        "logger": ["csv"],
        "callbacks": ["default"],
    }
    assert typed_choices("python train.py augment=none 'lr=1e-2'") == {**default_choices(), "augment": "none"}
    assert typed_choices("python train.py experiment=mine model=cnn") == {"experiment": "mine", "model": "cnn"}
    assert typed_choices("") == typed_choices("train.py 'unfinished") == {}


def test_settings_are_flattened_and_formatted_as_typed() -> None:
    values = flat_values(WITH_NETWORK)
    assert values["lr"] == 0.1
    assert values["model.net._target_"] == CNN["_target_"]
    assert format_setting("model.channels", [4, 8]) == "model.channels=[4,8]"
    assert format_setting("lr", 0.1 + 0.2) == "lr=0.3"
    assert format_setting("lr", 1e-4) == "lr=0.0001"
    assert format_setting("lr", 0.123456, digits=4) == "lr=0.1235"
    assert format_setting("fold", "all") == "fold=all"
