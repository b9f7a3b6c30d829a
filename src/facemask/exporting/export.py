"""Export a trained model: write a temporary file, compare it with the trained model, then move it."""

import errno
import io
import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path

import numpy as np

from facemask.config.checks.export import import_format
from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import ExportConfig
from facemask.errors import ConfigError, FaceMaskError, ModelError, first_line
from facemask.exporting.averaging import average_folds
from facemask.exporting.exported import Exported, ModelFacts
from facemask.exporting.formats.format import ExportFormat
from facemask.exporting.job import ExportJob
from facemask.exporting.parity import Parity, check, compare
from facemask.files import named, to_jsonable, write_atomically
from facemask.inference.backend import write_metadata
from facemask.inference.predictor import Predictor
from facemask.models.predict import predict_probabilities
from facemask.models.size import weights_size
from facemask.runs.run_folder import RESULT
from facemask.runs.samples import Samples, own_samples
from facemask.runs.trained import TrainedModel, open_models

SCRIPT = "predict.py"
ASIDE = ".export-"  # prefix of temporary folders
ABANDONED = 24 * 3600  # seconds after which a temporary folder is a killed export's
SPARE = 1_000_000  # bytes of a file besides its weights, at most


def export(config: ExportConfig, folder: Path) -> Exported:
    """Export the model of a run or checkpoint.

    Args:
        config: as :func:`facemask.config.checks.export.resolve_export` returns it.
        folder: output folder; created if missing.

    Raises:
        FaceMaskError: the run or its data cannot be used, or the exported model failed the parity check.
    """
    if (folder / RESULT).exists():
        raise ConfigError(f"{folder} is a run folder, which must not be changed; choose another: hydra.run.dir=FOLDER")
    models = open_models([config.run or ""], ALL_FOLDS if config.average else config.fold)
    needs_images = config.max_drop is not None or config.precision == "int8" or config.average
    samples = own_samples(models[:1], "val", config.store_dir) if needs_images else None
    model = average_folds(models, samples) if config.average and samples else models[0]
    folder.mkdir(parents=True, exist_ok=True)
    return export_model(model, samples, config, folder)


def export_model(model: TrainedModel, samples: Samples | None, config: ExportConfig, folder: Path) -> Exported:
    """Write a model file, a ``.json`` with its facts, and the format's ``predict.py`` if it has one.

    Nothing is written if the file fails the parity check.

    Args:
        model: the trained model.
        samples: its validation images; may be None for ``max_drop=null`` unless ``precision=int8``.
        config: settings of the export; ``run``, ``fold`` and ``store_dir`` are ignored.
        folder: output folder.

    Raises:
        FaceMaskError: the model cannot be exported like this, or failed the parity check.
    """
    file_format: ExportFormat = import_format(config.format)()
    _check_script(file_format, folder)
    facts = _facts(model, config)
    metadata = write_metadata(model.preprocessing, facts.to_dict())
    size = model.preprocessing.store_size
    images = samples.images(size) if samples else np.empty((0, size, size, 3), np.uint8)
    job = ExportJob(model.model, model.preprocessing, config, metadata, images)
    _remove_abandoned(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=ASIDE) as aside:
        averaged = "-averaged" if config.average else ""
        file = Path(aside, f"{model.name}{averaged}-{config.precision}{file_format.suffix}")
        with named(folder), _explain(model, config, folder), _quiet():
            file_format.write(job, file)
        parity = None
        if samples and config.max_drop is not None:
            with _explain(model, config, folder):
                parity = _compare(model, samples, job, file_format, file)
            check(parity, config.precision, config.max_drop)
        parts = sorted(Path(aside).iterdir())  # an OpenVINO .bin before its .xml
        n_bytes = sum(part.stat().st_size for part in parts)
        if len(parts) > 1:  # so that a killed export never leaves new weights beside an old graph
            (folder / file.name).unlink(missing_ok=True)
        for part in parts:
            part.replace(folder / part.name)
    if file_format.script:
        write_atomically(folder / SCRIPT, file_format.script.read_text(encoding="utf-8"))
    known = {
        "run": str(model.folder.parent if config.average else model.checkpoint),
        **facts.to_dict(),
        "bytes": n_bytes,
    }
    known |= {
        "parity": parity and parity.to_dict(),
        "validated_on": samples.fingerprint if parity and samples else None,
    }
    write_atomically(folder / f"{file.name}.json", json.dumps(to_jsonable(known), indent=2) + "\n")
    about = f"{samples.data}, {samples.part}" if samples else ""
    return Exported(folder / file.name, n_bytes, parity, facts, weights_size(model.model), about, config)


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary folders of killed exports, but not those of exports that may be running."""
    for aside in folder.glob(f"{ASIDE}*"):
        if time.time() - aside.stat().st_mtime > ABANDONED:
            shutil.rmtree(aside, ignore_errors=True)


def _check_script(file_format: ExportFormat, folder: Path) -> None:
    """Raise if the folder has a ``predict.py`` of another program."""
    if file_format.script and (folder / SCRIPT).exists():
        first, ours = (
            path.read_text(encoding="utf-8").partition("\n")[0] for path in (folder / SCRIPT, file_format.script)
        )
        if first != ours:
            raise ConfigError(f"{folder / SCRIPT} is another program; choose another folder: hydra.run.dir=FOLDER")


def _facts(model: TrainedModel, config: ExportConfig) -> ModelFacts:
    is_int8 = config.precision == "int8"
    return ModelFacts(
        model=model.name,
        trained_on=model.result.data.fingerprint if model.result.data else None,
        facemask=version("facemask"),
        format=config.format,
        precision=config.precision,
        preprocessing=config.preprocessing,
        float_layers=config.float_layers if is_int8 else None,
        calibration=config.calibration if is_int8 else None,
        averaged=config.average,
        caveat=model.preprocessing.caveat,
    )


def _compare(model: TrainedModel, samples: Samples, job: ExportJob, file_format: ExportFormat, file: Path) -> Parity:
    """Compare a written file with the trained model on its validation images."""
    backend = file_format.open(file)
    if backend is None:
        raise ConfigError(
            f"format={job.config.format} cannot be read back for the parity check; add max_drop=null "
            "to write it unchecked."
        )
    before = predict_probabilities(job.model, job.preprocessing, job.images)
    after = Predictor(backend).predict_squares(np.asarray(job.images))
    labels, groups = samples.labels(model.class_names), samples.table["group"].tolist()
    return compare(labels, before, after, groups, job.config.n_bootstraps, job.config.seed)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the libraries; the parity check detects faulty files."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _explain(model: TrainedModel, config: ExportConfig, folder: Path) -> Iterator[None]:
    """Raise one error for the many types of torch, ONNX Runtime, OpenVINO and custom formats."""
    try:
        yield
    except (FaceMaskError, OSError, MemoryError):
        raise
    except Exception as error:
        if shutil.disk_usage(folder).free < weights_size(model.model) + SPARE:  # OpenVINO raises a RuntimeError
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        chosen = f"format={config.format} and precision={config.precision}"
        raise ModelError(
            f"{model.name} cannot be exported with {chosen} ({first_line(error)}); try another format or precision."
        ) from error
