"""A trained network as one traced graph from images to probabilities."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import cast

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from facemask.data.preprocessing import Preprocessing, bilinear_weights
from facemask.errors import ModelError, first_line
from facemask.inference.backend import INPUT, OUTPUT
from facemask.models.classifier import MaskClassifier
from facemask.models.flip_tta import flip_averaged
from facemask.models.fusing import fuse_conv_bn

OPSET = 18  # first ONNX opset whose Resize supports antialiasing
DYNAMIC_BATCH = ({0: Dim("N", min=1)},)


class Graph(nn.Module):
    """The network between its preprocessing (optional) and a softmax.

    Args:
        model: maps float32[N, 3, S, S] to logits, float32[N, C].
        preprocessing: preprocessing of the model.
        is_inside: whether the graph takes uint8[N, store_size, store_size, 3]; otherwise it takes the network's input.
        is_half: whether the network computes in float16; the types of input and output stay the same.
    """

    weights: Tensor  # weight of each input pixel in each output pixel, along one axis

    def __init__(
        self, model: nn.Module, preprocessing: Preprocessing, is_inside: bool = True, is_half: bool = False
    ) -> None:
        super().__init__()
        self.dtype = torch.float16 if is_half else torch.float32
        self.flip_tta = isinstance(model, MaskClassifier) and model.flip_tta
        self.net = fuse_conv_bn(model.net if isinstance(model, MaskClassifier) else model).to(self.dtype)
        self.preprocessing, self.is_inside = preprocessing, is_inside
        weights = bilinear_weights(preprocessing.store_size, preprocessing.input_size)
        self.register_buffer("weights", torch.from_numpy(weights))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities, float32[N, C]."""
        batch = self._normalise(images) if self.is_inside else images
        batch = batch.to(self.dtype)
        logits: Tensor = flip_averaged(self.net, batch) if self.flip_tta else self.net(batch)
        return logits.float().softmax(dim=1)

    def _normalise(self, images: Tensor) -> Tensor:
        if self.preprocessing.input_size >= self.preprocessing.store_size:
            return self.preprocessing.normalise(images)
        # As two matrix products: OpenVINO ignores the antialiasing of ONNX's Resize and is up to 60 grey levels off.
        return self.weights @ self.preprocessing.scale(images) @ self.weights.T

    def example(self) -> Tensor:
        """Return an input of two images."""
        if self.is_inside:
            return torch.zeros(2, self.preprocessing.store_size, self.preprocessing.store_size, 3, dtype=torch.uint8)
        return torch.zeros(2, 3, self.preprocessing.input_size, self.preprocessing.input_size)


def to_program(graph: Graph) -> ExportedProgram:
    """Trace a graph into a program that torch runs without this project's code.

    It is in channels-last layout, which is faster on CPUs.

    Raises:
        ModelError: the network cannot be traced.
    """
    fast = deepcopy(graph).to(memory_format=torch.channels_last)
    with _explain_tracing(graph):
        program = torch.export.export(fast, (graph.example(),), dynamic_shapes=DYNAMIC_BATCH)
    for node in program.graph.nodes:  # the tracer's metadata contain local paths
        for note in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node"):
            node.meta.pop(note, None)
    return program


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """Trace a graph into an ONNX model.

    Raises:
        ModelError: the network cannot be traced.
    """
    # ONNX would add transpositions for other layouts.
    contiguous = deepcopy(graph).to(memory_format=torch.contiguous_format)
    with _explain_tracing(graph):
        program = torch.onnx.export(
            contiguous,
            (graph.example(),),
            dynamic_shapes=DYNAMIC_BATCH,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model: onnx.ModelProto = cast(torch.onnx.ONNXProgram, program).model_proto
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # the exporter's metadata contain local paths
    return model


def trace(graph: Graph) -> onnx.ModelProto:
    """Record one pass of a graph as an ONNX model, fifteen times as fast as :func:`to_onnx`.

    It follows no control flow, so its result must be checked on images.

    Raises:
        ModelError: the network cannot be traced.
    """
    content = io.BytesIO()
    with _explain_tracing(graph), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation, and Python values that become constants
        torch.onnx.export(
            graph.to(memory_format=torch.contiguous_format),
            (graph.example(),),
            content,  # type: ignore[arg-type]  # accepted without dynamo
            dynamic_axes={name: {0: "N"} for name in (INPUT, OUTPUT)},
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(content.getvalue())


@contextmanager
def _explain_tracing(graph: Graph) -> Iterator[None]:
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch.export and onnxscript raise many types
        raise ModelError(
            f"{type(graph.net).__name__} cannot be traced ({first_line(error)}): its forward() must not have "
            "data-dependent control flow or depend on the batch size."
        ) from error
