"""What a training may not change when it goes on: everything that decides its weights."""

import hashlib
from math import prod
from pathlib import Path
from typing import Any

import torch

from nas.data.dataset import Dataset
from nas.data.resize import at_once
from nas.errors import UserError
from nas.training.hook import Hook
from nas.training.recipe import Recipe
from search_spaces.network import StagedNetwork


def of(
    network: StagedNetwork,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    metric: str,
    hook: Hook | None,
    device: str,
) -> dict[str, Any]:
    """The terms of a training, in plain values; large ones as SHA-256."""
    return {
        "recipe": recipe.to_json(),
        "seed": seed,
        "metric": metric,
        "hook": hook and hook.digest,
        "device": device,
        "network": hashlib.sha256(repr(network.graph).encode()).hexdigest(),
        "data": _digest(dataset),
    }


def _digest(dataset: Dataset) -> str:
    seen = hashlib.sha256()
    step = at_once(prod(dataset.image))  # all of them may exceed the memory
    for split in (dataset.train, dataset.held_out):
        for start in range(0, len(split), step):
            rows = torch.arange(start, min(start + step, len(split)))
            seen.update(split.batch(rows).view(-1).numpy().data)
        seen.update(split.labels.numpy().data)
    return seen.hexdigest()


def refuse_other(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raises UserError naming the first term that differs."""
    for name, value in now.items():
        known = before.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            refuse_other(known, value, folder)
        elif known != value:
            what = f"{name} was {known}, is {value}"
            if name in ("network", "data", "hook"):
                what = f"the {name} is not the same"
            raise UserError(
                f"{folder}: cannot go on, {what}; a training keeps its terms, start a new one"
            )
