"""Weights of torchvision's models in networks of ours: the same tensors, in the same order."""

from collections.abc import Callable, Mapping
from itertools import zip_longest

import torch
from torch import Tensor

from search_spaces.errors import SpaceError
from search_spaces.network import StagedNetwork

Order = Callable[[list[str]], list[str]]

ORDERS: dict[str, Order] = {}
"""By space: takes torchvision's names, returns those that our network has, in its order."""


def load_torchvision(
    network: StagedNetwork, weights: Mapping[str, Tensor], space: str = ""
) -> None:
    """Copy the state dict of torchvision's model into the same network of ours.

    Tensors are matched by their order of registration, after ``ORDERS[space]`` where ``space`` has
    an entry there. BatchNorm's count of batches is left alone (older files lack it). Raises
    SpaceError at the first tensor whose kind or shape differs; nothing is copied then.
    """
    ours = {name: tensor for name, tensor in network.state_dict().items() if _counts(name)}
    order = ORDERS.get(space, list)
    theirs = order([name for name in weights if _counts(name)])
    for own, other in zip_longest(ours, theirs):
        if own is None or other is None:
            raise SpaceError(f"weights do not fit: {own or other} has no counterpart")
        kinds = [name.rpartition(".")[2] for name in (own, other)]
        shapes = [tuple(tensor.shape) for tensor in (ours[own], weights[other])]
        if kinds[0] != kinds[1] or shapes[0] != shapes[1]:
            raise SpaceError(
                f"weights do not fit: {other} {shapes[1]} cannot be {own} {shapes[0]} of ours"
            )
    with torch.no_grad():
        for own, other in zip(ours, theirs, strict=True):
            ours[own].copy_(weights[other])


def _counts(name: str) -> bool:
    return not name.endswith("num_batches_tracked")
