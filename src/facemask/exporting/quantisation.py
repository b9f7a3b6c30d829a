"""Whole numbers of 8 bits in place of floats, by static quantisation: smaller files, and faster on most processors."""

from collections.abc import Callable, Iterable
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

from facemask.data.preprocessing import Pixels
from facemask.errors import ModelError
from facemask.inference.backend import INPUT, OUTPUT

AT_ONCE = 4  # images: what every layer makes of them is in memory together
PERCENTILE = 99.99  # of an activation's values are within its range; the rest are clipped
SHARE = 12  # one in so many convolutions stays in floats, but for the asking
WEIGHTED = ("Conv", "Gemm", "MatMul")

Inputs = npt.NDArray[np.generic]
Feed = Callable[[Pixels], Inputs]


def quantised(
    model: onnx.ModelProto, images: Pixels, feed: Feed = np.asarray, float_layers: int | None = None
) -> onnx.ModelProto:
    """Return an ONNX model that computes in whole numbers: 8 bits for weights, channel by channel, and activations.

    The last layer and the softmax behind it stay in floats: in 8 bits, probabilities would be multiples of 1/255.

    Args:
        model: as :func:`facemask.exporting.graph.to_onnx` returns it.
        images: for calibration, uint8[M, S, S, 3].
        feed: makes the graph's input of some of them.
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
            _Batches(images, feed),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with signed weights, what AVX-512 and Arm multiply in one step
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            nodes_to_exclude=[*first_nodes(model, float_layers), *last_nodes(model)],
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},  # a batch in memory at a time
        )
        return onnx.load(after)


def first_nodes(model: onnx.ModelProto, convolutions: int | None = None) -> list[str]:
    """Return the names of the first so many convolutions, and of all nodes that they need."""
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    convolutions = max(1, len(nodes) // SHARE) if convolutions is None else convolutions
    if convolutions >= len(nodes):
        raise ModelError(
            f"float_layers={convolutions} leaves nothing to quantise of the network's {len(nodes)} convolutions; "
            "choose fewer, or precision=fp16."
        )
    return _makers_of(model, nodes[convolutions].input)


def last_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the names of the last layer with weights and of all nodes behind it."""
    return _makers_of(model, [OUTPUT], until=WEIGHTED)


def _makers_of(model: onnx.ModelProto, values: Iterable[str], until: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the nodes that make some values, and of those these need, back to some kinds of node."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, None] = {}
    waiting = list(values)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found[node.name] = None
            waiting += [] if node.op_type in until else node.input
    return list(found)


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """Feeds the images a batch at a time, in the range of batches that the library asks for."""

    def __init__(self, images: Pixels, feed: Feed) -> None:
        self.images, self.feed = images, feed
        self.starts = range(0, len(images), AT_ONCE)
        self.waiting = iter(self.starts)

    def __len__(self) -> int:
        return len(self.starts)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.waiting = iter(self.starts[start_index:end_index])

    def get_next(self) -> dict[str, Inputs] | None:
        start = next(self.waiting, None)
        return None if start is None else {INPUT: self.feed(self.images[start : start + AT_ONCE])}
