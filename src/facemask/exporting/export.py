"""What ``export.py`` does: build the graph, write it aside, see that it says what the run says, put it in its place."""

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from rich import box
from rich.console import Console
from rich.table import Table

from facemask.config.compose import Settings
from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError, FaceMaskError, ModelError, first_line
from facemask.evaluation.cost import weights_size
from facemask.exporting.graph import Graph, to_onnx, to_program, write_openvino
from facemask.exporting.parity import Parity, check, compare
from facemask.exporting.quantisation import quantised
from facemask.files import as_typed, plain, write_atomically
from facemask.inference.backend import METADATA, write_metadata
from facemask.inference.predictor import Predictor
from facemask.models.predict import predict_probabilities
from facemask.runs.run_folder import RESULT
from facemask.runs.samples import Samples, own_samples
from facemask.runs.trained import TrainedModel, open_models
from facemask.seeding import CALIBRATION, derive_seed

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "exported_program": ".pt2"}


@dataclass(frozen=True)
class Exported:
    """A model file and what is known of it.

    Attributes:
        file: where it is.
        size: bytes, of an ``.xml`` with its ``.bin``.
        parity: with the run's model, on its validation images.
    """

    file: Path
    size: int
    parity: Parity


def export(settings: Settings) -> None:
    """Export as configured into Hydra's output folder.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the run or its data cannot be used, or the exported model is not worth writing.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    if (folder / RESULT).exists():
        raise ConfigError(f"{folder} is a run's own folder, which is only read; choose another: hydra.run.dir=FOLDER")
    (model,) = open_models({"run": [settings["run"]], "sweep_folder": None, "fold": settings["fold"]})
    samples = own_samples([model], "val", settings["store_dir"])
    exported = export_model(model, samples, settings, folder)
    _print(model, samples, settings, exported, Console())


def export_model(model: TrainedModel, samples: Samples, settings: Settings, folder: Path) -> Exported:
    """Write a model as configured, with what is known of it in a ``.json`` beside; not if it fails the check of parity.

    Args:
        model: the trained one.
        samples: its validation images.
        settings: ``format``, ``precision``, ``preprocessing``, ``float_layers``, ``calibration``, ``max_drop``,
            ``draws``, ``seed``.
        folder: where to.

    Raises:
        FaceMaskError: it cannot be exported like this, or lost too much.
    """
    images, labels = samples.images(model.record.store_size), samples.labels(model.class_names)
    before = predict_probabilities(model.model, model.record, images)
    name = f"{model.name}-{settings['precision']}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as aside:
        file = Path(aside, name + SUFFIXES[settings["format"]])
        chosen = f"format={settings['format']} and precision={settings['precision']}"
        with _quiet(), _in_words(f"{model.name} cannot be written with {chosen}", "try another of these"):
            _write(model, images, settings, file)
        after = Predictor.load(file).predict_squares(np.asarray(images))
        groups = samples.table["group"].tolist()
        parity = compare(labels, before, after, groups, settings["draws"], settings["seed"])
        check(parity, settings["precision"], settings["max_drop"])
        parts = sorted(Path(aside).iterdir())  # the .bin before its .xml
        size = sum(part.stat().st_size for part in parts)
        if len(parts) > 1:  # never the graph of one model beside the weights of another, not even if this is killed
            (folder / file.name).unlink(missing_ok=True)
        for part in parts:
            part.replace(folder / part.name)
    facts = {"run": str(model.folder), **_facts(model, settings), "bytes": size}
    facts |= {"parity": parity.to_dict(), "validated_on": samples.fingerprint}
    write_atomically(folder / f"{file.name}.json", json.dumps(plain(facts), indent=2) + "\n")
    return Exported(folder / file.name, size, parity)


def _write(model: TrainedModel, images: Pixels, settings: Settings, file: Path) -> None:
    """Write the file, or the two files, of a format."""
    is_half, is_inside = settings["precision"] == "fp16", settings["preprocessing"] == "inside"
    is_openvino = settings["format"] == "openvino"  # which keeps its weights in halves by itself
    words = write_metadata(model.record, _facts(model, settings))
    graph = Graph(model.model, model.record, is_inside, is_half and not is_openvino)
    advice = "its forward must take the same steps whatever the images and however many"
    tracing = partial(_in_words, f"{model.name} cannot be made a graph", advice)
    if settings["format"] == "exported_program":
        with tracing():
            program = to_program(graph)
        torch.export.save(program, file, extra_files={METADATA: words})
        return
    with tracing():
        onnx_model = to_onnx(graph)
    if settings["precision"] == "int8":
        chosen = calibration_images(images, settings["calibration"], settings["seed"])
        feed = np.asarray if is_inside else model.record.normalise_array
        onnx_model = quantised(onnx_model, chosen, feed, settings["float_layers"])
    if is_openvino:
        write_openvino(onnx_model, file, words, is_half)
    else:
        onnx_model.metadata_props.add(key=METADATA, value=words)
        file.write_bytes(onnx_model.SerializeToString())


def calibration_images(images: Pixels, most: int, seed: int) -> Pixels:
    """Return so many images, or all where there are fewer, drawn by the seed."""
    drawn = np.random.default_rng(derive_seed(CALIBRATION, seed)).permutation(len(images))[:most]
    return np.asarray(images[np.sort(drawn)])


def _facts(model: TrainedModel, settings: Settings) -> dict[str, Any]:
    keys = ["format", "precision", "preprocessing"] + (
        ["float_layers", "calibration"] if settings["precision"] == "int8" else []
    )
    return {
        "model": model.name,
        "trained_on": model.result["data"]["fingerprint"],
        "facemask": version("facemask"),
        **{key: settings[key] for key in keys},
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' notes to themselves: what is wrong with a file is told by the check of parity."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _in_words(what: str, advice: str) -> Iterator[None]:
    """Say in a sentence what torch, ONNX Runtime and OpenVINO fail at, each with errors of kinds of its own."""
    try:
        yield
    except (FaceMaskError, OSError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f"{what} ({first_line(error)}); {advice}.") from error


def _print(model: TrainedModel, samples: Samples, settings: Settings, exported: Exported, console: Console) -> None:
    """Print what the model was, what it has become, and how to use it."""
    parity = exported.parity
    about = f"{model.name} on {samples.data}, {samples.part}, n = {parity.n:,}"
    console.print(about, soft_wrap=True, highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("model", "accuracy", "MB"):
        table.add_column(column, justify="left" if column == "model" else "right")
    rows = (
        ("trained, fp32", parity.before, weights_size(model.model)),
        (f"{settings['format']}, {settings['precision']}", parity.after, exported.size),
    )
    for name, (value, low, high), size in rows:
        table.add_row(name, f"{value:.3f}\n{low:.3f}-{high:.3f}", f"{size / 1e6:.1f}")
    console.print(table)
    gain, low, high = (100 * value for value in parity.gain)
    notes = [
        f"{parity.changed} of {parity.n:,} labels changed; probabilities differ by {parity.mean:.2g} on average, "
        f"{parity.largest:.2g} at most.",
        f"Accuracy changed by {gain:+.2f} points (95 %: {low:+.2f} to {high:+.2f}); max_drop={settings['max_drop']:g} "
        f"allows a loss of {100 * settings['max_drop']:.2f}{', or of one image' if settings['max_drop'] else ''}.",
        f"Ranges: 95 %, bootstrap over the {parity.groups:,} groups, {settings['draws']:,} draws.",
    ]
    if settings["precision"] == "int8":
        n = min(settings["calibration"], parity.n)
        notes.append(f"It was calibrated on {n:,} of these same images; the test part was not touched.")
    file = as_typed(exported.file)
    notes.append(f'from facemask.inference.predictor import Predictor; Predictor.load("{file}").predict(crops)')
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)
