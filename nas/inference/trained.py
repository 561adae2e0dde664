"""A trained network, opened for use: its config, its weights and its exit policy."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError
from nas.exits import NEVER, ExitPolicy

if TYPE_CHECKING:
    from nas.config import Config
    from search_spaces.network import StagedNetwork

CONFIG = "config.yaml"
"""The config's name in a folder that `nas train` or `nas export` wrote."""


@dataclass(frozen=True, eq=False, slots=True)
class Trained:
    """What is needed to classify images; the config has image, classes and preprocessing.

    network: in evaluation mode, on the CPU, channels last. temperatures: one an exit.
    """

    network: "StagedNetwork"
    config: "Config"
    policy: ExitPolicy
    temperatures: tuple[float, ...]

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height, width of the input."""
        assert self.config.image is not None
        return self.config.image

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs."""
        assert self.config.classes is not None
        return self.config.classes


def open_trained(text: str, out: Path, weights: Path | None = None) -> Trained:
    """Open a config file with weights, a folder with one (itself or in `out`), or RUN:TRIAL.

    weights: another safetensors file than the one the config names.

    Raises:
        UserError: there is no such thing, it has no weights, they do not fit, or the config lacks
            what is needed to classify an image. SpaceError: a choice outside the space.
    """
    config, found = located(text, out)
    weights = weights or found
    if weights is None:
        raise UserError(f"{text}: no weights; nas train {text} makes them, or give --weights FILE")
    _refuse_incomplete(config, str(weights))
    return ready(config, _bytes(weights, config), str(weights))


def located(text: str, out: Path) -> "tuple[Config, Path | None]":
    """The config that `text` names, and the file of its weights where it has some."""
    from nas.config import load
    from nas.documents import SUFFIXES
    from nas.train_settings import FILE as TRAINING

    path = Path(text)
    for folder in (path, out / text) if text else ():
        if (folder / CONFIG).is_file():
            path = folder / CONFIG
            break
        if (folder / TRAINING).is_file():
            raise UserError(f"training {folder} has not ended; nas train {text} --resume goes on")
    run, colon, trial = text.rpartition(":")
    if path.suffix.lower() in SUFFIXES or path.is_file():
        config = load(path)
        return config, None if config.weights is None else path.parent / config.weights
    if colon:
        return _of_run(run, trial, out)
    raise UserError(
        f"{text!r}: no config file, folder with a {CONFIG}, or RUN:TRIAL (such as RUN:best)"
    )


def _refuse_incomplete(config: "Config", where: str) -> None:
    for part in ("image", "classes", "preprocessing"):
        if getattr(config, part) is None:
            raise UserError(f"{where}: its config does not say the {part}")


def ready(config: "Config", weights: bytes, where: str) -> Trained:
    """Build the network of a config around its weights; `where` names them in an error."""
    from nas.networks import build
    from nas.training.steps import channels_last
    from nas.training.weights import load_bytes

    assert config.image is not None and config.classes is not None
    network = build(config.architecture(), config.image, len(config.classes))
    try:
        load_bytes(network, weights)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    count = len(network.stages)
    policy = ExitPolicy((NEVER,) * (count - 1) + (0.0,), "never exit early")
    temperatures = (1.0,) * count
    if (exits := config.exits) is not None:
        if len(exits.thresholds) != count:
            given = len(exits.thresholds)
            raise UserError(f"{where}: its config has {given} thresholds for {count} exits")
        policy = ExitPolicy(exits.thresholds, exits.found)
        temperatures = exits.temperatures or temperatures
    return Trained(channels_last(network.eval()), config, policy, temperatures)


def _of_run(name: str, trial: str, out: Path) -> "tuple[Config, Path]":
    from nas.exports.config import config_of
    from nas.results import record
    from nas.run import open_run

    run = open_run(name, out)
    chosen = record(run, trial)
    path = run.weights_path(chosen.trial)
    if not path.is_file():
        raise UserError(
            f"trial {chosen.trial} of run {name!r} has no weights: a run keeps those of its front "
            f"(nas pareto {name}); nas train {name}:{trial} trains it"
        )
    return config_of(run, chosen), path


def _bytes(path: Path, config: "Config") -> bytes:
    """The file, if it may hold the network: a config of a few lines can ask for a huge one."""
    from nas.description import describe
    from nas.training.weights import FLOAT, HEAD

    assert config.image is not None and config.classes is not None
    needed = FLOAT * describe(config.architecture(), config.image, len(config.classes)).parameters
    most = 2 * needed + HEAD  # statistics of norms besides, fewer than the parameters
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if needed <= size <= most:
                return file.read(most)
    except OSError as error:
        raise UserError(f"{path}: weights cannot be read ({error.strerror})") from None
    raise UserError(
        f"{path}: weights do not fit the network: {size:,} bytes, its parameters are {needed:,}"
    )
