"""From the words of a `DataSpec` to tensors."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from nas.cache_folder import cache_folder
from nas.data import folder, npz, once
from nas.data.dataset import NAMES, Dataset, DataSpec, Split
from nas.data.decoded import Decoded, Wanted, in_memory
from nas.data.identity import identity
from nas.data.memory import allowed
from nas.data.once import Tell
from nas.data.pools import Chosen, Source
from nas.data.split import draw, rest
from nas.errors import UserError
from nas.onnx_runner.terminal import printable

TABLE = {
    "digits": "nas.data.digits",
    "fashion-mnist": "nas.data.fashion_mnist",
    "cifar10": "nas.data.cifar",
    "cifar100": "nas.data.cifar",
}
assert tuple(TABLE) == NAMES
SHARE = 1024  # a worker per core may hold a copy; all of them together stay at some percent
LONGEST_NAME = 255  # characters of a class; folders have no longer names


def load(spec: DataSpec, say: Tell = lambda line: None, memory: int | None = None) -> Dataset:
    """The train and held-out images of `spec`; a pure function of it and the files.

    Sets above a small share of the memory are decoded once on a machine into a file, which is
    mapped: the same images in less memory. say: told before that is done.
    memory: bytes that may be used; None: what the system lets this process use.

    Raises:
        UserError: data not found, empty, of one class only, with fewer than 2 held-out images, or
            corrupt, or too large for memory and disk: one line says which.
    """
    found = _decoded(spec, "train", _to_train_on, say, memory)
    train, held_out = found.parts
    return Dataset(found.name, found.classes, train, held_out, found.mean, found.std, found.note)


def load_test(spec: DataSpec, say: Tell = lambda line: None, memory: int | None = None) -> Split:
    """The test images of `spec`, the same ones whatever its seed and limit.

    For the final evaluation of finished networks only: nothing that chooses may call it.

    Raises:
        UserError: as `load`.
    """
    (test,) = _decoded(replace(spec, seed=0, limit=None), "test", _to_test, say, memory).parts
    return test


def _decoded(
    spec: DataSpec,
    part: str,
    choose: Callable[[Source, DataSpec], tuple[Chosen, ...]],
    say: Tell,
    memory: int | None,
) -> Decoded:
    place, name = cache_folder("decoded"), identity(spec, part, _files(spec))
    known = once.found(place, name)
    if known is not None:
        return known
    source = open_source(spec)
    wanted = Wanted(source.name, source.classes, source.note, choose(source, spec))
    if wanted.bytes <= (allowed() if memory is None else memory) // SHARE:
        return in_memory(wanted)
    return once.made(place, name, wanted, say)


def _files(spec: DataSpec) -> list[Path]:
    """What the images of `spec` are read from; empty where there is no such data."""
    if spec.source in TABLE:
        files: list[Path] = import_module(TABLE[spec.source]).files(spec)
        return files
    path = Path(spec.source).expanduser()
    return folder.files(path) if path.is_dir() else [path]


def open_source(spec: DataSpec) -> Source:
    """The set behind `spec.source`, its images not yet decoded."""
    if spec.source in TABLE:
        return _checked(import_module(TABLE[spec.source]).open_set(spec))
    path = Path(spec.source).expanduser()
    if path.is_dir():
        return _checked(folder.open_set(path, spec))
    if path.suffix == ".npz" and path.is_file():
        return _checked(npz.open_set(path, spec))
    what = "no such .npz file" if path.suffix == ".npz" else "no such data set, folder or .npz file"
    raise UserError(f"data {spec.source!r}: {what}; known sets are {', '.join(TABLE)}")


def _checked(source: Source) -> Source:
    _refuse_names(source)
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


def _refuse_names(source: Source) -> None:
    """Raises UserError for a class that cannot be shown, or two that nobody could tell apart."""
    for name in source.classes:
        if not name or len(name) > LONGEST_NAME or printable(name) != name or "\n" in name:
            raise UserError(
                f"{source.name}: class {name[:40]!r} is no name that can be shown: 1 to "
                f"{LONGEST_NAME} characters, none of them a control character"
            )
    if len(set(source.classes)) < len(source.classes):
        twice = next(name for name in source.classes if source.classes.count(name) > 1)
        raise UserError(f"{source.name}: two classes have the name {twice!r}")


def _to_train_on(source: Source, spec: DataSpec) -> tuple[Chosen, ...]:
    """Train images and held-out images."""
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
    return Chosen(source.train, train, source.size), Chosen(pool, held_out, source.size)


def _to_test(source: Source, spec: DataSpec) -> tuple[Chosen, ...]:
    pool = source.test()
    return (Chosen(pool, np.arange(len(pool.labels), dtype=np.int64), source.size),)
