"""By what a training chooses its best epoch."""

from collections.abc import Callable

import torch
from torch import Tensor

from nas import plugins

Metric = Callable[[Tensor, Tensor, int], float]
"""(answers int64 [images, exits], labels int64 [images], number of classes) -> larger is better."""


def accuracy(answers: Tensor, labels: Tensor, classes: int) -> float:
    """The fraction of images that the last exit gets right."""
    return float((answers[:, -1] == labels).double().mean())


def balanced_accuracy(answers: Tensor, labels: Tensor, classes: int) -> float:
    """The last exit's recall, averaged over the classes that have images: rare ones count alike."""
    there = torch.bincount(labels, minlength=classes).double()
    right = torch.bincount(labels[answers[:, -1] == labels], minlength=classes).double()
    return float((right[there > 0] / there[there > 0]).mean())


METRICS: dict[str, Metric] = {"accuracy": accuracy, "balanced-accuracy": balanced_accuracy}


def metric(name: str) -> Metric:
    """The built-in metric of that name. Raises UserError where there is none."""
    if name not in METRICS:
        raise plugins.unknown("metric", name, tuple(METRICS))
    return METRICS[name]
