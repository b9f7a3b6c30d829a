"""Every file in conf/ composes, passes the checks and trains a few batches."""

from pathlib import Path

import pytest

from conftest import PROJECT, compose_config
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.checks.video import resolve_video
from facemask.config.compose import compose, read_group
from facemask.config.preparation_schemas import TASKS
from facemask.config.targets import check_components, check_targets
from facemask.training.fit import fit_folds

CONF = PROJECT / "conf"
FILES = sorted((group.name, file.stem) for group in CONF.iterdir() if group.is_dir() for file in group.glob("*.yaml"))
CUSTOM = "custom"  # files whose _target_ the user sets
DETECTORS = [choice for group, choice in FILES if group == "detector" and choice != CUSTOM]
SINKS = [choice for group, choice in FILES if group == "sink" and choice != CUSTOM]
OTHER_GROUPS = ("task", "detector", "classes", "sink")  # config groups of other commands
CHOICES = [(group, choice) for group, choice in FILES if group not in OTHER_GROUPS]
CUSTOM_MODEL = ["model._target_=facemask.models.cnn.CNN"]
NEEDS = {"data=folder": ["data.root=somewhere"], "model=timm": ["model.name=resnet18"], "model=custom": CUSTOM_MODEL}
FOLDERS = ["photos=photos", "out=faces"]
ROOT = ["data.root=faces"]
TASK_NEEDS = {"explore": [], "crop": FOLDERS, "import": FOLDERS, "split": ROOT, "audit": ROOT}
PLUGINS = {"launcher=ray": "hydra_plugins.hydra_ray_launcher"}  # needs a separate environment


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=lambda value: str(value))
def test_every_training_choice_composes_and_passes_the_checks(group: str, choice: str) -> None:
    word = f"{group}={choice}"
    if plugin := PLUGINS.get(word):
        pytest.importorskip(plugin)
    check_components(compose_config(word, *NEEDS.get(word, [])))


@pytest.mark.parametrize("choice", DETECTORS)
def test_every_detector_composes_and_passes_the_checks(choice: str) -> None:
    check_targets({"detector": read_group("detector", choice)})


@pytest.mark.parametrize("choice", SINKS)
def test_every_sink_composes_and_passes_the_checks(choice: str) -> None:
    config = resolve_video(compose("infer_video", ["run=run", f"sink={choice}"]))
    assert set(config.sink) == {choice} - {"none"}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_composes_and_passes_the_checks(task: str) -> None:
    config = resolve_preparation(compose("prepare_data", [f"task={task}", *TASK_NEEDS[task]]))
    assert config.task == task


def test_every_documented_choice_has_a_configuration_file() -> None:
    named = {
        "data": {"demo", "folder", "sfmask10", "sfmask", "faces3"},
        "augment": {"none", "light", "keras", "strong"},
        "model": {
            "cnn",
            "timm",
            "custom",
            "mobilenetv2",
            "mobilenetv2_frozen",
            "mobilenetv3",
            "efficientnet",
            "efficientnet_b1",
            "efficientnet_b2",
        }
        | {"efficientnet_lite0", "resnet50"},
        "optim": {"adam", "adamw", "sgd"},
        "schedule": {"none", "plateau", "cosine", "onecycle"},
        "trainer": {"default", "smoke", "ddp"},
        "sweep": {"cv", "grid", "optuna"},
        "launcher": {"local", "joblib", "slurm", "ray"},
        "callbacks": {"default", "ema", "growing", "none"},
        "logger": {"csv", "tensorboard", "wandb", "mlflow"},
        "experiment": {"sfmask_study", "three_class_study", "ready_made", "leave_one_set_out", "augmentation"}
        | {"quick", "best_binary", "best_three"},
    }
    assert {choice for group, choice in FILES if group == "task"} == set(TASKS)
    assert {choice for group, choice in FILES if group == "classes"} == {"three", "binary"}
    assert set(DETECTORS) == {"centerface", "retinaface", "mtcnn", "haar"}
    assert set(SINKS) == {"window", "file", "web", "events", "none"}
    for group, choices in named.items():
        assert {choice for name, choice in CHOICES if name == group} == choices


SMOKE = [
    *[
        [f"model={c}", "model.pretrained=false"]
        for g, c in CHOICES
        if g == "model" and c not in ("cnn", "timm", "mobilenetv2_frozen", CUSTOM)
    ],
    *[[f"augment={c}", "model=cnn"] for g, c in CHOICES if g == "augment"],
    *[[f"optim={o}", f"schedule={s}", "model=cnn"] for o, s in (("sgd", "none"), ("adam", "cosine"))],
    ["schedule=plateau", "callbacks=none", "model=cnn", "monitor=val/loss"],
    ["callbacks=[default,ema,growing]", "callbacks.ema.decay=0.9", "callbacks.growing.scale=0.5"],
    ["model=timm", "model.name=resnet18", "model.pretrained=false", "model.head=mlp", "model.channels_last=false"],
    ["model=mobilenetv2_frozen", "augment.views=1"],
    ["model=custom", *CUSTOM_MODEL],
    ["trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1.0", "model=cnn"],
    ["data.balance=oversample", "model.label_smoothing=0.1", "model.flip_tta=true", "model=cnn"],
]


@pytest.mark.slow
@pytest.mark.parametrize("overrides", SMOKE, ids=" ".join)
def test_configuration_trains_a_few_batches(overrides: list[str], workdir: Path, tmp_path: Path) -> None:
    data = [f"data.root={workdir}/demo", f"data.store_dir={workdir}/store", "data.num_workers=0"]
    config = compose_config("trainer=smoke", *data, *overrides)
    check_components(config)
    result = fit_folds(config, tmp_path / "run")
    assert result.is_complete
    assert result.epochs == 1
    accuracy = result.metrics["val"]["accuracy"].mean
    assert accuracy is not None
    assert 0 <= accuracy <= 1
    assert (tmp_path / "run/fold-0/best.ckpt").is_file()
