"""Checkpoints and exported programs, on torch."""

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from torch.export.passes import move_to_device_pass

from facemask.errors import ModelError
from facemask.inference.backend import METADATA, Backend, Port, Probabilities, as_backend, cannot_open, read_metadata
from facemask.models.checkpoint import load_model
from facemask.models.fusing import fuse_conv_bn
from facemask.models.predict import predict_probabilities


def open_checkpoint(
    path: Path, threads: int | None = None, device: str | None = None, fold: int | None = None
) -> Backend:
    """Open a checkpoint, or a run's best one; see :meth:`facemask.inference.predictor.Predictor.load`.

    Raises:
        FaceMaskError: it is damaged or no checkpoint of ours, or the folder holds no complete run.
    """
    if path.is_dir():
        from facemask.runs.run_folder import BEST
        from facemask.runs.trained import fold_folder

        path = fold_folder(path, fold) / BEST
    model, record = load_model(path)
    network = fuse_conv_bn(model).to(_prepared(threads, device))

    def run(squares: Any) -> Probabilities:
        return predict_probabilities(network, record, squares, batch_size=len(squares))

    return Backend(record, run)


def open_program(file: Path, threads: int | None = None, device: str | None = None) -> Backend:
    """Open an exported program; see :meth:`facemask.inference.predictor.Predictor.load`.

    Raises:
        ModelError: it is damaged or no model of ours.
    """
    words = {METADATA: ""}
    try:
        if not is_zipfile(file):  # torch would print pages before it says so
            raise ValueError("it is no archive, or the end of one is missing")
        program = torch.export.load(file, extra_files=words)
    except Exception as error:  # zip, json and torch raise a dozen kinds on foreign and cut-off files
        raise cannot_open(file, "torch", torch.__version__, error) from error
    record = read_metadata(file, words[METADATA])
    place = _prepared(threads, device)
    program = move_to_device_pass(program, place)
    module = program.module()
    inputs, outputs = _ports(program)

    def run(images: Any) -> Probabilities:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(np.array(images)).to(place)).cpu().numpy())

    return as_backend(file, record, inputs, outputs, run)


def _prepared(threads: int | None, device: str | None) -> torch.device:
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        return torch.zeros(1, device=device or "cpu").device
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was compiled for a device
        raise ModelError(f"torch has no device {device} here; leave it out for the CPU.") from error


def _ports(program: torch.export.ExportedProgram) -> tuple[list[Port], list[Port]]:
    """Return what a program takes and gives."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    names = program.graph_signature.user_inputs, program.graph_signature.user_outputs
    inputs, outputs = ([_port(values[str(name)]) for name in side] for side in names)
    return inputs, outputs


def _port(value: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else -1 for side in value.shape)
    return Port(str(value.dtype).removeprefix("torch."), shape)
