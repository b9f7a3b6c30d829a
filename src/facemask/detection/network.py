"""Run the network of a detector on ONNX Runtime or OpenVINO."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from facemask.errors import ConfigError

Engine = Literal["onnxruntime", "openvino"]
Floats = npt.NDArray[np.float32]


def open_network(
    model: bytes, outputs: Sequence[str], threads: int | None = None, engine: Engine = "onnxruntime"
) -> Callable[[Floats], list[Floats]]:
    """Return a function from the network's input to its outputs.

    Args:
        model: content of an ONNX file with one input.
        outputs: names of the outputs to return.
        threads: number of CPU threads; None for one per core.
        engine: library. On a CPU, OpenVINO is up to twice as fast with the same results, but a process that opens it
            before torch may crash when it trains later; use it in programs that only find and label faces.

    Raises:
        ConfigError: OpenVINO is asked for and cannot be imported.
    """
    if engine == "openvino":
        return _on_openvino(model, outputs, threads)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # hides warnings about unused initialisers
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(model, options, onnxruntime.get_available_providers())
    name = session.get_inputs()[0].name
    return lambda images: list(session.run(list(outputs), {name: images}))


def _on_openvino(model: bytes, outputs: Sequence[str], threads: int | None) -> Callable[[Floats], list[Floats]]:
    try:
        import openvino
    except ImportError as error:
        raise ConfigError("detector.engine=openvino needs OpenVINO; type: pip install openvino") from error
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 depends on the processor
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", options).create_infer_request()

    def run(images: Floats) -> list[Floats]:
        request.infer([np.ascontiguousarray(images)])
        return [np.array(request.get_tensor(name).data) for name in outputs]  # copies: the next call reuses the memory

    return run
