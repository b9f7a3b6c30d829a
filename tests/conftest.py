"""Data sets, generated or real, and the commands as users run them."""

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from commands import Outcome, call_command, type_command
from facemask.config.checks.training import resolve_training
from facemask.config.compose import compose
from facemask.config.schemas import TrainConfig

if TYPE_CHECKING:
    from fits import Fit

PROJECT = Path(__file__).parent.parent
REAL_DATA = PROJECT.parent / "shared" / "data"

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per process: pytest -n runs one process per core
os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the network for anything
os.environ["WANDB_MODE"] = "disabled"
os.environ.setdefault("WANDB__SERVICE_WAIT", "300")  # seconds; a busy machine starts W&B's process slowly
os.environ.pop("HYDRA_FULL_ERROR", None)


# The same examples in every run; `pytest --hypothesis-profile=default` searches for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

Run = Callable[..., Outcome]


TRAINING = {"fit", "trained_folder"}  # fixtures that train a network


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they use."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if used & TRAINING:
            item.add_marker(pytest.mark.slow)
        if "real_data" in used:
            item.add_marker(pytest.mark.real_data)
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Exclude what imports have created from the garbage collections after each fold."""
    gc.freeze()


@pytest.fixture(scope="session")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where commands are typed, so that all processes share one demo set and one store."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "workdir"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def train(workdir: Path) -> Run:
    """Return a function that runs ``python train.py ...``; any other script in a process of its own."""

    def run(*words: str, script: str = "train.py", **environment: str) -> Outcome:
        command = call_command if script == "train.py" else type_command
        return command(PROJECT / script, words, workdir, environment)

    return run


def compose_config(*overrides: str) -> TrainConfig:
    """Compose and check a configuration of ``train.py``, as the command line would."""
    return resolve_training(compose("train", overrides))


def write_faces(root: Path, counts: dict[str, int], side: int = 12, seed: int = 0, is_hard: bool = False) -> Path:
    """Write ``counts[class]`` pictures a class, easy to tell apart by their colour; or with casts that mislead."""
    rng = np.random.default_rng(seed)
    for c, (label, count) in enumerate(sorted(counts.items())):
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = rng.integers(0, 120, (side, side, 3)).astype(np.uint8)
            pixels[..., c % 3] += 30 if is_hard else 110
            if is_hard:
                pixels += rng.integers(0, 60, 3).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    return root


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of two classes: 40 pictures of 12 pixels."""
    return write_faces(tmp_path_factory.mktemp("faces"), {"mask": 22, "no_mask": 18})


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real faces, where there is one."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real faces are not on this machine: ../shared/data")
    return REAL_DATA


@pytest.fixture
def fit(faces: Path, tmp_path: Path) -> "Fit":
    """Return a function that fits a tiny network on the small set; it returns the result and the run folder."""
    from facemask.runs.results import RunResult
    from facemask.training.fit import fit_folds
    from fits import configure  # which composes by this file's own means

    def run(*overrides: str, name: str = "run") -> tuple[RunResult, Path]:
        return fit_folds(configure(faces, tmp_path, *overrides), tmp_path / name), tmp_path / name

    return run
