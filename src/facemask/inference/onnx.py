"""ONNX files, on ONNX Runtime: any of its execution providers, and no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facemask.errors import ModelError
from facemask.inference.backend import METADATA, Backend, Port, Probabilities, as_backend, cannot_open, read_metadata

DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}
CPU = "CPUExecutionProvider"
Provider = str | tuple[str, dict[str, Any]]


def open_onnx(file: Path, threads: int | None = None, providers: str | Sequence[Provider] | None = None) -> Backend:
    """Open an ONNX file; see :meth:`facemask.inference.predictor.Predictor.load`.

    Raises:
        ModelError: it is damaged or no model of ours, or ONNX Runtime or a provider is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(f"{file} needs ONNX Runtime; type: pip install onnxruntime") from error
    wanted = [CPU] if providers is None else [providers] if isinstance(providers, str) else list(providers)
    _check_providers(wanted, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        session = onnxruntime.InferenceSession(str(file), options, wanted)
    except Exception as error:  # ONNX Runtime's own kinds, none of them public
        raise cannot_open(file, "ONNX Runtime", onnxruntime.__version__, error) from error
    _check_providers(wanted, session.get_providers())  # one that is built in may still lack its own libraries
    record = read_metadata(file, session.get_modelmeta().custom_metadata_map.get(METADATA))
    name = session.get_inputs()[0].name if session.get_inputs() else ""

    def run(images: Any) -> Probabilities:
        probabilities = session.run(None, {name: np.ascontiguousarray(images)})[0]
        return np.asarray(probabilities, dtype=np.float32)

    return as_backend(file, record, _ports(session.get_inputs()), _ports(session.get_outputs()), run)


def _check_providers(wanted: Sequence[Provider], there: Sequence[str]) -> None:
    for provider in wanted:
        name = provider if isinstance(provider, str) else provider[0]
        if name not in there:
            raise ModelError(
                f"ONNX Runtime has no {name} here; it has {', '.join(there)}. Install a build that has it, such as "
                "onnxruntime-gpu, or name another: providers=[...]."
            )


def _ports(values: Sequence[Any]) -> list[Port]:
    sides = [tuple(side if isinstance(side, int) else -1 for side in value.shape) for value in values]
    return [Port(DTYPES.get(value.type, value.type), shape) for value, shape in zip(values, sides, strict=True)]
