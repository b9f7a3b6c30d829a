"""Augmentation follows the configuration, and depends on (seed, epoch, sample) only."""

import os
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import albumentations
import cv2
import numpy as np
import pytest
import torch

from conftest import compose_config
from facemask.config.component import Component
from facemask.data.transforms import Affine, Augmentation, merge_affine
from facemask.errors import ConfigError

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


@cache
def node(name: str) -> Component:
    return compose_config(f"augment={name}").augment


def augmentation(name: str, without: Sequence[str] = ()) -> Augmentation:
    built: Augmentation = node(name).with_arguments(without=list(without)).build()
    return built


@pytest.mark.parametrize("name", ["light", "keras", "strong"])
def test_random_draws_depend_on_seed_epoch_and_sample_only(name: str) -> None:
    one, other = augmentation(name), augmentation(name)
    for sample in range(20):  # the other pipeline has drawn a lot before it comes to the same sample
        other(IMAGE, 1, 1, sample)
    first = one(IMAGE, 0, 3, 7)
    assert (first == other(IMAGE, 0, 3, 7)).all()
    for key in ((1, 3, 7), (0, 4, 7), (0, 3, 8)):
        assert (first != one(IMAGE, *key)).any()


def test_none_returns_the_image_itself() -> None:
    assert augmentation("none")(IMAGE, 0, 0, 0) is IMAGE


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("light", ["flip", "color_jitter", "perspective", "rotation", "affine"]),
        ("keras", ["rotation", "shift", "shear", "zoom", "flip"]),
        (
            "strong",
            ["flip", "color_jitter", "perspective", "rotation", "affine"]
            + ["noise", "blur", "low_resolution", "erasing"],
        ),
    ],
)
def test_the_studies_pipelines_have_their_steps_and_each_can_be_left_out(name: str, steps: list[str]) -> None:
    assert augmentation(name).names == steps
    for step in steps:
        left = augmentation(name, [step])
        assert left.names == [other for other in steps if other != step]
    alone = augmentation(name, steps)
    assert (alone(IMAGE, 0, 0, 0) == IMAGE).all()


def test_every_step_changes_some_picture() -> None:
    steps = augmentation("strong").names + ["shift", "shear", "zoom"]
    for step in steps:
        name = "strong" if step in augmentation("strong").names else "keras"
        others = [other for other in augmentation(name).names if other != step]
        alone = augmentation(name, others)
        assert any((alone(IMAGE, 0, 0, sample) != IMAGE).any() for sample in range(30)), step


def test_neighbouring_warps_are_merged_and_do_what_they_do_alone() -> None:
    assert len(augmentation("light")._steps) == 4
    assert len(augmentation("keras")._steps) == 2
    assert len(augmentation("keras", ["shift", "zoom"])._steps) == 2
    turn, move = Affine(rotate=30), Affine(shift=0.2)
    assert len(merge_affine([turn, albumentations.HorizontalFlip(), move])) == 3
    assert len(merge_affine([turn, Affine(shift=0.2, edge="repeat")])) == 2
    generators = [(np.random.default_rng(0), random.Random(5)) for _ in range(2)]
    turn.set_random_state(*generators[0])
    move.set_random_state(*generators[0])
    (merged,) = merge_affine([turn, move])
    merged.set_random_state(*generators[1])
    one_by_one = move(image=turn(image=IMAGE)["image"])["image"].astype(float)
    at_once = merged(image=IMAGE)["image"].astype(float)
    smooth = cv2.GaussianBlur(np.stack([one_by_one, at_once], axis=-1).reshape(64, 64, -1), (0, 0), 3).reshape(
        64, 64, 3, 2
    )
    assert np.abs(smooth[..., 0] - smooth[..., 1])[8:-8, 8:-8].mean() < 3


@pytest.mark.parametrize(("settings", "moved"), [({"rotate": 180}, 0), ({"shift": 0.3}, 19), ({"scale": 0.5}, 0)])
def test_a_warp_rotates_and_scales_about_the_centre_and_translates(settings: dict[str, float], moved: float) -> None:
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[31:34, 31:34] = 255
    warp, furthest = Affine(**settings), 0.0
    warp.set_random_state(np.random.default_rng(0), random.Random(0))
    for _ in range(200):
        y, x = np.array(np.nonzero(warp(image=dot)["image"][..., 0] > 60)).mean(axis=1)
        furthest = max(furthest, abs(x - 32), abs(y - 32))
    assert furthest == pytest.approx(moved, abs=1.0)


def test_leaving_out_an_unknown_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="augment.without names 'rotate', which is not a step .* flip, color_jitter"):
        augmentation("light", ["rotate"])


@pytest.mark.parametrize("mixing", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixing_blends_pictures_and_labels_alike(mixing: dict[str, Any]) -> None:
    labels = torch.tensor([0, 1, 2, 1])
    images = labels.view(4, 1, 1, 1).expand(4, 3, 8, 8).float()  # each picture is painted with its class
    torch.manual_seed(0)
    mixed, fractions = Augmentation({}, **mixing).mix(images.clone(), labels, 3)
    assert fractions.shape == (4, 3)
    torch.testing.assert_close(fractions.sum(dim=1), torch.ones(4))
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), (fractions * torch.arange(3)).sum(dim=1))
    torch.manual_seed(0)
    again, _ = Augmentation({}, **mixing).mix(images.clone(), labels, 3)
    assert (again == mixed).all()


def test_without_mixing_the_batch_is_left_alone() -> None:
    images, labels = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
    assert Augmentation({}).mix(images, labels, 2) == (images, labels)


def test_importing_asks_no_network_for_updates() -> None:
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
