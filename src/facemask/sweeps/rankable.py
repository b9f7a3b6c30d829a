"""Check before a sweep trains that its runs can be ranked with those that its folder contains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from facemask.config.checks.training import check_ranking_scores
from facemask.config.keys import ALL_FOLDS, Values, flatten, format_setting
from facemask.config.roots import to_places
from facemask.errors import ConfigError
from facemask.sweeps.configurations import asked_folds, gather

# Keys that decide on which images a run is validated, and by which metric runs are ranked.
RANKING_KEYS = (
    *("monitor", "k", "split_seed", "data.root", "data.fraction", "data.test_fraction", "data.min_side"),
    *("data.groups", "data.test_source"),
)


def check_rankable(config: DictConfig, folder: Path) -> str | None:
    """Compare a sweep with the runs in its folder.

    Args:
        config: composed configuration of the sweep, with Hydra's node.
        folder: folder of the sweep; may be missing.

    Returns:
        A warning if the sweep itself varies a key whose values cannot be ranked together, else None.

    Raises:
        ConfigError: the runs could not be ranked together, or their scores are too high.
    """
    swept, values = swept_values(config), dict(flatten(_plain(config)))
    check_ranking_scores(True in swept.get("teacher_unseen", [values.get("teacher_unseen")]))
    found = [c for c in gather(folder) if c.config and c.folds] if folder.is_dir() else []
    knows_samples = all(fold.facts.samples for c in found for fold in c.folds.values())
    for key in [*RANKING_KEYS, *([] if knows_samples else ["data.store_size"])]:
        if {key, key.partition(".")[0], "experiment"} & swept.keys() or key not in values:
            continue
        others = {_comparable(c.values, key) for c in found} - {_comparable(values, key), None}  # None: unknown
        if others:
            raise ConfigError(
                f"{folder} contains runs with {format_setting(key, next(iter(others)))}, which cannot be ranked with "
                f"{format_setting(key, values[key])}; choose another folder: name=NAME"
            )
    folds, known = _folds(swept, values), asked_folds(found)
    if folds < known:
        raise ConfigError(
            f"{folder} contains runs of {len(known)} folds, but this command trains {len(folds)} of them, so its runs "
            "would not be ranked; add fold=all, or choose another folder: name=NAME"
        )
    unrankable = sorted({*RANKING_KEYS, "data"} & swept.keys())
    return (
        f"{unrankable[0]} is swept; runs with different values of it cannot be ranked together." if unrankable else None
    )


def _plain(config: DictConfig) -> dict[str, object]:
    """Return the settings that have a value, without Hydra's node."""
    content = {key: config[key] for key in map(str, config) if key != "hydra" and not OmegaConf.is_missing(config, key)}
    return {
        key: OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
        for key, node in content.items()
    }


def swept_values(config: DictConfig) -> dict[str, list[object]]:
    """Return the values of every swept key, and of ``fold``, from the command line and the configured sweep."""
    params = config.hydra.sweeper.get("params") or {}
    words = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    found: dict[str, list[object]] = {}
    for override in OverridesParser.create().parse_overrides([word for word in words if "tag(" not in word]):
        is_sweep = override.is_sweep_override() and override.is_discrete_sweep()
        found[override.key_or_group] = list(override.sweep_iterator()) if is_sweep else [override.value()]
    return {key: chosen for key, chosen in found.items() if len(chosen) > 1 or key == "fold"}


def _folds(swept: dict[str, list[object]], values: Values) -> frozenset[int]:
    """Return the folds that a sweep trains."""
    chosen: Sequence[object] = swept.get("fold") or [values["fold"]]
    k = int(str(values["k"]))
    return frozenset(fold for one in chosen for fold in (range(k) if str(one) == ALL_FOLDS else [int(str(one))]))


def _comparable(values: Values, key: str) -> object:
    value: Any = values.get(key)
    if value is None:
        return None
    return ", ".join(str(place.resolve()) for place in to_places(value)) if key == "data.root" else value
