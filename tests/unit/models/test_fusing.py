"""A network with fused layers gives the same output."""

import pytest
import torch
from torch import nn

from facemask.models.backbone import TimmNet
from facemask.models.cnn import CNN
from facemask.models.fusing import fuse_conv_bn


def as_if_trained(net: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return net


@pytest.mark.parametrize("channels_last", [False, True])
def test_it_gives_the_same_probabilities_in_fewer_layers(channels_last: bool) -> None:
    net = as_if_trained(CNN(num_classes=3, channels=[8, 16], convolutions=2))
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    short = fuse_conv_bn(net)
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(net.eval()(images).softmax(dim=1), short(images).softmax(dim=1), atol=1e-6)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in short.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class Scaled(nn.Conv2d):
    """A convolution of someone's own."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 3 * super().forward(input)


def test_unsupported_pairs_are_not_fused() -> None:
    batch_statistics = nn.BatchNorm2d(4, track_running_stats=False)
    for pair in ((Scaled(3, 4, 3), nn.BatchNorm2d(4)), (nn.Conv2d(3, 4, 3), batch_statistics)):
        net = as_if_trained(nn.Sequential(*pair)) if pair[1].track_running_stats else nn.Sequential(*pair)
        images = torch.randn(2, 3, 8, 8)
        with torch.no_grad():
            assert torch.equal(net.eval()(images), fuse_conv_bn(net)(images))


def test_other_networks_are_not_changed() -> None:
    net = as_if_trained(TimmNet(num_classes=2, name="resnet10t", pretrained=False)).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(net(images).softmax(dim=1), fuse_conv_bn(net)(images).softmax(dim=1), atol=1e-5)
