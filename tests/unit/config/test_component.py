"""A node of the configuration is built with its arguments, and a factory is described as the node that builds it."""

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


def test_a_node_is_read_and_written_as_it_was() -> None:
    for node in (NODE, NODE | {"_partial_": True}, {"_target_": "a.B"}):
        assert Component.from_plain(node).to_plain() == node
    component = Component.from_plain(NODE)
    assert (component.target, component.class_name, component.is_partial) == (AFFINE, "Affine", False)
    assert (component.get("rotate"), component.get("scale"), component.get("scale", 2)) == (10, None, 2)


def test_copies_leave_the_original_alone() -> None:
    component = Component.from_plain(NODE | {"_partial_": True})
    changed = component.with_arguments(rotate=20, scale=0.1).without("edge", "unknown")
    assert changed == Component(AFFINE, {"rotate": 20, "scale": 0.1}, is_partial=True)
    assert component.to_plain() == NODE | {"_partial_": True}


def test_building_passes_arguments_and_facts() -> None:
    built = Component.from_plain(NODE).build(scale=0.5)
    assert isinstance(built, Affine)
    assert (built.edge, built.ranges) == ("repeat", [(10, 0.5, 0.0, 0.0)])


def test_nested_nodes_are_built_first() -> None:
    steps = {"turn": NODE}
    augmentation = Component("facemask.data.transforms.Augmentation", {"steps": steps}).build()
    assert augmentation.names == ["turn"]


def test_a_partial_node_waits_until_facts_are_given() -> None:
    sgd = Component("torch.optim.SGD", {"lr": 0.5}, is_partial=True)
    waiting = sgd.build()
    assert callable(waiting)
    for optimizer in (waiting([torch.zeros(1)]), sgd.build(params=[torch.zeros(1)])):
        assert isinstance(optimizer, torch.optim.SGD)
        assert optimizer.param_groups[0]["lr"] == 0.5


def test_facts_are_passed_on_as_they_are() -> None:
    fact = {"_target_": "os.getcwd"}  # what arrives at run time is nothing to be built
    assert Component("builtins.dict").build(fact=fact)["fact"] is fact


def refuse(error: Exception) -> None:
    """Raise what it is given."""
    raise error


def test_an_error_of_ours_stays_what_it_is_and_others_become_one_sentence() -> None:
    component = Component(f"{__name__}.refuse")
    with pytest.raises(DataError, match="^no faces here$"):
        component.build(error=DataError("no faces here"))
    with pytest.raises(ConfigError, match=r"refuse does not accept its arguments: too many\.$"):
        component.build(error=ValueError("too many\nlines"))
    with pytest.raises(ConfigError, match="refuse does not accept its arguments: .*colour"):
        component.build(colour=1)
    with pytest.raises(ZeroDivisionError):  # a defect, not a setting
        component.build(error=ZeroDivisionError())


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"_target_": "a.Classifier", "net": {"_target_": "b.CNN"}}, "CNN"),
        ({"_target_": "a.Classifier", "net": {"_target_": "b.TimmNet"}, "name": "resnet18"}, "resnet18"),
        ({"_target_": "mine.Net"}, "Net"),
    ],
)
def test_a_network_is_called_by_its_name_else_by_its_class(node: dict[str, object], expected: str) -> None:
    assert network_name(Component.from_plain(node)) == expected


@pytest.mark.parametrize(
    "factory", [CNN, partial(CNN, channels=[4], hidden=3), partial(partial(CNN, hidden=3), hidden=5)]
)
def test_a_description_builds_what_its_factory_makes(factory: Callable[..., nn.Module]) -> None:
    node = describe(factory)
    assert node is not None
    torch.manual_seed(0)
    made = factory(num_classes=2)
    torch.manual_seed(0)
    built: Any = Component.from_plain(node).build(num_classes=2)
    assert str(built) == str(made)
    assert all(torch.equal(built.state_dict()[name], value) for name, value in made.state_dict().items())


def test_what_no_path_leads_to_has_no_description() -> None:
    def local() -> None:
        """Is not importable."""

    assert describe(None) is None
    assert describe(lambda: None) is None
    assert describe(local) is None
    assert describe(partial(local, 1)) is None
