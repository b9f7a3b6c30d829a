"""Invalid configurations raise before any work starts; equal experiments get equal folder names."""

import pytest
import torch

from conftest import compose_config
from facemask.config.component import Component
from facemask.config.resolvers import folder_name, monitor_mode
from facemask.config.targets import check_components
from facemask.errors import ConfigError, did_you_mean
from facemask.training.parts import dry_run


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["+unknown=1"], "unknown is not a key of train.py"),
        (["+dat=1"], "did you mean data"),
        (["~lr"], "lr has no value; give it one: lr="),
        (["data=folder"], "data.root has no value"),
        (
            ["data=folder", "data.root=[]"],
            "data.root must be a folder, an archive or a table, .*",
        ),
        (["model=timm"], "model.name has no value"),
        (["bs=0"], "bs must be at least 1, got 0"),
        (["k=1"], "k must be at least 2, got 1"),
        (["seed=-1"], r"seed must be at least 0 and less than 2\*\*32, got -1."),
        (["split_seed=4294967296"], r"split_seed must be at least 0 and less than 2\*\*32, got 4294967296"),
        (["lr=0"], "lr must be a positive number, got 0.0"),
        (["lr=nan"], "lr must be a positive number, got nan"),
        (["fold=7"], r"fold must be between 0 and 4 \(k=5\), or 'all', got 7"),
        (["fold=-1"], "fold must be between 0 and 4 .*, got -1"),
        (["fold=every"], "fold must be between 0 and 4 .*, or 'all', got every"),
        (["+data.rot=x"], "data.rot is not an argument of .*FaceDataModule; did you mean root"),
        (["+model.dropuot=0.1"], "model.dropuot is not an argument of .*MaskClassifier; did you mean dropout"),
        (["data.fraction=1.5"], "data.fraction must be less than or equal to 1, got 1.5"),
        (["data.fraction=half"], "data.fraction must be a valid number, .*, got half"),
        (["data.balance=equal"], "data.balance must be 'none', 'undersample', .*, got equal"),
        (["model.dropout=1"], "model.dropout must be less than 1, got 1"),
        (["model.input_size=4"], "model.input_size must be greater than or equal to 8, got 4"),
        (["model=cnn", "model.channels=[8,0]"], r"model.channels must be greater than .*, got \[8, 0\]"),
        (["trainer.max_epochs=many"], "trainer.max_epochs must be a valid integer, .*, got many"),
        (["trainer.compile=3"], "trainer.compile must be a valid boolean, .*, got 3"),
        (["+trainer.epochs=3"], "trainer.epochs is not an argument of lightning.pytorch.Trainer"),
        (["optim.weight_decay=much"], "optim.weight_decay must be a valid number, .*, got much"),
        (["augment.mixup=-1"], "augment.mixup must be greater than or equal to 0, got -1"),
        (["augment.steps.flip._target_=albumentations.Flop"], "albumentations.Flop cannot be imported"),
        (["schedule.pct_start=2"], "schedule.pct_start must be less than .*, got 2"),
        (["teacher_unseen=true"], "teacher_unseen=true needs a teacher; add teacher=, a run of all folds"),
        (["halving=true", "race_folds=-1"], "race_folds must be at least 0, got -1"),
        (["race_folds=0"], "race_folds must be at least 1, got 0"),
        (["model.freeze=backbone", "augment.mixup=0.2"], "augment.mixup=0.2 blends images"),
        (["model.freeze=backbone", "model.flip_tta=true"], "model.flip_tta=true mirrors images"),
        (["model.freeze=backbone", "augment.cutmix=1"], "augment.cutmix=1 blends images"),
        (
            ["model.freeze=backbone", "model.pretrained=false"],
            "without pretrained weights would freeze randomly initialised layers",
        ),
        (["+model.freeze=backbone", "model=cnn"], "model.freeze=backbone without pretrained weights"),
        (["trainer.devices=2"], "trainer.devices=2 needs several processes; type trainer=ddp"),
        (
            ["trainer.precision=bf16-true"],
            "trainer.precision must be one of 32-true, bf16-mixed, 16-mixed, got bf16-true",
        ),
        (["trainer.limit_val_batches=0"], "trainer.limit_val_batches must be greater than 0, got 0"),
        (["trainer.max_epochs=0"], "trainer.max_epochs must be greater than 0, got 0"),
        (
            ["augment.without=rotation"],
            r"augment.without must be a list, got rotation; type augment.without=\[rotation\]",
        ),
        (["+trainer.logger=false"], "trainer.logger is set by facemask; remove it"),
        (["+trainer.fast_dev_run=true"], "for a quick test, type trainer=smoke"),
    ],
)
def test_invalid_configuration_raises_one_sentence(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        check_components(compose_config(*overrides))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=0"],
        ["fold=all"],
        ["fold=4"],
        ["augment.mixup=0.2"],
        ["model.freeze=backbone"],
        ["model.freeze=backbone", "augment.views=0", "model.flip_tta=true"],
        ["model.freeze='until=blocks.2'", "augment.mixup=0.2"],
        ["schedule=none"],
        ["model.pretrained=/some/file.pth"],
        ["monitor=val/loss"],
        ["trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1.0"],
    ],
)
def test_valid_configuration_passes_the_checks(overrides: list[str]) -> None:
    check_components(compose_config(*overrides))


def test_build_reports_arguments_that_a_constructor_rejects() -> None:
    sgd = Component("torch.optim.SGD", {"lr": -1.0})
    with pytest.raises(
        ConfigError, match=r"torch.optim.SGD does not accept its arguments: Invalid learning rate: -1.0\."
    ):
        sgd.build(params=[torch.zeros(1)])


def test_build_reports_arguments_that_a_library_rejects() -> None:
    with pytest.raises(ConfigError, match="does not accept its arguments"):
        compose_config("augment.steps.flip.p=often").augment.build()


def test_losses_and_errors_are_minimised_and_other_metrics_maximised() -> None:
    assert monitor_mode("val/loss") == monitor_mode("val/error") == "min"
    assert monitor_mode("val/auroc") == monitor_mode("val/recall_mask") == "max"


def test_job_folder_name_depends_on_values_not_on_spelling_or_order() -> None:
    assert folder_name(["lr=1e-2", "bs=16"]) == folder_name(["bs=16", "lr=0.01"]) == "bs=16,lr=0.01"
    assert folder_name(["model=cnn", "name=x"]) == "default"
    assert folder_name(["data.root='/a b/ü'", "lr=1e-4"]).startswith("data.root=-a-b--,lr=0.0001-")


def test_different_jobs_get_different_folder_names() -> None:
    long = [f"key{i}=1" for i in range(99)]
    jobs = [["data.root=/a/b"], ["data.root=/a-b"], ["lr=0.12345678"], ["lr=0.12345679"], [*long, "seed=0"], long]
    names = [folder_name(job) for job in jobs]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < 200


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model=cnn", "model.input_size=8"], "the model fails with bs=32 and 8 pixels: .* use a larger"),
        (["model.pretrained=false", "bs=1", "model.input_size=32"], "with bs=1 and 32 pixels: Expected more than 1"),
        (["model.pretrained=false", "model.freeze=none", "augment.without=[rotate]"], "augment.without names 'rotate'"),
        (["model.pretrained=false", "monitor=val/auc"], "monitor=val/auc is not a validation metric; did you mean"),
        (["model=timm", "model.name=mobilenetv9"], "model.name=mobilenetv9 is not a timm network"),
    ],
)
def test_dry_run_reports_errors_before_any_data_are_read(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        dry_run(compose_config(*overrides))


def test_dry_run_rejects_a_model_that_does_not_return_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask.models.classifier.MaskClassifier.forward", lambda self, images: images.mean((2, 3)))
    with pytest.raises(
        ConfigError, match=r"must return logits of shape \(2, 2\) for 2 images and 2 classes, got \(2, 3\)"
    ):
        dry_run(compose_config("model=cnn"))


def test_suggestions_name_the_closest_choice_or_a_short_list() -> None:
    assert did_you_mean("modle", ["model", "data"]) == "; did you mean model?"
    assert did_you_mean("x", ["model", "data"]) == "; choose from: data, model."
    assert did_you_mean("x", map(str, range(99))).endswith(", ….")
