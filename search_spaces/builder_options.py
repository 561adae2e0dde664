"""Options of the builders of published networks: how papers and official code write them."""

from collections.abc import Sequence
from typing import Any

from search_spaces.architecture import Option
from search_spaces.errors import SpaceError

Factors = str | Sequence[int]
"""Factors as on the official command line, "1-2-4", or one by one."""


def stem_and_head(data: str) -> dict[str, Option]:
    """Return the decisions that follow from the data set. Raises SpaceError for any other."""
    if data in ("cifar10", "cifar100"):
        return {"stem": "conv3", "head": "conv128"}
    if isinstance(data, str) and data.lower() == "imagenet":  # args.py says "ImageNet"
        return {"stem": "conv7-pool", "head": "conv"}
    raise SpaceError(f"data cannot be {data!r}: choose from cifar10, cifar100, imagenet")


def factors(name: str, given: Factors) -> list[int]:
    """Read the option ``name``. Raises SpaceError unless it is whole numbers from 1."""
    parts = given.split("-") if isinstance(given, str) else given
    try:
        found = [int(part) for part in parts]
        # Equal again as numbers: int() would cut 1.5 to 1, and take True for 1.
        whole = isinstance(given, str) or (
            found == list(parts) and not any(isinstance(part, bool) for part in parts)
        )
    except (TypeError, ValueError, OverflowError):
        found, whole = [], False
    if not found or not whole or min(found) < 1:
        raise SpaceError(f"{name} cannot be {given!r}: whole numbers from 1, as in 1-2-4")
    return found


def for_each(name: str, given: Any, count: int, noun: str = "block") -> Sequence[Any]:
    """Return the option ``name`` for each of ``count`` blocks: one for all, or a list of them.

    Raises SpaceError for a list of another length. What is in it, the space's decisions check.
    """
    if isinstance(given, str | int | float) or given is None:
        return [given] * count
    if not isinstance(given, list | tuple) or len(given) != count:
        raise SpaceError(f"{name} cannot be {given!r}: one for all or for each {noun} ({count})")
    return given


def counts_of(name: str, given: Any, most: int) -> Sequence[Any]:
    """Return a list with one entry a block. Raises SpaceError unless it is 1 to ``most`` long."""
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= most:
        raise SpaceError(
            f"{name} cannot be {given!r}: whole numbers, one for each block, {most} at most"
        )
    return given
