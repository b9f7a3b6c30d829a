"""Configurations are compared key by key: a key that one of them lacks counts as its default."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemask.config.component import Component
from facemask.config.keys import (
    ABSENT,
    differing_keys,
    flat_values,
    format_setting,
    identities,
    label_keys,
    varied_keys,
)
from facemask.config.schemas import TrainConfig
from facemask.config.typed import from_plain, to_plain
from runs_on_disk import configuration

CONFIG = configuration()
CNN = {"_target_": "facemask.models.cnn.CNN", "_partial_": True}
OF_A_NETWORK = replace(CONFIG, model=CONFIG.model.with_arguments(net=CNN))


def are_one(one: TrainConfig, other: TrainConfig) -> bool:
    """Compare two configurations in each way there is; all must agree, whichever comes first."""
    answers = {
        not differing_keys(one, other),
        not differing_keys(other, one),
        len(set(identities([one, other], without=()))) == 1,
        not varied_keys([one, other]),
    }
    assert len(answers) == 1
    return answers.pop()


# What a key's default is follows from the signature of what takes it.
ADDED = [
    ("data", "k", 5, 4),  # of the data module
    ("data", "augmentation", "light", "strong"),
    ("model", "freeze", "none", "backbone"),  # of the module
    ("model", "channels", [16, 32, 64, 128, 256], [4]),  # of its network; a tuple in the signature
    ("model", "dropout", 0.3, 0.1),
    ("augment", "mixup", 0.0, 0.2),
    ("trainer", "precision", None, "16-mixed"),  # of Lightning's
    ("optim", "weight_decay", 0.01, 0.1),  # of torch's
]


@pytest.mark.parametrize(("group", "key", "default", "other"), ADDED)
def test_a_key_that_a_configuration_lacks_has_its_default(group: str, key: str, default: object, other: object) -> None:
    older: Component = getattr(OF_A_NETWORK, group)
    assert key not in older.arguments
    same, changed = (replace(OF_A_NETWORK, **{group: older.with_arguments(**{key: v})}) for v in (default, other))
    assert are_one(OF_A_NETWORK, same)
    assert not are_one(OF_A_NETWORK, changed)
    assert differing_keys(OF_A_NETWORK, changed) == {f"{group}.{key}": (default, other)}
    assert varied_keys([OF_A_NETWORK, changed]) == [f"{group}.{key}"]


@pytest.mark.parametrize(("group", "key"), [("data", "colour"), ("model", "channels"), ("trainer", "colour")])
def test_a_key_that_no_signature_has_is_a_difference(group: str, key: str) -> None:
    added = replace(CONFIG, **{group: getattr(CONFIG, group).with_arguments(**{key: 3})})
    assert differing_keys(CONFIG, added) == {f"{group}.{key}": (ABSENT, 3)}
    assert not are_one(CONFIG, added)


def test_a_key_added_to_the_schema_has_its_default_in_older_runs() -> None:
    @dataclass
    class Newer(TrainConfig):
        warmup: int = 3

    older = from_plain(Newer, to_plain(CONFIG))
    assert are_one(older, from_plain(Newer, to_plain(CONFIG) | {"warmup": 3}))
    assert differing_keys(older, from_plain(Newer, to_plain(CONFIG) | {"warmup": 4})) == {"warmup": (3, 4)}


def test_a_target_that_cannot_be_imported_any_more_does_not_stop_the_comparison() -> None:
    gone = Component("gone.Network", {"width": 4})
    assert are_one(replace(CONFIG, model=gone), replace(CONFIG, model=gone))
    deeper = replace(CONFIG, model=gone.with_arguments(depth=2))
    assert differing_keys(replace(CONFIG, model=gone), deeper) == {"model.depth": (ABSENT, 2)}


FREE: list[dict[str, Any]] = [
    {"name": "other"},
    {"resume": "outputs/x"},
    {"race": True, "race_margin": 3.0, "fail_fast": True},
    {"logger": {"csv": Component("lightning.pytorch.loggers.CSVLogger")}},
    {"data": CONFIG.data.with_arguments(num_workers=7, store_dir="elsewhere")},
]


@pytest.mark.parametrize("change", FREE, ids=lambda change: ",".join(change))
def test_keys_that_no_number_depends_on_are_not_compared(change: dict[str, Any]) -> None:
    assert are_one(CONFIG, replace(CONFIG, **change))


def test_the_fold_may_be_left_out_of_an_identity() -> None:
    folds = [replace(CONFIG, fold=fold) for fold in (0, 1, "all")]
    assert len(set(identities(folds))) == 1
    assert len(set(identities(folds, without=()))) == 3


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0.0, False), ("1", 1)])
def test_values_of_two_types_differ(one: object, other: object) -> None:
    """Lightning takes ``limit_train_batches=1`` for one batch, and ``1.0`` for all of them."""
    configs = [replace(CONFIG, trainer=CONFIG.trainer.with_arguments(limit_train_batches=v)) for v in (one, other)]
    assert not are_one(*configs)


VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "a"])


@given(st.lists(VALUES | st.lists(VALUES, max_size=2), min_size=2, max_size=2))
def test_every_way_of_comparing_gives_the_same_answer(values: list[object]) -> None:
    one, other = (replace(CONFIG, trainer=CONFIG.trainer.with_arguments(log_every_n_steps=v)) for v in values)
    assert are_one(one, other) == (repr(values[0]) == repr(values[1]))


def test_a_dotted_key_that_follows_from_a_shorter_one_is_not_named_beside_it() -> None:
    configs = [configuration(lr=lr) for lr in (0.1, 0.2)]  # which optim.lr follows
    assert differing_keys(*configs).keys() == {"lr", "optim.lr"}
    assert varied_keys(configs) == ["lr"]


def test_labels_leave_out_the_models_keys_where_models_differ() -> None:
    varied = ["lr", "model.dropout", "name"]
    assert label_keys(varied, ["a", "a"]) == ["lr", "model.dropout"]
    assert label_keys(varied, ["a", "b"]) == ["lr"]


def test_values_are_flat_under_dotted_keys_as_they_are_typed() -> None:
    values = flat_values(OF_A_NETWORK)
    assert values["lr"] == 0.1
    assert values["model.net._target_"] == CNN["_target_"]
    assert format_setting("model.channels", [4, 8]) == "model.channels=[4,8]"
    assert format_setting("lr", 0.1 + 0.2) == "lr=0.3"
    assert format_setting("lr", 1e-4) == "lr=0.0001"
    assert format_setting("lr", 0.123456, digits=4) == "lr=0.1235"
    assert format_setting("fold", "all") == "fold=all"
