"""What ``export.py`` refuses."""

import math
from importlib.util import find_spec

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_seeds, resolve
from facemask.config.compose import Settings
from facemask.config.schemas import ExportConfig
from facemask.errors import ConfigError

CHOICES = {
    "format": ("onnx", "openvino", "exported_program"),
    "precision": ("fp32", "fp16", "int8"),
    "preprocessing": ("inside", "outside"),
}
NEEDED = {"onnx": ("onnxscript", "onnxruntime"), "openvino": ("onnxscript", "openvino"), "exported_program": ()}


def resolve_export(config: DictConfig) -> Settings:
    """Return the configuration of ``export.py``, with all that can be checked at once checked.

    Raises:
        ConfigError: a key is unknown, a value out of range, two contradict each other, or a package is missing.
    """
    settings = resolve(config, ExportConfig, "export.py")
    if not settings["run"]:
        raise ConfigError("name what to export: run=FOLDER, the folder that a run printed.")
    for key, choices in CHOICES.items():
        if settings[key] not in choices:
            raise ConfigError(f"{key}={settings[key]} is not one of {', '.join(choices)}.")
    if settings["format"] == "exported_program" and settings["precision"] == "int8":
        raise ConfigError("precision=int8 is for format=onnx and format=openvino; choose one of these, or fp16.")
    for package in NEEDED[settings["format"]]:
        if find_spec(package) is None:
            raise ConfigError(
                f"format={settings['format']} needs the package {package}; type: pip install -e '.[export]'"
            )
    check_seeds(settings)
    for key, low in {"draws": 100, "calibration": 1, "float_layers": 0}.items():
        if settings[key] is not None and settings[key] < low:
            raise ConfigError(f"{key}={settings[key]} is too small; it must be {low} or more.")
    if not (math.isfinite(settings["max_drop"]) and 0 <= settings["max_drop"] <= 1):
        raise ConfigError(f"max_drop={settings['max_drop']} is no share of the images; give 0 to 1, such as 0.005.")
    return settings
