"""Static quantisation to 8-bit integers: smaller files, and faster on most processors."""

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
from facemask.seeding import CALIBRATION, derive_seed

BATCH_SIZE = 4  # images per batch, because the activations of all layers are kept in memory
PERCENTILE = 99.99  # percentile of an activation's values at which it is clipped
FLOAT_FRACTION = 12  # default: 1/12 of the convolutions stay in float
WEIGHTED = ("Conv", "Gemm", "MatMul")

Inputs = npt.NDArray[np.generic]
Prepare = Callable[[Pixels], Inputs]


def calibration_images(images: Pixels, at_most: int, seed: int) -> Pixels:
    """Return a random subset of the images in their order, or all if there are no more than ``at_most``."""
    drawn = np.random.default_rng(derive_seed(CALIBRATION, seed)).permutation(len(images))[:at_most]
    return np.asarray(images[np.sort(drawn)])


def quantised(
    model: onnx.ModelProto, images: Pixels, prepare: Prepare = np.asarray, float_layers: int | None = None
) -> onnx.ModelProto:
    """Return an ONNX model with 8-bit weights (per channel) and activations.

    The last layer and the softmax stay in float: in 8 bits, probabilities would be multiples of 1/255.

    Args:
        model: model from :func:`facemask.inference.graph.to_onnx`.
        images: calibration images, uint8[M, S, S, 3].
        prepare: function from images to the graph's input.
        float_layers: number of leading convolutions that stay in float, because quantising them costs the most
            accuracy;
            None for 1/12 of them, at least one.

    Raises:
        ModelError: the model has too few convolutions.
    """
    with TemporaryDirectory() as temporary:
        before, after = Path(temporary, "before.onnx"), Path(temporary, "after.onnx")
        before.write_bytes(model.SerializeToString())
        quantize_static(
            str(before),
            str(after),
            _Batches(images, prepare),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # unsigned times signed is a single instruction on AVX-512 and Arm
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            nodes_to_exclude=[*first_nodes(model, float_layers), *last_nodes(model)],
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},  # one batch in memory at a time
        )
        return onnx.load(after)


def first_nodes(model: onnx.ModelProto, convolutions: int | None = None) -> list[str]:
    """Return the names of the leading convolutions and of all nodes before them.

    Args:
        model: an ONNX model.
        convolutions: number of convolutions; None for 1/12 of them, at least one.

    Raises:
        ModelError: the model has too few convolutions.
    """
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    convolutions = max(1, len(nodes) // FLOAT_FRACTION) if convolutions is None else convolutions
    if convolutions >= len(nodes):
        raise ModelError(
            f"float_layers={convolutions} leaves nothing to quantise: the network has {len(nodes)} convolutions; "
            "use fewer, or precision=fp16."
        )
    return _ancestors(model, nodes[convolutions].input)


def last_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the names of the last layer with weights and of all nodes after it."""
    return _ancestors(model, [OUTPUT], until=WEIGHTED)


def _ancestors(model: onnx.ModelProto, values: Iterable[str], until: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the nodes that compute given values, and of their ancestors up to given node types."""
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
    """Calibration reader: feeds the range of batches that ONNX Runtime requests."""

    def __init__(self, images: Pixels, prepare: Prepare) -> None:
        self.images, self.prepare = images, prepare
        self.starts = range(0, len(images), BATCH_SIZE)
        self.waiting = iter(self.starts)

    def __len__(self) -> int:
        return len(self.starts)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.waiting = iter(self.starts[start_index:end_index])

    def get_next(self) -> dict[str, Inputs] | None:
        start = next(self.waiting, None)
        return None if start is None else {INPUT: self.prepare(self.images[start : start + BATCH_SIZE])}
