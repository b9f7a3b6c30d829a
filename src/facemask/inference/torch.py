"""Checkpoints and exported programs on torch."""

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from torch.export.passes import move_to_device_pass

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
from facemask.inference.program_check import check_program
from facemask.models.checkpoint import load_model
from facemask.models.fusing import fuse_conv_bn
from facemask.models.predict import predict_probabilities


def open_checkpoint(
    path: Path, threads: int | None = None, device: str | None = None, fold: int | None = None
) -> Backend:
    """Open a checkpoint, or the best one of a run; see :meth:`facemask.inference.predictor.Predictor.load`.

    Raises:
        FaceMaskError: the file is damaged or not written by this project, or the folder has no complete fold.
    """
    if path.is_dir():
        from facemask.runs.run_folder import BEST
        from facemask.runs.trained import fold_folder

        path = fold_folder(path, fold) / BEST
    model, preprocessing = load_model(path)
    network = fuse_conv_bn(model).to(_prepare(threads, device))

    def run(squares: Any) -> Probabilities:
        return predict_probabilities(network, preprocessing, squares, batch_size=len(squares))

    return Backend(preprocessing, run, "torch")


def open_program(file: Path, threads: int | None = None, device: str | None = None) -> Backend:
    """Open an exported program; see :meth:`facemask.inference.predictor.Predictor.load`.

    Raises:
        ModelError: the file is damaged or not written by this project.
    """
    extra_files = {METADATA: ""}
    try:
        if not is_zipfile(file):  # torch would print long warnings before it raises
            raise ValueError("it is not a zip archive, or is truncated")
        check_program(file)
        program = torch.export.load(file, extra_files=extra_files)
    except Exception as error:  # zipfile, json and torch raise many types for foreign and truncated files
        raise cannot_open(file, "torch", torch.__version__, error) from error
    preprocessing = read_metadata(file, extra_files[METADATA])
    target = _prepare(threads, device)
    program = move_to_device_pass(program, target)
    module = program.module()
    inputs, outputs = _specs(program)

    def run(images: Any) -> Probabilities:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(np.array(images)).to(target)).cpu().numpy())

    return as_backend(file, preprocessing, inputs, outputs, run, "torch")


def _prepare(threads: int | None, device: str | None) -> torch.device:
    """Set the number of threads, and return the device."""
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return torch.zeros(1, device=device or "cpu").device
    except (RuntimeError, AssertionError) as error:  # torch raises AssertionError if it was compiled without the device
        raise ModelError(f"torch has no device {device} here; leave it out to use the CPU.") from error


def _specs(program: torch.export.ExportedProgram) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Return the inputs and the outputs of a program."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    names = program.graph_signature.user_inputs, program.graph_signature.user_outputs
    inputs, outputs = ([_spec(values[str(name)]) for name in side] for side in names)
    return inputs, outputs


def _spec(value: Any) -> TensorSpec:
    shape = tuple(side if isinstance(side, int) else -1 for side in value.shape)
    return TensorSpec(str(value.dtype).removeprefix("torch."), shape)
