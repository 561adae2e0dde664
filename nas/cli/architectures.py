"""ARCH on the command line: a config file, ``RUN:TRIAL``, or the name of a published network."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas import plugins
from nas.description import Image
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.config import Config
    from nas.data.dataset import DataSpec
    from search_spaces.architecture import Architecture

Arch = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        help="A config file or its folder, RUN:TRIAL (or RUN:best), or a published network.",
    ),
]


@dataclass(frozen=True, slots=True)
class Found:
    """An architecture, and the image shape and number of classes it was made for, where known.

    ``config`` is the file it was read from, ``data`` the images it was found or trained with.
    """

    architecture: "Architecture"
    image: Image | None = None
    classes: int | None = None
    config: "Config | None" = None
    data: "DataSpec | None" = None


def find(text: str, out: Path) -> Found:
    """Read ARCH; runs, and folders with the config of a training, are looked for in ``out``.

    Raises UserError where nothing has that name, and what reading the file or the run raises.
    """
    from nas.documents import SUFFIXES
    from nas.inference.trained import CONFIG

    for folder in (Path(text), out / text) if text else ():
        if (folder / CONFIG).is_file():
            return _in_file(folder / CONFIG)
    if Path(text).suffix.lower() in SUFFIXES or Path(text).is_file():
        return _in_file(Path(text))
    run, colon, trial = text.rpartition(":")
    if colon:
        return _in_run(run, trial, out)
    if text and (out / text).is_dir():
        raise UserError(f"{text!r} names a run or a folder: give {text}:best, or a trial's number")
    return _published(text)


def _in_file(path: Path) -> Found:
    from nas.config import load

    config = load(path)
    classes = None if config.classes is None else len(config.classes)
    return Found(config.architecture(), config.image, classes, config, _data(config))


def _data(config: "Config") -> "DataSpec | None":
    """The images that a config's provenance names, as far as it does."""
    from nas.data.dataset import DataSpec

    told = {} if config.provenance is None else config.provenance.data
    kinds = {"source": str, "image": int, "root": str, "seed": int}
    known = {name: told[name] for name, kind in kinds.items() if type(told.get(name)) is kind}
    return DataSpec(**known) if "source" in known else None


def _in_run(name: str, trial: str, out: Path) -> Found:
    from nas.results import record
    from nas.run import open_run
    from nas.training.trial import cached

    run = open_run(name, out)
    architecture = record(run, trial).architecture
    if architecture is None:
        raise UserError(f"trial {trial} of run {name!r} has no architecture")
    spec = run.settings.data_spec()
    dataset = cached(spec)
    return Found(architecture, dataset.image, len(dataset.classes), data=spec)


def _published(name: str) -> Found:
    known: list[str] = []
    for space in map(plugins.space, plugins.names("search_spaces")):
        if name in space.published:
            return Found(space.published[name])
        known += space.published
    close = get_close_matches(name, known, n=3)
    hint = f", did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise UserError(
        f"no config file, RUN:TRIAL or published network {name!r}{hint} "
        "(nas spaces SPACE lists the published ones)"
    )
