"""What ``train.py`` does: check, fit, show."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from rich.console import Console

from facemask.config import Settings, check_targets
from facemask.errors import ConfigError
from facemask.runs.record import read_settings
from facemask.runs.tables import print_result
from facemask.training.fit import fit_folds


def train(settings: Settings) -> float:
    """Train as configured into Hydra's output folder; return the mean of the folds' best monitored scores.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the configuration or the data cannot be used.
    """
    console = Console()
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if settings["resume"] is not None:
        others = [word for word in hydra.overrides.task if not word.startswith("resume=")]
        if others:
            raise ConfigError(
                f"resume={settings['resume']} goes on with that run's configuration; leave out {others[0]}."
            )
        settings = read_settings(folder)
    check_targets(settings)
    try:
        result = fit_folds(settings, folder)
    except (KeyboardInterrupt, SystemExit):
        console.print(f"\ninterrupted; go on with: python train.py resume={_shown(folder)}", soft_wrap=True)
        raise KeyboardInterrupt from None
    print_result(result, _shown(folder), console)
    return float(result["score"])


def _shown(folder: Path) -> Path:
    """Return a path as a user would type it from here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
