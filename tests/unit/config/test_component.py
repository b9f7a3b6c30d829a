"""Components are built from configuration nodes, and factories are described as nodes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from facemask.config.component import Component, describe, network_name
from facemask.data.transforms import Affine
from facemask.errors import ConfigError, DataError
from facemask.models.cnn import CNN

AFFINE = "facemask.data.transforms.Affine"
NODE: dict[str, object] = {"_target_": AFFINE, "rotate": 10, "edge": "repeat"}


def test_component_round_trips_a_node() -> None:
    for node in (NODE, NODE | {"_partial_": True}, {"_target_": "a.B"}):
        assert Component.from_plain(node).to_plain() == node
    component = Component.from_plain(NODE)
    assert (component.target, component.class_name, component.is_partial) == (AFFINE, "Affine", False)
    assert (component.get("rotate"), component.get("scale"), component.get("scale", 2)) == (10, None, 2)


def test_copies_do_not_change_the_original() -> None:
    component = Component.from_plain(NODE | {"_partial_": True})
    changed = component.with_arguments(rotate=20, scale=0.1).without("edge", "unknown")
    assert changed == Component(AFFINE, {"rotate": 20, "scale": 0.1}, is_partial=True)
    assert component.to_plain() == NODE | {"_partial_": True}


def test_build_passes_arguments_and_facts() -> None:
    built = Component.from_plain(NODE).build(scale=0.5)
    assert isinstance(built, Affine)
    assert (built.edge, built.ranges) == ("repeat", [(10, 0.5, 0.0, 0.0)])


def test_build_instantiates_nested_nodes_first() -> None:
    steps = {"turn": NODE}
    augmentation = Component("facemask.data.transforms.Augmentation", {"steps": steps}).build()
    assert augmentation.names == ["turn"]


def test_partial_node_is_called_when_facts_are_given() -> None:
    sgd = Component("torch.optim.SGD", {"lr": 0.5}, is_partial=True)
    waiting = sgd.build()
    assert callable(waiting)
    for optimizer in (waiting([torch.zeros(1)]), sgd.build(params=[torch.zeros(1)])):
        assert isinstance(optimizer, torch.optim.SGD)
        assert optimizer.param_groups[0]["lr"] == 0.5


def test_facts_are_passed_unchanged() -> None:
    fact = {"_target_": "os.getcwd"}  # looks like a node, but must not be built
    assert Component("builtins.dict").build(fact=fact)["fact"] is fact


def raise_error(error: Exception) -> None:
    """Raise the given error."""
    raise error


def test_build_keeps_facemask_errors_and_converts_value_errors_to_one_sentence() -> None:
    component = Component(f"{__name__}.raise_error")
    with pytest.raises(DataError, match="^no faces here$"):
        component.build(error=DataError("no faces here"))
    with pytest.raises(ConfigError, match=r"raise_error does not accept its arguments: too many\.$"):
        component.build(error=ValueError("too many\nlines"))
    with pytest.raises(ConfigError, match="raise_error does not accept its arguments: .*colour"):
        component.build(colour=1)
    with pytest.raises(ZeroDivisionError):  # a bug, not an invalid setting
        component.build(error=ZeroDivisionError())


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"_target_": "a.Classifier", "net": {"_target_": "b.CNN"}}, "CNN"),
        ({"_target_": "a.Classifier", "net": {"_target_": "b.TimmNet"}, "name": "resnet18"}, "resnet18"),
        ({"_target_": "mine.Net"}, "Net"),
    ],
)
def test_network_name_is_its_name_argument_or_its_class(node: dict[str, object], expected: str) -> None:
    assert network_name(Component.from_plain(node)) == expected


@pytest.mark.parametrize(
    "factory", [CNN, partial(CNN, channels=[4], hidden=3), partial(partial(CNN, hidden=3), hidden=5)]
)
def test_described_node_builds_the_same_network_as_the_factory(factory: Callable[..., nn.Module]) -> None:
    node = describe(factory)
    assert node is not None
    torch.manual_seed(0)
    made = factory(num_classes=2)
    torch.manual_seed(0)
    built: Any = Component.from_plain(node).build(num_classes=2)
    assert str(built) == str(made)
    assert all(torch.equal(built.state_dict()[name], value) for name, value in made.state_dict().items())


def test_describe_returns_none_for_factories_that_cannot_be_imported() -> None:
    def local() -> None:
        """Is not importable."""

    assert describe(None) is None
    assert describe(lambda: None) is None
    assert describe(local) is None
    assert describe(partial(local, 1)) is None
