"""A trained network as one graph, from pictures to probabilities, in torch's, ONNX's and OpenVINO's words."""

from copy import deepcopy
from pathlib import Path
from typing import cast

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from facemask.data.preprocessing import Preprocessing, bilinear_weights
from facemask.inference.backend import INPUT, METADATA, OUTPUT
from facemask.models.classifier import MaskClassifier
from facemask.models.fusing import fuse_conv_bn

OPSET = 18  # of ONNX: the first whose Resize antialiases
ANY_NUMBER = ({0: Dim("N", min=1)},)  # of images


class Graph(nn.Module):
    """The network with its preprocessing before it, if that is to be inside, and the softmax behind it.

    Args:
        model: maps float32[N, 3, S, S] to logits, float32[N, C].
        record: how it is fed.
        is_inside: whether the graph takes uint8[N, store_size, store_size, 3]; else what the network takes.
        is_half: whether the network computes in float16; what goes in and comes out stays what it is.
    """

    weights: Tensor  # of each pixel before in each one after, along a line

    def __init__(self, model: nn.Module, record: Preprocessing, is_inside: bool = True, is_half: bool = False) -> None:
        super().__init__()
        self.dtype = torch.float16 if is_half else torch.float32
        self.net = fuse_conv_bn(model.net if isinstance(model, MaskClassifier) else model).to(self.dtype)
        self.record, self.is_inside = record, is_inside
        self.register_buffer("weights", torch.from_numpy(bilinear_weights(record.store_size, record.input_size)))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities, float32[N, C]."""
        batch = self._normalised(images) if self.is_inside else images
        logits: Tensor = self.net(batch.to(self.dtype))
        return logits.float().softmax(dim=1)

    def _normalised(self, images: Tensor) -> Tensor:
        if self.record.input_size >= self.record.store_size:
            return self.record.normalise(images)
        # As two multiplications: OpenVINO reads ONNX's Resize without its antialiasing, and is 60 grey levels off.
        return self.weights @ self.record.scale(images) @ self.weights.T

    def example(self) -> Tensor:
        """Return an input of two images."""
        if self.is_inside:
            return torch.zeros(2, self.record.store_size, self.record.store_size, 3, dtype=torch.uint8)
        return torch.zeros(2, 3, self.record.input_size, self.record.input_size)


def to_program(graph: Graph) -> ExportedProgram:
    """Return a graph as a program that torch runs without any of our code, in the layout that CPUs are faster with."""
    fast = deepcopy(graph).to(memory_format=torch.channels_last)
    program = torch.export.export(fast, (graph.example(),), dynamic_shapes=ANY_NUMBER)
    for node in program.graph.nodes:  # the tracer's notes, this machine's paths among them
        for note in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node"):
            node.meta.pop(note, None)
    return program


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """Return a graph as an ONNX model."""
    plain = deepcopy(graph).to(memory_format=torch.contiguous_format)  # ONNX has no layouts, and would imitate them
    program = torch.onnx.export(
        plain,
        (graph.example(),),
        dynamic_shapes=ANY_NUMBER,
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model: onnx.ModelProto = cast(torch.onnx.ONNXProgram, program).model_proto
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # the exporter's notes, this machine's paths among them
    return model


def write_openvino(model: onnx.ModelProto, file: Path, words: str, is_half: bool) -> None:
    """Write an ONNX model as OpenVINO's.

    Args:
        model: as :func:`to_onnx` returns it.
        file: the ``.xml``; the weights go to the ``.bin`` beside it.
        words: its metadata.
        is_half: whether the weights are kept in float16.
    """
    import openvino

    network = openvino.Core().read_model(model.SerializeToString())
    network.set_rt_info(words, METADATA)
    openvino.save_model(network, file, compress_to_fp16=is_half)
