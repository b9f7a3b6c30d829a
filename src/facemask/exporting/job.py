"""Input of an export format."""

from dataclasses import dataclass

import numpy as np
import onnx
from torch import nn

from facemask.config.schemas import ExportConfig
from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.exporting.quantisation import calibration_images, quantised
from facemask.inference.graph import Graph, to_onnx


@dataclass(frozen=True)
class ExportJob:
    """A trained model and how to export it.

    Attributes:
        model: maps float32[N, 3, S, S] to logits, float32[N, C].
        preprocessing: preprocessing of the model.
        config: configuration of the export.
        metadata: JSON to store in the file under the key :data:`facemask.inference.backend.METADATA`.
        images: validation images for calibration, uint8[M, store_size, store_size, 3]; may be empty if they are not
            needed.
    """

    model: nn.Module
    preprocessing: Preprocessing
    config: ExportConfig
    metadata: str
    images: Pixels

    def graph(self, is_half: bool = False) -> Graph:
        """Return the model as a module from images to probabilities.

        Args:
            is_half: whether the network computes in float16.
        """
        return Graph(self.model, self.preprocessing, self.config.preprocessing == "inside", is_half)

    def to_onnx(self, is_half: bool = False) -> onnx.ModelProto:
        """Return the model as an ONNX graph, quantised for ``precision=int8``.

        Args:
            is_half: whether the network computes in float16.

        Raises:
            ModelError: the network cannot be traced or quantised.
        """
        graph = to_onnx(self.graph(is_half))
        if self.config.precision != "int8":
            return graph
        images = calibration_images(self.images, self.config.calibration, self.config.seed)
        prepare = np.asarray if self.config.preprocessing == "inside" else self.preprocessing.normalise_array
        return quantised(graph, images, prepare, self.config.float_layers)
