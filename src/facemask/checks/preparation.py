"""What ``prepare_data.py`` refuses."""

from omegaconf import DictConfig

from facemask.checks.configuration import check_seeds, resolve
from facemask.checks.targets import check_targets
from facemask.config import Settings
from facemask.errors import ConfigError
from facemask.schemas import PrepareConfig

TASKS = ("explore",)  # what prepare_data.py can do


def resolve_preparation(config: DictConfig) -> Settings:
    """Return the configuration of ``prepare_data.py``, checked likewise.

    Raises:
        ConfigError: as above.
    """
    settings = resolve(config, PrepareConfig, "prepare_data.py")
    if settings["task"] not in TASKS:
        raise ConfigError(f"task={settings['task']} is not one of {', '.join(TASKS)}.")
    check_seeds(settings)
    check_targets({key: settings[key] for key in ("data", "augment")})
    return settings
