"""The distillation loss follows its formula, and neither model is evaluated on images it was trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from torch.nn.functional import cross_entropy

from conftest import compose_config, write_faces
from facemask.errors import FaceMaskError
from facemask.models.checkpoint import load_model
from facemask.models.classifier import MaskClassifier
from facemask.models.distillation import DistillationLoss
from facemask.models.weights import state_digest
from facemask.training.distillation import check_teacher, open_teacher
from facemask.training.fit import fit_folds
from facemask.training.parts import build_data, build_fold_model
from fits import Fit, assert_same, configure, weights

pytestmark = pytest.mark.slow

TAUGHT = ["model.channels=[4]", "epochs=2"]


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0.5, 8))
@settings(max_examples=30, deadline=None)
def test_the_loss_is_the_papers(seed: int, weight: float, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    student, teacher = (rng.normal(size=(5, 3)).astype(np.float32) for _ in range(2))
    own, others = (log_softmax(z / temperature, axis=1) for z in (student, teacher))
    divergence = (np.exp(others) * (others - own)).sum(axis=1).mean()
    expected = (1 - weight) * 0.8 + weight * temperature**2 * divergence
    loss = DistillationLoss(weight, temperature)
    found = loss(torch.tensor(0.8), torch.from_numpy(student), torch.from_numpy(teacher))
    assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_size_of_the_gradient_does_not_depend_on_the_temperature() -> None:
    teacher = torch.tensor([[1.0, -1.0], [0.3, 0.1]])
    sizes = []
    for temperature in (10.0, 100.0):
        student = torch.tensor([[-0.5, 0.5], [0.2, 0.4]], requires_grad=True)
        DistillationLoss(1.0, temperature)(torch.tensor(0.0), student, teacher).backward()
        assert student.grad is not None
        sizes.append(float(student.grad.abs().sum()))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def test_a_student_learns_and_its_checkpoint_contains_no_teacher(fit: Fit) -> None:
    _, teacher = fit(name="teacher")
    result, folder = fit(f"teacher={teacher}", *TAUGHT, name="student")
    model, _ = load_model(teacher / "fold-0/best.ckpt")
    about = result.folds[0].teacher
    assert about is not None
    assert about.sha256 == state_digest(model)
    assert about.parameters > result.folds[0].weights.parameters
    _, alone = fit(*TAUGHT, name="alone")
    student, untaught = weights(folder), weights(alone)
    assert student.keys() == untaught.keys()
    assert any(not torch.equal(student[name], untaught[name]) for name in student)
    assert_same(folder, fit(f"teacher={teacher}", *TAUGHT, name="again")[1])
    unmoved = fit(f"teacher={teacher}", "teacher_weight=0", *TAUGHT, name="unmoved")[1]
    assert all(torch.equal(value, untaught[name]) for name, value in weights(unmoved).items())


def test_every_fold_has_the_teacher_that_did_not_see_its_images(fit: Fit) -> None:
    _, teacher = fit("fold=all", "epochs=1", name="teacher")
    result, _ = fit("fold=all", f"teacher={teacher}", "model.channels=[4]", "epochs=1", name="student")
    teachers = [fold.teacher for fold in result.folds]
    assert [Path(teacher.run).name for teacher in teachers if teacher] == ["fold-0", "fold-1", "fold-2"]
    with pytest.raises(FaceMaskError, match="fold=2 of .* is not complete"):
        fit("fold=2", f"teacher={teacher}/fold-0", name="wrong")


def test_the_teacher_sees_the_same_images_with_its_own_preprocessing(fit: Fit, faces: Path, tmp_path: Path) -> None:
    _, folder = fit("model.input_size=24", "epochs=1", name="teacher")
    own = configure(faces, tmp_path, f"teacher={folder}", "teacher_weight=0.3", "teacher_temperature=5")
    data = build_data(own, 0, open_teacher(own, 0))
    model = build_fold_model(own, data).module
    assert isinstance(model, MaskClassifier)
    assert model.distillation == DistillationLoss(0.3, 5.0)
    stored = torch.from_numpy(data.images(data.train_samples)[:6])
    labels = torch.zeros(6, dtype=torch.int64)

    class InTraining:
        training = True
        lightning_module = model

    data.trainer = InTraining()  # type: ignore[assignment]
    images, _, taught = data.on_after_batch_transfer((stored, labels), 0)
    teacher, theirs = load_model(folder / "fold-0/best.ckpt")
    assert images.shape[-1] == 16
    with torch.no_grad():
        assert torch.allclose(taught, teacher(theirs.normalise(stored)), atol=1e-6)
    InTraining.training = False
    assert len(data.on_after_batch_transfer((stored, labels), 0)) == 2
    logits = model(images)
    loss = model.training_step((images, labels, taught), 0)
    assert float(loss.detach()) != pytest.approx(float(cross_entropy(logits, labels).detach()))


def test_each_image_is_taught_by_the_fold_that_was_not_trained_on_it(
    fit: Fit, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = fit("fold=all", "epochs=1", name="teacher")
    unseen = [f"teacher={folder}", "teacher_unseen=true", *TAUGHT]
    own = configure(faces, tmp_path, *unseen)
    teacher = open_teacher(own, 0)
    assert teacher is not None
    data = build_data(own, 0, teacher)
    images, _, folds = next(iter(data.train_dataloader()))
    assert set(folds.tolist()) == {1, 2}  # fold 0 is the student's validation part
    models = [load_model(folder / f"fold-{fold}/best.ckpt")[0] for fold in range(3)]
    taught = teacher(images, folds)
    with torch.no_grad():
        inputs = teacher.preprocessing.normalise(images)
        for logits, one, fold in zip(taught, inputs, folds, strict=True):
            assert torch.allclose(logits, models[fold](one[None])[0], atol=1e-5)
    capsys.readouterr()
    result, _ = fit(*unseen, name="student")
    assert "compare models on the test part" in capsys.readouterr().out
    about = result.folds[0].teacher
    assert about is not None
    assert (about.run, about.models) == (str(folder), 3)


@pytest.mark.parametrize(
    ("overrides", "expected_error"),
    [
        (["teacher_unseen=true"], "fold=1 of .* is not complete; complete folds: 0"),
        (
            ["k=4"],
            "was trained with k=3, so it may have seen the student's validation images; use k=3",
        ),
        (["split_seed=1"], "was trained with split_seed=0, so it may have seen .*; use split_seed=0"),
        (["data.store_size=24"], "was trained on images of 16 pixels; use data.store_size=16"),
        (["fold=1"], "fold=1 of .* is not complete; complete folds: 0"),
        (["teacher=nowhere"], "nowhere is not a run folder"),
    ],
)
def test_a_teacher_that_saw_the_validation_images_is_refused(
    fit: Fit, faces: Path, tmp_path: Path, overrides: list[str], expected_error: str
) -> None:
    _, folder = fit("epochs=1", name="teacher")
    with pytest.raises(FaceMaskError, match=expected_error):
        check_teacher(configure(faces, tmp_path, f"teacher={folder}", *overrides))


def test_a_teacher_of_other_images_or_classes_is_refused(fit: Fit, faces: Path, tmp_path: Path) -> None:
    _, folder = fit("epochs=1", name="teacher")
    others = write_faces(tmp_path / "others", {"mask": 22, "no_mask": 18}, seed=9)
    own = configure(others, tmp_path, f"teacher={folder}")
    check_teacher(own)
    with pytest.raises(FaceMaskError, match="was trained on other images .*, possibly the student's validation images"):
        fit_folds(own, tmp_path / "student")
    with pytest.raises(FaceMaskError, match="was trained on other images"):
        fit(f"teacher={folder}", "data.fraction=0.8", name="some")


@pytest.mark.parametrize(
    ("overrides", "expected_error"),
    [
        (["augment.mixup=0.2"], r"augment\.mixup=0\.2 blends images, but a teacher sees the original images"),
        (["model=mobilenetv2", "model.freeze=backbone"], "model.freeze=backbone trains on cached features"),
        (["teacher_weight=1.5"], "teacher_weight must be between 0 and 1, got 1.5"),
        (["teacher_temperature=0"], "teacher_temperature must be a positive number, got 0.0"),
    ],
)
def test_contradictory_settings_raise_before_training(overrides: list[str], expected_error: str) -> None:
    with pytest.raises(FaceMaskError, match=expected_error):
        compose_config("teacher=run", *overrides)
