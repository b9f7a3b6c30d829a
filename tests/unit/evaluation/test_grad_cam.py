"""Mean activation maps lie over a mean face only where it blends many persons."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from facemask.data.preprocessing import Preprocessing
from facemask.evaluation.grad_cam import activation_maps, find_attention
from facemask.models.classifier import MaskClassifier
from facemask.models.cnn import CNN
from facemask.reports.findings import BLENDED

PREPROCESSING = Preprocessing(("mask", "no_mask"), 16, 16)


def evaluated(groups: list[str]) -> Any:
    torch.manual_seed(0)
    n = len(groups)
    return SimpleNamespace(
        model=SimpleNamespace(model=CNN(2, channels=(4, 8), hidden=8), preprocessing=PREPROCESSING),
        class_names=["mask", "no_mask"],
        predicted=np.zeros(n, np.int64),
        probabilities=np.tile([0.9, 0.1], (n, 1)),
        correct=np.ones(n, bool),
        predictions=pd.DataFrame({"group": groups}),
    )


@pytest.mark.parametrize("certainty", [1, 1e4])
def test_with_flip_tta_the_map_of_a_mirror_image_is_the_mirrored_map(certainty: float) -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3)).astype(np.uint8)
    net, classes = partial(CNN, channels=(4, 8), hidden=8), np.zeros(3, np.int64)
    model = MaskClassifier(net, 2, input_size=16, flip_tta=True)
    with torch.no_grad():
        for parameter in model.net.head[-1].parameters():
            parameter *= certainty
    maps = activation_maps(model, PREPROCESSING, images, classes)
    mirrored = activation_maps(model, PREPROCESSING, images[:, :, ::-1], classes)
    assert maps is not None
    assert mirrored is not None
    assert maps.shape == (3, 16, 16)
    assert np.ptp(maps, axis=(1, 2)).min() > 0.1
    assert not np.allclose(maps, mirrored, atol=0.01)
    np.testing.assert_allclose(maps, mirrored[:, :, ::-1], atol=1e-4)


@pytest.mark.parametrize(("n_groups", "has_face"), [(BLENDED - 1, False), (BLENDED, True)])
def test_the_mean_face_blends_many_groups(n_groups: int, has_face: bool) -> None:
    groups = [f"photo{i % n_groups}" for i in range(40)]
    images = np.random.default_rng(0).integers(0, 255, (40, 16, 16, 3)).astype(np.uint8)
    attention = find_attention(evaluated(groups), images, seed=0, shown=0)
    assert attention is not None
    (mean,) = attention.means.values()
    assert mean.n == 40
    assert mean.activation.shape == (16, 16)
    assert (mean.face is not None) == has_face
    if mean.face is not None:
        np.testing.assert_allclose(mean.face, images.mean(axis=0), atol=0.5)
    assert not len(attention.rows)
