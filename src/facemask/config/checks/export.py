"""Checks of the configuration of ``export.py``, and the table of its formats."""

import inspect
import math
from importlib.util import find_spec
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig

from facemask.config.checks.configuration import check_seeds, resolve_typed
from facemask.config.schemas import ExportConfig
from facemask.errors import ConfigError, first_line

FORMATS = {  # subclasses of facemask.exporting.formats.format.ExportFormat
    "onnx": "facemask.exporting.formats.onnx.Onnx",
    "openvino": "facemask.exporting.formats.openvino.OpenVINO",
    "exported_program": "facemask.exporting.formats.exported_program.ExportedProgram",
}
CHOICES = {"precision": ("fp32", "fp16", "int8"), "preprocessing": ("inside", "outside")}
NEEDED = ("suffix", "precisions", "packages", "write", "open")  # attributes of a format


def resolve_export(config: DictConfig) -> ExportConfig:
    """Return the configuration of ``export.py``, checked as far as it can be without torch.

    Raises:
        ConfigError: a key is unknown, a value is out of range, two values contradict each other, or a package is
            missing.
    """
    typed = resolve_typed(config, ExportConfig, "export.py")
    if not typed.run:
        raise ConfigError("name what to export: run=FOLDER, the folder that a run printed.")
    for key, choices in CHOICES.items():
        if getattr(typed, key) not in choices:
            raise ConfigError(f"{key}={getattr(typed, key)} is not one of {', '.join(choices)}.")
    _check_format(typed)
    check_seeds(typed)
    for key, least in {"n_bootstraps": 100, "calibration": 1, "float_layers": 0}.items():
        value = getattr(typed, key)
        if value is not None and value < least:
            raise ConfigError(f"{key}={value} is too small; it must be {least} or more.")
    if typed.max_drop is not None and not (math.isfinite(typed.max_drop) and 0 <= typed.max_drop <= 1):
        raise ConfigError(f"max_drop must be between 0 and 1, such as 0.005, got {typed.max_drop}.")
    return typed


def import_format(name: str) -> Any:
    """Return the class of a format.

    Args:
        name: a key of :data:`FORMATS`, or the dotted path of a class.

    Raises:
        ConfigError: it cannot be imported, or is not a format.
    """
    if name not in FORMATS and "." not in name:
        raise ConfigError(
            f"format={name} is not one of {', '.join(FORMATS)}. Name a format of your own by its class: "
            "format=my_module.MyFormat"
        )
    try:
        found = get_object(FORMATS.get(name, name))
    except Exception as error:  # importing a user's module may raise anything
        raise ConfigError(f"format={name} cannot be imported: {first_line(error.__cause__ or error)}.") from error
    lacking = [attribute for attribute in NEEDED if not hasattr(found, attribute)]
    if not inspect.isclass(found) or lacking or inspect.isabstract(found):
        raise ConfigError(
            f"format={name} is not an export format; derive the class from "
            "facemask.exporting.formats.format.ExportFormat, and give it a suffix and a method write."
        )
    return found


def _check_format(config: ExportConfig) -> None:
    chosen = import_format(config.format)
    if config.precision not in chosen.precisions:
        others = [name for name in FORMATS if config.precision in import_format(name).precisions]
        raise ConfigError(
            f"precision={config.precision} is for {' and '.join(f'format={name}' for name in others)}; "
            f"format={config.format} takes {' or '.join(chosen.precisions)}."
        )
    for package, requirement in chosen.packages.items():
        if find_spec(package) is None:
            raise ConfigError(f"format={config.format} needs the package {package}; type: pip install {requirement}")
