"""The module minimises the right loss, logs the right numbers, and its schedules set the right learning rates."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from facemask.models import schedules
from facemask.models.classifier import MaskClassifier
from facemask.models.cnn import CNN
from facemask.models.epoch_metrics import EpochMetrics

NAMES = ["mask", "no_mask", "wrong_mask"]


def classifier(**settings: Any) -> MaskClassifier:
    torch.manual_seed(0)
    return MaskClassifier(
        net=partial(CNN, channels=(4,), hidden=4, dropout=0.0),
        num_classes=3,
        optimizer=partial(torch.optim.SGD, lr=0.1),
        class_names=NAMES,
        **settings,
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_epoch_metrics_equal_scikit_learns(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    probabilities = rng.dirichlet(np.ones(n_classes), 200)
    labels = rng.integers(0, n_classes, 200)
    names = NAMES[:n_classes]
    metrics = EpochMetrics(names)
    for rows in np.array_split(np.arange(200), 7):
        batch = torch.from_numpy(probabilities[rows]), torch.from_numpy(labels[rows])
        metrics.update(torch.nn.functional.nll_loss(batch[0].log(), batch[1]), *batch)
    found = {name: float(value) for name, value in metrics.compute().items()}
    assert sorted(found) == sorted(metrics.names)
    guess = probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities), abs=1e-5)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, guess), abs=1e-6)
    assert found["f1"] == pytest.approx(f1_score(labels, guess, average="macro"), abs=1e-6)
    assert found["auroc"] == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"), abs=1e-6)
    for c, name in enumerate(names):
        only = {"labels": [c], "average": "macro"}
        assert found[f"precision_{name}"] == pytest.approx(precision_score(labels, guess, **only), abs=1e-6)
        assert found[f"recall_{name}"] == pytest.approx(recall_score(labels, guess, **only), abs=1e-6)


def test_metrics_are_reset_between_epochs() -> None:
    metrics = EpochMetrics(["a", "b"])
    for labels in (torch.tensor([1, 0]), torch.tensor([0, 1])):
        metrics.update(torch.tensor(0.5), torch.eye(2), labels)
        assert float(metrics.compute()["accuracy"]) == float(labels[0] == 0)


def test_class_weights_and_smoothing_act_on_the_training_loss_alone() -> None:
    batch = torch.rand(6, 3, 16, 16), torch.tensor([0, 0, 0, 0, 1, 2])
    weights = np.array([1.0, 1.0, 5.0], np.float32)
    plain, weighted = classifier().eval(), classifier(class_weights=weights, label_smoothing=0.1).eval()
    logits = plain(batch[0])
    expected = nn.functional.cross_entropy(logits, batch[1], weight=torch.from_numpy(weights), label_smoothing=0.1)
    torch.testing.assert_close(weighted.training_step(batch, 0), expected)
    assert weighted.training_step(batch, 0) != plain.training_step(batch, 0)
    for model in (plain, weighted):
        model.validation_step(batch, 0)
        found = model.val_metrics.compute()["loss"]
        torch.testing.assert_close(found, nn.functional.cross_entropy(logits, batch[1]))


def test_flip_tta_averages_the_probabilities_of_an_image_and_its_mirror_image() -> None:
    plain, averaged = classifier().eval(), classifier(flip_tta=True).eval()
    images = 50 * torch.randn(5, 3, 16, 16)
    expected = (plain(images).softmax(dim=1) + plain(images.flip(-1)).softmax(dim=1)) / 2
    assert not torch.allclose(expected, plain(images).softmax(dim=1), atol=0.01)
    torch.testing.assert_close(averaged(images).softmax(dim=1), expected)
    torch.testing.assert_close(averaged.predict_step(images.flip(-1), 0), expected)
    averaged.validation_step((images, torch.zeros(5, dtype=torch.int64)), 0)
    torch.testing.assert_close(averaged.val_metrics.compute()["loss"], -expected[:, 0].log().mean())


def test_flip_tta_does_not_change_the_training() -> None:
    batch = torch.rand(6, 3, 16, 16), torch.tensor([0, 0, 0, 0, 1, 2])
    plain, averaged = classifier().train(), classifier(flip_tta=True).train()
    assert averaged.training_step(batch, 0) == plain.training_step(batch, 0)


def test_blended_labels_are_soft_targets() -> None:
    model = classifier().eval()
    images, fractions = torch.rand(2, 3, 16, 16), torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.5, 0.5]])
    expected = nn.functional.cross_entropy(model(images), fractions)
    torch.testing.assert_close(model.training_step((images, fractions), 0), expected)


def test_channels_last_is_a_layout_and_changes_no_result() -> None:
    images = torch.rand(2, 3, 16, 16)
    one, other = classifier(channels_last=True).eval(), classifier(channels_last=False).eval()
    torch.testing.assert_close(one(images), other(images))
    assert next(one.net.parameters()).is_contiguous(memory_format=torch.channels_last)
    assert next(other.net.parameters()).is_contiguous()


class StubTrainer(Trainer):
    """A trainer that knows its steps without data."""

    estimated_stepping_batches = 40  # type: ignore[assignment]
    num_training_batches = 10  # type: ignore[assignment]


def rates(schedule: Any, **settings: Any) -> list[float]:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    trainer = StubTrainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    scheduler: LRScheduler = schedule(optimizer, trainer=trainer, **settings)["scheduler"]
    found = []
    for _ in range(40):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_warms_up_and_falls_to_nothing() -> None:
    found = rates(schedules.cosine, warmup=0.1)
    assert found[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert found[22] == pytest.approx(0.05)
    assert found[4:] == sorted(found[4:], reverse=True)
    assert found[-1] < 0.0005


def test_onecycle_peaks_at_lr_and_ends_far_below() -> None:
    found = rates(schedules.onecycle, pct_start=0.25, div_factor=25.0, final_div_factor=1e4)
    assert found[0] == pytest.approx(0.1 / 25)
    assert max(found) == pytest.approx(0.1)
    assert found.index(max(found)) == 9
    assert found[-1] == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize(("mode", "values"), [("max", [0.5, 0.6, 0.6, 0.6]), ("min", [0.6, 0.5, 0.5, 0.5])])
def test_plateau_shrinks_the_rate_once_nothing_improves(mode: str, values: list[float]) -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    trainer = StubTrainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    made = schedules.plateau(optimizer, trainer, "val/x", mode, factor=0.5, patience=1)
    assert (made["monitor"], made["interval"], made["frequency"]) == ("val/x", "step", 10)
    for value in values:
        made["scheduler"].step(value)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
