"""A timm backbone with a new head."""

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from facemask.models.weights import build_timm


class TimmNet(nn.Module):
    """A timm network with a new classifier.

    Args:
        num_classes: number of classes C.
        name: timm architecture.
        pretrained: see :func:`facemask.models.weights.build_timm`.
        head: ``linear`` for one layer, or ``mlp`` for the dense layers of the three-class study.
        hidden: width of the dense layer of ``mlp``.
        dropout: dropout probability before each layer of the head.
        input_size: side S of the images, pixels; see :func:`facemask.models.weights.build_timm`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str,
        pretrained: bool | str = True,
        head: Literal["linear", "mlp"] = "linear",
        hidden: Annotated[int, Field(ge=1, le=4096)] = 128,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        input_size: int | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.initial = build_timm(name, pretrained, input_size)
        # Some networks (MobileNetV3) have another layer after the pooling.
        features: Any = getattr(self.backbone, "head_hidden_size", None) or self.backbone.num_features
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        if head == "mlp":
            layers += [nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(hidden if head == "mlp" else features, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, float32[N, C], of images, float32[N, 3, S, S]."""
        logits: Tensor = self.head(self.backbone(images))
        return logits
