"""The mean of the weights of a run's folds, as one model.

The mean of networks that were fine-tuned from the same weights is about as accurate as their ensemble, at the cost of
one (Wortsman et al. 2022, arXiv:2203.05482).
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from lightning.pytorch import LightningModule

from facemask.errors import ModelError
from facemask.models.predict import predict_probabilities
from facemask.runs.samples import Samples
from facemask.runs.trained import TrainedModel

# Largest loss of accuracy against one fold on its validation images. A mean that works gains there, because the other
# folds were trained on these images.
ALLOWED_LOSS = 0.02


def average_folds(models: Sequence[TrainedModel], samples: Samples) -> TrainedModel:
    """Return the first model with the mean of all models' weights.

    Args:
        models: models of the folds of one run.
        samples: validation images of the first.

    Raises:
        ModelError: a fold is missing, or the mean predicts worse than the first fold.
    """
    first = models[0]
    if len(models) != first.config.k:
        raise ModelError(
            f"average=true needs all folds, but {first.folder.parent} has {len(models)} of {first.config.k}; give the "
            "folder of a run that was trained with fold=all."
        )
    averaged = replace(first, model=_mean([model.model for model in models]))
    images, labels = samples.images(first.preprocessing.store_size), samples.labels(first.class_names)
    own, mean = (
        float((predict_probabilities(model.model, first.preprocessing, images).argmax(axis=1) == labels).mean())
        for model in (first, averaged)
    )
    if mean < own - ALLOWED_LOSS:
        raise ModelError(
            f"the mean of the weights of {len(models)} folds predicts {mean:.1%} of {len(labels):,} validation images "
            f"correctly, one fold {own:.1%}; only networks that start from the same pretrained weights can be "
            "averaged. Remove average=true."
        )
    return averaged


def _mean(models: Sequence[LightningModule]) -> LightningModule:
    states = [model.state_dict() for model in models]
    model = deepcopy(models[0])
    model.load_state_dict(
        {
            name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
            for name, value in states[0].items()
        }
    )
    return model
