"""From the words of a `DataSpec` to tensors."""

from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from nas.data.dataset import NAMES, Dataset, DataSpec, Split
from nas.data.pools import Chosen, Pool, Rows, Source
from nas.data.split import draw, rest
from nas.data.statistics import Counts
from nas.errors import UserError

TABLE = {
    "digits": "nas.data.digits",
    "fashion-mnist": "nas.data.fashion_mnist",
    "cifar10": "nas.data.cifar",
    "cifar100": "nas.data.cifar",
}
assert tuple(TABLE) == NAMES


def load(spec: DataSpec) -> Dataset:
    """The train and held-out images of `spec`; a pure function of it and the files.

    Raises:
        UserError: data not found, empty, of one class only, with fewer than 2 held-out images, or
            corrupt: one line says which.
    """
    source = open_source(spec)
    train_rows, held_out_pool, held_out_rows = _split(source, spec)
    chosen = Chosen(source.train, train_rows, source.size)
    counts = Counts(chosen.pool.channels)
    train = _read(chosen, counts)
    mean, std = counts.statistics()
    return Dataset(
        name=source.name,
        classes=source.classes,
        train=train,
        held_out=_read(Chosen(held_out_pool, held_out_rows, source.size)),
        mean=mean,
        std=std,
        note=source.note,
    )


def load_test(spec: DataSpec) -> Split:
    """The test images of `spec`, the same ones whatever its seed and limit.

    For the final evaluation of finished networks only: nothing that chooses may call it.

    Raises:
        UserError: as `load`.
    """
    source = open_source(spec)
    pool = source.test()
    return _read(Chosen(pool, np.arange(len(pool.labels), dtype=np.int64), source.size))


def open_source(spec: DataSpec) -> Source:
    """The set behind `spec.source`, its images not yet decoded."""
    if spec.source in TABLE:
        return _checked(import_module(TABLE[spec.source]).open_set(spec))
    path = Path(spec.source).expanduser()
    if path.is_dir():
        return _checked(import_module("nas.data.folder").open_set(path, spec))
    if path.suffix == ".npz" and path.is_file():
        return _checked(import_module("nas.data.npz").open_set(path, spec))
    what = "no such .npz file" if path.suffix == ".npz" else "no such data set, folder or .npz file"
    raise UserError(f"data {spec.source!r}: {what}; known sets are {', '.join(TABLE)}")


def _checked(source: Source) -> Source:
    labels = source.train.labels
    counts = np.bincount(labels, minlength=len(source.classes))
    if len(source.classes) < 2 or np.count_nonzero(counts) < 2:
        raise UserError(f"{source.name}: images of one class only; at least two are needed")
    least = 2 if isinstance(source.held_out, int) else 1  # one to train on, one to hold out
    for name, count in zip(source.classes, counts.tolist(), strict=True):
        if count < least:
            raise UserError(
                f"{source.name}: class {name!r} has {count} train images;"
                f" at least {least} are needed"
            )
    if not isinstance(source.held_out, int) and len(source.held_out.labels) < 2:
        # Exit policies are chosen on one half of the held-out images and scored on the other.
        raise UserError(
            f"{source.name}: {len(source.held_out.labels)} held-out image; at least 2 are needed"
        )
    return source


def _split(source: Source, spec: DataSpec) -> tuple[Rows, Pool, Rows]:
    """Train rows, and the pool and rows of the held-out images."""
    labels = source.train.labels
    held_out_seed, limit_seed = np.random.SeedSequence(spec.seed).spawn(2)
    if isinstance(source.held_out, int):
        pool = source.train
        held_out = draw(labels, source.held_out, np.random.default_rng(held_out_seed))
        train = rest(len(labels), held_out)
    else:
        pool = source.held_out
        held_out = np.arange(len(pool.labels), dtype=np.int64)
        train = np.arange(len(labels), dtype=np.int64)
    if spec.limit is not None and spec.limit < len(train):
        train = train[draw(labels[train], spec.limit, np.random.default_rng(limit_seed))]
    return train, pool, held_out


def _read(chosen: Chosen, counts: Counts | None = None) -> Split:
    images = torch.empty(chosen.shape, dtype=torch.uint8)
    done = 0
    for chunk in chosen.chunks():
        images[done : done + len(chunk)] = chunk
        done += len(chunk)
        if counts is not None:
            counts.add(chunk)
    return Split(images, torch.from_numpy(chosen.labels))
