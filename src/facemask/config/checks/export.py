"""Checks of the configuration of ``export.py``, and the table of export formats."""

import inspect
import math
from importlib.util import find_spec
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig

from facemask.config.checks.configuration import check_n_bootstraps, check_seeds, resolve_typed
from facemask.config.schemas import ExportConfig
from facemask.errors import ConfigError, first_line

FORMATS = {  # subclasses of facemask.exporting.formats.format.ExportFormat
    "onnx": "facemask.exporting.formats.onnx.Onnx",
    "openvino": "facemask.exporting.formats.openvino.OpenVINO",
    "exported_program": "facemask.exporting.formats.exported_program.ExportedProgram",
}
CHOICES = {"precision": ("fp32", "fp16", "int8"), "preprocessing": ("inside", "outside")}
REQUIRED_ATTRIBUTES = ("suffix", "precisions", "packages", "write", "open")  # of an export format


def resolve_export(config: DictConfig) -> ExportConfig:
    """Check the configuration of ``export.py`` without importing torch.

    Args:
        config: composed configuration.

    Returns:
        The typed configuration.

    Raises:
        ConfigError: a key is unknown, a value is out of range, two values conflict, or a package is missing.
    """
    typed = resolve_typed(config, ExportConfig, "export.py")
    if not typed.run:
        raise ConfigError("run has no value; give it the run folder to export: run=FOLDER, as train.py printed it.")
    for key, choices in CHOICES.items():
        if getattr(typed, key) not in choices:
            raise ConfigError(f"{key} must be one of {', '.join(choices)}, got {getattr(typed, key)}.")
    if typed.average and typed.fold is not None:
        raise ConfigError(f"average=true exports the mean of all folds; remove fold={typed.fold}.")
    _check_format(typed)
    check_seeds(typed)
    check_n_bootstraps(typed.n_bootstraps)
    for key, least in {"calibration": 1, "float_layers": 0}.items():
        value = getattr(typed, key)
        if value is not None and value < least:
            raise ConfigError(f"{key} must be at least {least}, got {value}.")
    if typed.max_drop is not None and not (math.isfinite(typed.max_drop) and 0 <= typed.max_drop <= 1):
        raise ConfigError(f"max_drop must be between 0 and 1, such as 0.005, got {typed.max_drop}.")
    return typed


def import_format(name: str) -> Any:
    """Import the class of an export format.

    Args:
        name: key of :data:`FORMATS`, or dotted path of a class.

    Returns:
        A subclass of :class:`facemask.exporting.formats.format.ExportFormat`.

    Raises:
        ConfigError: the class cannot be imported, or is not an export format.
    """
    if name not in FORMATS and "." not in name:
        raise ConfigError(
            f"format must be one of {', '.join(FORMATS)}, or the dotted path of a class (format=my_module.MyFormat), "
            f"got {name}."
        )
    try:
        found = get_object(FORMATS.get(name, name))
    except Exception as error:  # importing a user's module may raise anything
        raise ConfigError(f"format={name} cannot be imported: {first_line(error.__cause__ or error)}.") from error
    lacking = [attribute for attribute in REQUIRED_ATTRIBUTES if not hasattr(found, attribute)]
    if not inspect.isclass(found) or lacking or inspect.isabstract(found):
        raise ConfigError(
            f"format={name} is not an export format; derive the class from "
            "facemask.exporting.formats.format.ExportFormat, and define its suffix and its method write."
        )
    return found


def _check_format(config: ExportConfig) -> None:
    chosen = import_format(config.format)
    if config.precision not in chosen.precisions:
        others = [name for name in FORMATS if config.precision in import_format(name).precisions]
        raise ConfigError(
            f"format={config.format} supports precision={' or '.join(chosen.precisions)}, got {config.precision}; "
            f"precision={config.precision} is supported by {' and '.join(f'format={name}' for name in others)}."
        )
    for package, requirement in chosen.packages.items():
        if find_spec(package) is None:
            raise ConfigError(f"format={config.format} needs the package {package}; type: pip install {requirement}")
