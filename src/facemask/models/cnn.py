"""A small convolutional network, trained from scratch."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from facemask.models.weights import InitialWeights

Width = Annotated[int, Field(ge=1, le=4096)]


class CNN(nn.Module):
    """Blocks of convolution, batch normalisation and max-pooling, then a dense layer with dropout.

    The three-class study's architecture. Every block halves the image, so n blocks need at least 2**n pixels; global
    average pooling follows.

    Args:
        num_classes: number of classes C.
        channels: width of each block.
        convolutions: number of 3 x 3 convolutions per block.
        hidden: width of the dense layer.
        dropout: dropout probability before each dense layer.
    """

    initial = InitialWeights(source="random")

    def __init__(
        self,
        num_classes: int,
        channels: Annotated[Sequence[Width], Field(min_length=1, max_length=10)] = (16, 32, 64, 128, 256),
        convolutions: Annotated[int, Field(ge=1, le=16)] = 1,
        hidden: Width = 128,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3,
    ) -> None:
        super().__init__()
        widths = [3, *channels]
        self.backbone = nn.Sequential(
            *(_block(before, after, convolutions) for before, after in zip(widths, channels, strict=False)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(widths[-1], hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, float32[N, C], of images, float32[N, 3, S, S]."""
        logits: Tensor = self.head(self.backbone(images))
        return logits


def _block(before: int, after: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(convolutions):
        layers += [
            nn.Conv2d(before if i == 0 else after, after, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
