"""Freeze layers of a network."""

from torch import nn

from facemask.errors import ConfigError

NOTHING, BACKBONE, UNTIL = "none", "backbone", "until="


def freeze(net: nn.Module, what: str) -> list[nn.Module]:
    """Freeze layers of a network.

    Args:
        net: a network with a ``backbone``.
        what: ``none``; ``backbone``; or ``until=STAGE``, the backbone's layers up to and including that stage, named as
            in ``net.backbone.named_modules()``.

    Returns:
        The frozen modules. Keep them in evaluation mode during training: in training mode, batch norm updates its
        statistics although no parameter changes.

    Raises:
        ConfigError: the stage does not exist, or the network has no backbone.
    """
    if what == NOTHING:
        return []
    backbone = getattr(net, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise ConfigError(f"model.freeze={what} needs a network with a 'backbone'; {type(net).__name__} has none.")
    if what == BACKBONE:
        frozen = [backbone]
    elif what.startswith(UNTIL):
        frozen = _until(backbone, what.removeprefix(UNTIL))
    else:
        raise ConfigError(f"model.freeze must be none, backbone or until=STAGE, got {what}.")
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def _until(backbone: nn.Module, stage: str) -> list[nn.Module]:
    """Return the modules up to ``stage`` in registration order, which is timm's forward order."""
    frozen: list[nn.Module] = []
    parent, parts = backbone, stage.split(".")
    for depth, part in enumerate(parts):
        children = dict(parent.named_children())
        if part not in children:
            where = ".".join(parts[:depth])
            choices = ", ".join(f"{where}.{name}" if where else name for name in children) or "none"
            raise ConfigError(f"model.freeze={UNTIL}{stage}: there is no such stage; choose from: {choices}.")
        for parameter in parent.parameters(recurse=False):  # a transformer's tokens and position embeddings
            parameter.requires_grad = False
        for name, child in children.items():
            if name == part:
                break
            frozen.append(child)
        parent = children[part]
    return [*frozen, parent]
