"""OpenVINO files on Intel CPUs, GPUs and NPUs, without torch."""

from pathlib import Path
from typing import Any

import numpy as np

from facemask.errors import ModelError
from facemask.inference.backend import (
    METADATA,
    Backend,
    Probabilities,
    TensorSpec,
    as_backend,
    cannot_open,
    read_metadata,
)


def open_openvino(file: Path, threads: int | None = None, device: str | None = None) -> Backend:
    """Open an ``.xml`` file and the ``.bin`` beside it; see :meth:`facemask.inference.predictor.Predictor.load`.

    Raises:
        ModelError: the file is damaged or not written by this project, or OpenVINO or the device is missing.
    """
    try:
        import openvino
    except ImportError as error:
        raise ModelError(f"{file} needs OpenVINO; type: pip install openvino") from error
    weights = file.with_suffix(".bin")
    if not weights.is_file():
        raise ModelError(f"{weights} is missing: an OpenVINO model is two files; copy it to the folder of {file.name}.")
    core, device = openvino.Core(), device or "CPU"
    if device.partition(".")[0] not in (available := core.available_devices):
        raise ModelError(f"OpenVINO has no device {device} here; it has {', '.join(available)}.")
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if device.partition(".")[0] == "CPU":
        options["INFERENCE_PRECISION_HINT"] = "f32"  # the default is bfloat16 on some processors
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
    try:
        model = core.read_model(file, weights)
        metadata = model.get_rt_info(METADATA).astype(str) if model.has_rt_info(METADATA) else None
        inputs, outputs = ([_spec(port) for port in ports] for ports in (model.inputs, model.outputs))
        request = core.compile_model(model, device, options).create_infer_request()
    except (RuntimeError, UnicodeDecodeError) as error:  # all that OpenVINO raises; the second for damaged text
        raise cannot_open(file, "OpenVINO", openvino.__version__.partition("-")[0], error) from error

    def run(images: Any) -> Probabilities:
        request.infer([np.ascontiguousarray(images)])
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)  # a copy: the next call reuses the memory

    return as_backend(file, read_metadata(file, metadata), inputs, outputs, run, "OpenVINO")


def _spec(port: Any) -> TensorSpec:
    shape = tuple(side.get_length() if side.is_static else -1 for side in port.partial_shape)
    return TensorSpec(np.dtype(port.element_type.to_dtype()).name, shape)
