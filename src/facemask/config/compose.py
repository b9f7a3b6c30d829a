"""Composition of a command's configuration with Hydra."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from facemask.config.preparation_schemas import TASKS
from facemask.config.resolvers import direction, folder_name, monitor_mode, run_folder
from facemask.config.roots import base_name
from facemask.config.schemas import EvaluateConfig, ExportConfig, InferVideoConfig, TrainConfig

PACKAGE = Path(__file__).parents[1]
# conf/ is inside the package in a wheel, and in the repository root in a checkout.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"

# Config groups that hold settings of a run.
RUN_GROUPS = ("augment", "callbacks", "data", "logger", "model", "optim", "schedule", "trainer")


def register() -> None:
    """Register the schemas and resolvers; call it before Hydra composes."""
    store = ConfigStore.instance()
    schemas = {"train": TrainConfig, "evaluate": EvaluateConfig, "export": ExportConfig}
    schemas |= {"infer_video": InferVideoConfig, **TASKS}
    for name, schema in schemas.items():
        store.store(name=f"{name}_schema", node=schema)
    for resolver in (base_name, monitor_mode, direction, folder_name, run_folder):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)


def compose(command: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Compose the configuration of a command without starting a Hydra application.

    Args:
        command: ``train``, ``evaluate``, ``export``, ``infer_video`` or ``prepare_data``.
        overrides: Hydra overrides, such as ``model=cnn`` and ``lr=1e-3``.

    Returns:
        The composed configuration, neither resolved nor checked.
    """
    register()
    with _hydra():
        return hydra_compose(command, list(overrides))


def read_group(group: str, choice: str) -> dict[str, object]:
    """Return ``conf/GROUP/CHOICE.yaml``, merged with the files in its defaults list, as plain types."""
    with _hydra():
        config = hydra_compose(overrides=[f"+{group}={choice}"])
    node = OmegaConf.to_container(config[group], resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def read_defaults(file: Path) -> list[object]:
    """Return the defaults list of a configuration file as plain types; empty if it has none."""
    content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return list(content.get("defaults", [])) if isinstance(content, dict) else []


def group_defaults(file: Path) -> list[tuple[str, str]]:
    """Return the config groups of a defaults list with their default choices; of several choices, the first."""
    found = []
    for entry in read_defaults(file):
        for group, choice in entry.items() if isinstance(entry, dict) else []:
            words = str(group).split()
            if words[0] not in ("override", "optional"):
                first = choice[0] if isinstance(choice, list) else choice
                found.append((words[-1].strip("/"), "null" if first is None else str(first)))
    return found


@contextmanager
def _hydra() -> Iterator[None]:
    """Initialise Hydra with ``conf``, then restore its previous state: a Hydra application may be running."""
    singleton = GlobalHydra.instance()
    outer, singleton.hydra = singleton.hydra, None
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    finally:
        singleton.hydra = outer
