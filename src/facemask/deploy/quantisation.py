"""Whole numbers of 8 bits in place of floats, by static quantisation: a quarter of the size."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from facemask.deploy.backend import INPUT
from facemask.errors import ModelError

AT_ONCE = 32  # images
PERCENTILE = 99.99  # of an activation's values are within its range; the rest are clipped
SHARE = 12  # one in so many convolutions stays in floats, but for the asking

Inputs = npt.NDArray[np.generic]


def quantised(model: onnx.ModelProto, inputs: Inputs, float_layers: int | None = None) -> onnx.ModelProto:
    """Return an ONNX model that computes in whole numbers: 8 bits for weights, channel by channel, and activations.

    Args:
        model: as :func:`facemask.deploy.graph.to_onnx` returns it.
        inputs: of the graph, for calibration: [M, ...].
        float_layers: how many of the first convolutions, with all that comes before them, stay in floats: these see
            the picture itself, and lose most. None for a twelfth of them, at least one.

    Raises:
        ModelError: it has no more convolutions than that.
    """
    with TemporaryDirectory() as temporary:
        before, after = Path(temporary, "before.onnx"), Path(temporary, "after.onnx")
        before.write_bytes(model.SerializeToString())
        quantize_static(
            str(before),
            str(after),
            _Batches(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with signed weights, what AVX-512 and Arm multiply in one step
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            nodes_to_exclude=nodes_before(model, float_layers),
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},  # a batch in memory at a time
        )
        return onnx.load(after)


def nodes_before(model: onnx.ModelProto, convolutions: int | None = None) -> list[str]:
    """Return the names of the first so many convolutions, and of all nodes that they need."""
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    convolutions = max(1, len(nodes) // SHARE) if convolutions is None else convolutions
    if convolutions >= len(nodes):
        raise ModelError(
            f"float_layers={convolutions} leaves nothing to quantise of the network's {len(nodes)} convolutions; "
            "choose fewer, or precision=fp16."
        )
    makers = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, None] = {}
    waiting = list(nodes[convolutions].input)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found[node.name] = None
            waiting += node.input
    return list(found)


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """Feeds the inputs a batch at a time, in the range of batches that the library asks for."""

    def __init__(self, inputs: Inputs) -> None:
        self.batches = [inputs[start : start + AT_ONCE] for start in range(0, len(inputs), AT_ONCE)]
        self.waiting = iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.waiting = iter(self.batches[start_index:end_index])

    def get_next(self) -> dict[str, Inputs] | None:
        batch = next(self.waiting, None)
        return None if batch is None else {INPUT: batch}
