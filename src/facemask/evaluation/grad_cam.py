"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) with the package grad-cam."""

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.metrics.classification import Floats, Labels
from facemask.models.classifier import MaskClassifier
from facemask.reports.evaluated import Evaluated
from facemask.reports.findings import BLENDED, MAPPED, Attention, MeanMap
from facemask.seeding import PICTURES, derive_seed

BATCH = 32


def find_attention(evaluated: Evaluated, images: Pixels, seed: int, shown: int) -> Attention | None:
    """Return mean activation maps over random images, and maps of single images.

    Args:
        evaluated: the model and its predictions.
        images: uint8[N, store_size, store_size, 3], the predicted images.
        seed: seed of the random choice.
        shown: maximum number of single images; the most confident errors come first.

    Returns:
        The maps; None for a network without convolutions.
    """
    model, preprocessing = evaluated.model.model, evaluated.model.preprocessing
    rng = np.random.default_rng(derive_seed(PICTURES, seed, 1))
    means: dict[str, MeanMap] = {}
    for c, name in enumerate(evaluated.class_names):
        rows = rng.permutation(np.flatnonzero(evaluated.predicted == c))[:MAPPED]
        if len(rows):
            shown_to_it = np.asarray(images[np.sort(rows)])
            maps = activation_maps(model, preprocessing, shown_to_it, np.full(len(rows), c))
            if maps is None:
                return None
            n_groups = evaluated.predictions["group"].iloc[rows].nunique()
            face = shown_to_it.mean(axis=0).round().astype(np.uint8) if n_groups >= BLENDED else None
            means[name] = MeanMap(len(rows), maps.mean(axis=0), face)
    order = np.lexsort((-evaluated.probabilities.max(axis=1), evaluated.correct))[:shown]
    if not shown:
        return Attention(means)
    maps = activation_maps(model, preprocessing, np.asarray(images[order]), evaluated.predicted[order])
    return None if maps is None else Attention(means, order, maps)


def activation_maps(model: nn.Module, preprocessing: Preprocessing, images: Pixels, classes: Labels) -> Floats | None:
    """Return class activation maps, float64[N, input_size, input_size] in [0, 1].

    Args:
        model: as in :func:`facemask.models.predict.predict_probabilities`; left on its device, in evaluation mode.
        preprocessing: preprocessing of the model.
        images: uint8[N, store_size, store_size, 3].
        classes: int64[N], target class of each image.

    Returns:
        The maps; None for a network without convolutions.
    """
    model.eval()
    is_mirrored = isinstance(model, MaskClassifier) and model.flip_tta
    # Maps are of the network's logits. Those of a probability's logarithm vanish where the network is certain.
    net = model.net if isinstance(model, MaskClassifier) else model
    device = next(net.parameters()).device
    layer = last_convolution(net, preprocessing.normalise(torch.from_numpy(np.array(images[:1])).to(device)))
    if layer is None:
        return None
    learns = [parameter.requires_grad for parameter in net.parameters()]
    net.requires_grad_(True)  # gradients must pass through frozen layers
    maps = []
    try:
        with GradCAM(model=net, target_layers=[layer]) as cam:
            for batch, asked in _batches(images, classes):
                inputs, targets = preprocessing.normalise(batch.to(device)), [*map(ClassifierOutputTarget, asked)]
                found = cam(inputs, targets)
                maps.append((found + cam(inputs.flip(-1), targets)[:, :, ::-1]) / 2 if is_mirrored else found)
    finally:
        for parameter, learned in zip(net.parameters(), learns, strict=True):
            parameter.requires_grad_(learned)
            parameter.grad = None
    return np.concatenate(maps).astype(np.float64)


def last_convolution(model: nn.Module, inputs: Tensor) -> nn.Module | None:
    """Return the last convolution whose output is larger than 1 x 1."""
    found: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        if output.shape[-1] * output.shape[-2] > 1:
            found.append(module)

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found[-1] if found else None


def _batches(images: Pixels, classes: Labels) -> list[tuple[Tensor, Labels]]:
    starts = range(0, len(images), BATCH)
    return [(torch.from_numpy(np.array(images[s : s + BATCH])), classes[s : s + BATCH]) for s in starts]
