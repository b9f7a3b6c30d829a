"""Networks accept any input size and return logits; frozen layers do not change, including batch-norm statistics."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from conftest import compose_config
from facemask.config.schemas import TrainConfig
from facemask.errors import ConfigError
from facemask.models.backbone import TimmNet
from facemask.models.checkpoint import build_model, load_model
from facemask.models.classifier import MaskClassifier
from facemask.models.cnn import CNN
from facemask.models.freezing import freeze
from facemask.models.records import add_records
from facemask.models.weights import build_timm
from facemask.training.parts import dry_run

TIMM = [
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "tf_efficientnet_lite0",
    "resnet50",
    "vit_tiny_patch16_224",
]


# One small network of each of these families; FIXED are built for one input size.
FIXED = [
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "eva02_tiny_patch14_224",
    "maxvit_tiny_tf_224",
    "mixer_s16_224",
    "cait_xxs24_224",
    "xcit_nano_12_p16_224",
    "coat_tiny",
    "levit_128s",
    "tnt_s_legacy_patch16_224",
    "pit_ti_224",
    "convit_tiny",
    "visformer_tiny",
    "gcvit_xxtiny",
]
FREE = [
    "resnet18",
    "efficientnet_b0",
    "mobilenetv3_small_050",
    "convnext_atto",
    "densenet121",
    "regnetx_002",
    "ghostnet_050",
    "mobilevit_xxs",
    "poolformer_s12",
    "repvgg_a0",
    "rexnet_100",
    "dla34",
    "edgenext_xx_small",
    "fastvit_t8",
    "nf_regnet_b0",
]


@pytest.fixture(scope="module")
def timm_config() -> TrainConfig:
    return compose_config("model=timm", "model.name=resnet18", "model.pretrained=false", "model.input_size=64")


def named(config: TrainConfig, **settings: object) -> TrainConfig:
    return replace(config, model=config.model.with_arguments(**settings))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FIXED, *FREE])
def test_every_family_of_timm_trains_and_reads_back(timm_config: TrainConfig, name: str, tmp_path: Path) -> None:
    config = named(timm_config, name=name)
    dry_run(config)
    names = ["mask", "no_mask"]
    model = build_model(config.model, num_classes=2, class_names=names, input_size=64)
    images = torch.rand(2, 3, 64, 64)
    model(images).square().sum().backward()
    assert isinstance(model, MaskClassifier)
    checkpoint = {"state_dict": model.state_dict(), "epoch": 0}
    add_records(checkpoint, model.to_record(), model.preprocessing_for(tuple(names), 64), None)
    torch.save(checkpoint, tmp_path / "best.ckpt")
    read, preprocessing = load_model(tmp_path / "best.ckpt")
    assert preprocessing.input_size == 64
    with torch.no_grad():
        assert torch.equal(read(images), model.eval()(images))


@pytest.mark.parametrize("channels", [3, 16])
def test_thin_strided_pointwise_convolutions_are_not_trained_in_channels_last(channels: int) -> None:
    layers = [nn.Conv2d(3, channels, 3), nn.Conv2d(channels, 4, 1, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = MaskClassifier(lambda num_classes: nn.Sequential(*layers, nn.Linear(4, num_classes)), num_classes=2)
    assert model.memory_format == (torch.channels_last if channels == 16 else torch.contiguous_format)
    model(torch.rand(2, 3, 64, 64)).sum().backward()


@pytest.mark.parametrize(("name", "own"), [("efficientformer_l1", 224), ("crossvit_tiny_240", 240)])
def test_a_network_of_one_size_names_it(timm_config: TrainConfig, name: str, own: int) -> None:
    with pytest.raises(ConfigError, match=f"set model.input_size={own}, ") as error:
        dry_run(named(timm_config, name=name))
    assert "\n" not in str(error.value)
    dry_run(named(timm_config, name=name, input_size=own))


def test_pretrained_weights_of_another_size_are_resized_or_refused(tmp_path: Path) -> None:
    for name in ("vit_tiny_patch16_224", "mixer_s16_224"):
        torch.save(timm.create_model(name).state_dict(), tmp_path / f"{name}.pth")
    vit, _ = build_timm("vit_tiny_patch16_224", str(tmp_path / "vit_tiny_patch16_224.pth"), 64)
    saved = torch.load(tmp_path / "vit_tiny_patch16_224.pth", weights_only=True)
    assert torch.equal(vit.state_dict()["blocks.3.attn.qkv.weight"], saved["blocks.3.attn.qkv.weight"])
    assert vit(torch.rand(1, 3, 64, 64)).shape == (1, 192)
    with pytest.raises(ConfigError, match="set model.input_size=224, its own size"):
        build_timm("mixer_s16_224", str(tmp_path / "mixer_s16_224.pth"), 64)


@pytest.mark.parametrize("size", [17, 32, 96])
def test_cnn_takes_any_input_size(size: int) -> None:
    network = CNN(3, channels=(4, 8), convolutions=2, hidden=5).eval()
    assert network(torch.rand(2, 3, size, size)).shape == (2, 3)


@pytest.mark.parametrize("name", TIMM)
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_every_timm_network_gets_a_head_that_fits(name: str, head: Any) -> None:
    network = TimmNet(3, name, pretrained=False, head=head, hidden=7).eval()
    size = 224 if name.startswith("vit") else 32
    assert network(torch.rand(2, 3, size, size)).shape == (2, 3)
    assert len([layer for layer in network.head if isinstance(layer, nn.Linear)]) == (1 if head == "linear" else 2)


def classifier(freeze: str, **settings: Any) -> MaskClassifier:
    return MaskClassifier(
        net=partial(TimmNet, name="mobilenetv2_100", pretrained=False),
        num_classes=2,
        optimizer=partial(torch.optim.SGD, lr=1.0),
        schedule=None,
        freeze=freeze,
        **settings,
    )


def train_one_step(model: MaskClassifier) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the state before and after one step in training mode."""
    before = {key: value.clone() for key, value in model.net.state_dict().items()}
    model.train()
    optimizer = model.configure_optimizers()
    model(torch.rand(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    return before, model.net.state_dict()


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {key for key in before if not torch.equal(before[key], after[key])}


def test_a_frozen_backbone_keeps_every_number_batch_norm_statistics_included() -> None:
    assert {key.split(".")[0] for key in changed(*train_one_step(classifier("backbone")))} == {"head"}


def test_freezing_until_a_stage_freezes_all_up_to_it_and_nothing_after() -> None:
    moved = changed(*train_one_step(classifier("until=blocks.2")))
    frozen = ("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0", "backbone.blocks.1", "backbone.blocks.2")
    assert not [key for key in moved if key.startswith(frozen)]
    assert any(key.startswith("backbone.blocks.3.0.bn1.running_mean") for key in moved)
    assert any(key.startswith("backbone.conv_head") for key in moved)


def test_freezing_a_transformer_until_a_stage_freezes_its_tokens_and_positions() -> None:
    net = TimmNet(num_classes=2, name="vit_tiny_patch16_224", pretrained=False)
    freeze(net, "until=blocks.2")
    learning = {name.removeprefix("backbone.") for name, p in net.named_parameters() if p.requires_grad}
    assert not learning & {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.2.norm1.weight"}
    assert "blocks.3.norm1.weight" in learning


def test_without_freezing_all_parameters_change() -> None:
    before, after = train_one_step(classifier("none"))
    assert changed(before, after) == set(before)


def test_frozen_layers_stay_in_evaluation_mode_when_training_resumes() -> None:
    model = classifier("backbone")
    model.eval()
    model.train()
    assert not model.net.backbone.training
    assert model.net.head.training


@pytest.mark.parametrize(
    ("freeze", "expected_error"),
    [
        ("until=block.2", "there is no such stage; choose from: conv_stem, bn1, blocks"),
        ("until=blocks.9", "choose from: blocks.0, blocks.1"),
        ("all", "model.freeze must be none, backbone or until=STAGE, got all"),
    ],
)
def test_an_invalid_stage_lists_the_valid_ones(freeze: str, expected_error: str) -> None:
    with pytest.raises(ConfigError, match=expected_error):
        classifier(freeze)


def test_a_network_without_a_backbone_cannot_be_frozen() -> None:
    def flat(num_classes: int) -> nn.Module:
        return nn.Linear(3, num_classes)

    with pytest.raises(ConfigError, match="needs a network with a 'backbone'; Linear has none"):
        MaskClassifier(net=flat, num_classes=2, optimizer=torch.optim.SGD, freeze="backbone")
