"""A head trained on cached features equals one trained on images with a frozen backbone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from torch import Tensor

from conftest import compose_config
from facemask.data.dataset import FeatureDataset
from facemask.data.pictures import read_image
from facemask.errors import ConfigError
from facemask.models.backbone import TimmNet
from facemask.models.checkpoint import load_model
from facemask.models.predict import predict_probabilities
from facemask.runs.results import RunResult
from facemask.training.features import Extractor
from facemask.training.fit import fit_folds

pytestmark = pytest.mark.slow

TINY = "test_efficientnet"  # timm's own, made for tests
Fit = Callable[..., tuple[RunResult, Path]]


class Doubled(TimmNet):
    """A network that does more than its head on its backbone's features."""

    def forward(self, images: Tensor) -> Tensor:
        return 2 * super().forward(images)


@pytest.fixture
def fit(faces: Path, tmp_path: Path) -> Fit:
    weights = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model(TINY, num_classes=0).state_dict(), weights)
    common = ["model=timm", f"model.name={TINY}", f"model.pretrained={weights}", "model.input_size=32"]
    common += ["data=folder", f"data.root={faces}", f"data.store_dir={tmp_path}/store", "data.num_workers=0"]
    common += ["model.freeze=backbone", "data.store_size=16", "k=3", "bs=8", "epochs=3", "lr=0.1"]

    def run(*overrides: str, name: str = "run") -> tuple[RunResult, Path]:
        return fit_folds(compose_config(*common, *overrides), tmp_path / name), tmp_path / name

    return run


def test_training_on_features_equals_training_on_images(fit: Fit) -> None:
    tables = []
    for name, views in (("features", "null"), ("images", "0")):
        result, folder = fit("augment=none", "model.dropout=0", f"augment.views={views}", name=name)
        assert 0 < result.folds[0].weights.trained < result.folds[0].weights.parameters
        tables.append(pd.read_parquet(folder / "predictions.parquet"))
    np.testing.assert_allclose(tables[0]["probability_mask"], tables[1]["probability_mask"], atol=1e-4)
    assert tables[0]["probability_mask"].std() > 0.01


def test_a_frozen_backbone_stays_unchanged_with_and_without_cached_features(fit: Fit, tmp_path: Path) -> None:
    before = torch.load(tmp_path / "weights.pth", weights_only=True)
    for name, views in (("features", "null"), ("images", "0")):
        _, folder = fit(f"augment.views={views}", "epochs=1", name=name)
        after = torch.load(folder / "fold-0/last.ckpt", weights_only=True)["state_dict"]
        for key, value in before.items():
            torch.testing.assert_close(after[f"net.backbone.{key}"], value, rtol=0, atol=0)


def test_the_checkpoint_holds_backbone_and_head(fit: Fit, faces: Path) -> None:
    _, folder = fit()
    predictions = pd.read_parquet(folder / "predictions.parquet")
    model, record = load_model(folder / "fold-0/best.ckpt")
    images = np.stack([record.square(read_image(faces / path)) for path in predictions["path"]])
    columns = [f"probability_{name}" for name in record.class_names]
    np.testing.assert_allclose(predict_probabilities(model, record, images), predictions[columns], atol=1e-5)


def test_one_pass_over_the_data_serves_every_fold_and_every_later_run(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int | None] = []
    compute = Extractor._compute

    def counted(self: Extractor, view: int | None, title: str) -> Any:
        passes.append(view)
        return compute(self, view, title)

    monkeypatch.setattr(Extractor, "_compute", counted)
    fit("augment.views=2", "fold=all")
    assert passes == [None, 0, 1]
    fit("augment.views=3", "lr=0.2", "bs=4", name="more views")
    assert passes == [None, 0, 1, 2]
    fit("augment.views=1", "seed=1", name="other draws")
    assert passes == [None, 0, 1, 2, 0]
    fit("augment.views=1", "augment=strong", name="other steps")
    assert passes == [None, 0, 1, 2, 0, 0]
    fit("augment=none", name="no steps")
    assert len(passes) == 6
    assert len(list((tmp_path / "store/features").glob("*.npy"))) == 6


def test_views_are_augmented_and_differ(fit: Fit, tmp_path: Path) -> None:
    fit("augment.views=2")
    arrays = [np.load(file) for file in (tmp_path / "store/features").glob("*.npy")]
    assert len(arrays) == 3
    assert {array.shape for array in arrays} == {arrays[0].shape}
    assert len({array.tobytes() for array in arrays}) == 3


def test_each_epoch_sees_the_next_view(tmp_path: Path) -> None:
    views = [tmp_path / f"{value}.npy" for value in (10, 20)]
    for view in views:
        np.save(view, np.full((4, 2), int(view.stem), np.float32))
    data = FeatureDataset(views, np.array([0, 1, 1]), np.array([3, 1, 0]))
    seen = [data.__getitems__([(epoch, 2), (epoch, 0)])[0][0, 0].item() for epoch in range(3)]
    assert seen == [10, 20, 10]
    assert data[0, 1][1].item() == 1


def test_a_network_that_is_not_a_backbone_and_a_head_is_refused(fit: Fit) -> None:
    own = f"model.net._target_={Doubled.__module__}.Doubled"
    fit(name="plain")  # whose backbone is the same, and whose features are kept
    with pytest.raises(ConfigError, match=r"Doubled is not head\(backbone\(image\)\).* set augment.views=0"):
        fit(own)
    assert fit(own, "augment.views=0", name="images")[0].is_complete
