"""ONNX files on ONNX Runtime, with any of its execution providers and without torch."""

from collections.abc import Sequence
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
    read_facts,
    read_metadata,
)
from facemask.onnxruntime_options import session_options

DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}
CPU = "CPUExecutionProvider"
Provider = str | tuple[str, dict[str, Any]]


def open_onnx(
    file: Path,
    threads: int | None = None,
    providers: str | Sequence[Provider] | None = None,
    made_from: str | None = None,
) -> Backend:
    """Open an ONNX file; see :meth:`facemask.inference.predictor.Predictor.load`.

    Args:
        file: the file.
        threads: as there.
        providers: as there.
        made_from: SHA-256 of the checkpoint that it must have been made from; None for any.

    Raises:
        ModelError: the file is damaged, not written by this project or made from another checkpoint, or ONNX Runtime or
            a provider is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(f"{file} needs ONNX Runtime; type: pip install onnxruntime") from error
    chosen = [CPU] if providers is None else [providers] if isinstance(providers, str) else list(providers)
    _check_providers(chosen, onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(str(file), session_options(threads), chosen)
        metadata = session.get_modelmeta().custom_metadata_map.get(METADATA)  # damaged text raises here and below
        inputs, outputs = _specs(session.get_inputs()), _specs(session.get_outputs())
        name = session.get_inputs()[0].name if inputs else ""
    except Exception as error:  # ONNX Runtime's exception types are not public
        raise cannot_open(file, "ONNX Runtime", onnxruntime.__version__, error) from error
    # ONNX Runtime silently drops providers whose libraries are missing.
    _check_providers(chosen, session.get_providers())

    def run(images: Any) -> Probabilities:
        probabilities = session.run(None, {name: np.ascontiguousarray(images)})[0]
        return np.asarray(probabilities, dtype=np.float32)

    preprocessing, facts = read_metadata(file, metadata), read_facts(metadata)
    if made_from is not None and facts.get("checkpoint") != made_from:
        raise ModelError(f"{file} was made from another checkpoint.")
    return as_backend(file, preprocessing, inputs, outputs, run, "ONNX Runtime")


def _check_providers(chosen: Sequence[Provider], available: Sequence[str]) -> None:
    for provider in chosen:
        name = provider if isinstance(provider, str) else provider[0]
        if name not in available:
            raise ModelError(
                f"ONNX Runtime has no {name} here; it has {', '.join(available)}. Install a build with it, such as "
                "onnxruntime-gpu, or choose another: providers=[...]."
            )


def _specs(values: Sequence[Any]) -> list[TensorSpec]:
    shapes = [tuple(side if isinstance(side, int) else -1 for side in value.shape) for value in values]
    return [TensorSpec(DTYPES.get(v.type, v.type), shape) for v, shape in zip(values, shapes, strict=True)]
